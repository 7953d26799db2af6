import type { Configuration } from '../../wire/configuration.ts'
import { flowsOf, type FlowEnd } from '../flows.ts'
import { siteDiagram, type BoxText } from './site-diagram.ts'

/** Ends that get nothing of a call or a card: they are in the network diagram. */
const NO_DATA: ReadonlySet<FlowEnd> = new Set(['prometheus', 'clock', 'resolver'])

/** Where account data flows in this configuration, and what else of a payment flows where (PCI DSS 1.2.4). */
export function dataFlowDiagram(configuration: Configuration): string {
  return siteDiagram({
    id: 'data-flow',
    title: 'Data flow',
    description:
      'Card digits come from the carrier through rtpengine to the guard, and from it to the vault, where they are sealed. The contact centre gets masked audio, dots, the last four digits and a token.',
    flows: flowsOf(configuration).filter(({ from, to }) => !NO_DATA.has(from) && !NO_DATA.has(to)),
    text: (end) => TEXTS[end] ?? { name: end, lines: [], digits: false },
    say: ({ carries }) => carries,
    legend:
      'Thick red: card digits are in it, in clear while a window is open, or sealed. Thin: none are, but for the keys of a carrier that signals by SIP INFO.',
  })
}

const TEXTS: Readonly<Partial<Record<FlowEnd, BoxText>>> = {
  carrier: { name: 'carrier', lines: ['the payer’s telephone', 'keys as tones', 'or as events'], digits: true },
  sipd: { name: 'sipd', lines: ['SIP; keys in it only where', 'a carrier signals by INFO'], digits: false },
  sbc: { name: 'sbc', lines: ['calls and windows;', 'masked progress'], digits: false },
  operator: { name: 'operator', lines: ['commands; no numbers'], digits: false },
  rtpengine: {
    name: 'rtpengine',
    lines: ['relays audio unread,', 'the payer’s side only', 'while a window is open'],
    digits: true,
  },
  guard: { name: 'guard', lines: ['masks the audio,', 'reads the keys,', 'keeps none'], digits: true },
  vault: { name: 'vault', lines: ['seals numbers, gives tokens;', 'card codes in memory only'], digits: true },
  database: { name: 'database', lines: ['sealed numbers, tokens,', 'the audit record'], digits: false },
  desk: { name: 'desk', lines: ['dots, brand, last four,', 'token'], digits: false },
  browser: { name: 'browser', lines: ['the agents’ page'], digits: false },
  'contact-centre': {
    name: 'contact centre',
    lines: ['telephones, PBX,', 'recorders:', 'masked audio'],
    digits: false,
  },
  detokenizer: { name: 'detokenizer', lines: ['a person: one', 'number at a time'], digits: true },
  'payment-system': {
    name: 'payment system',
    lines: ['charges tokens; numbers', 'for who may have them'],
    digits: true,
  },
  'key-service': { name: 'key service', lines: ['wraps keys'], digits: false },
  acquirer: { name: 'acquirer', lines: ['decides on payments'], digits: true },
  syslog: { name: 'log collector', lines: ['the audit record'], digits: false },
  homer: { name: 'Homer', lines: ['SIP without keys'], digits: false },
}
