import type { Configuration, HostPort } from '../wire/configuration.ts'
import type { KekConfiguration } from '../wire/key-configuration.ts'
import type { RoleName } from './role-name.ts'

/** Who can be an end of a flow: our processes, rtpengine, and what belongs to others. */
export type FlowEnd = RoleName | 'rtpengine' | OutsideEnd
export type OutsideEnd =
  | 'carrier'
  | 'contact-centre'
  | 'browser'
  | 'operator'
  | 'detokenizer'
  | 'prometheus'
  | 'database'
  | 'acquirer'
  | 'key-service'
  | 'payment-system'
  | 'syslog'
  | 'clock'
  | 'homer'
  | 'resolver'

/** Network zones, in which the ends stand: the edge holds SIP alone, and no media. */
export type Zone = 'carrier' | 'edge' | 'cde' | 'contact-centre' | 'management'

export const ZONES: Readonly<Record<FlowEnd, Zone>> = {
  carrier: 'carrier',
  sipd: 'edge',
  sbc: 'edge',
  guard: 'cde',
  vault: 'cde',
  rtpengine: 'cde',
  desk: 'contact-centre',
  browser: 'contact-centre',
  'contact-centre': 'contact-centre',
  database: 'cde',
  acquirer: 'management',
  'key-service': 'management',
  'payment-system': 'cde',
  // Whoever is told a card number stands in the CDE: operators give orders, and are told none.
  detokenizer: 'cde',
  operator: 'management',
  prometheus: 'management',
  syslog: 'management',
  clock: 'management',
  homer: 'management',
  resolver: 'management',
}

/** One kind of traffic that the product needs; what is not in the list may be dropped everywhere. */
export type Flow = {
  readonly name: string
  /** Who begins it; UDP answers go back the same way. */
  readonly from: FlowEnd
  readonly to: FlowEnd
  readonly transport: 'udp' | 'tcp'
  readonly carries: string
  readonly protection: string
  /** Card digits are in it: while a window is open, or sealed. */
  readonly digits: boolean
  /** Where `to` listens; a port of null is any. Empty: not configured. */
  readonly at: (configuration: Configuration) => readonly FlowAddress[]
}

export type FlowAddress = { readonly host: string; readonly port: number | null; readonly portMax?: number }

const MUTUAL = 'TLS 1.3, certificates on both sides'
const NONE = 'none of its own'

/** Every flow between two processes and every one that leaves the product. */
export const FLOWS: readonly Flow[] = [
  ...(['carrier', 'contact-centre'] as const).flatMap((peer): readonly Flow[] => [
    {
      name: `sip-udp-${peer}`,
      from: peer,
      to: 'sipd',
      transport: 'udp',
      carries: 'SIP, both ways',
      protection: NONE,
      digits: false,
      at: ({ sip }) => sip.udp,
    },
    {
      name: `sip-tcp-${peer}`,
      from: peer,
      to: 'sipd',
      transport: 'tcp',
      carries: 'SIP',
      protection: 'TLS 1.2 or 1.3 where sip.tls is configured',
      digits: false,
      at: ({ sip }) => [...sip.tcp, ...(sip.tls?.addresses ?? [])],
    },
    {
      name: `sip-out-${peer}`,
      from: 'sipd',
      to: peer,
      transport: 'tcp',
      carries: 'SIP',
      protection: 'TLS 1.2 or 1.3 where the target says so',
      digits: false,
      at: (configuration) =>
        targetsOf(configuration, peer).flatMap(({ host, port, transport }) =>
          transport === 'udp' ? [] : [{ host, port }],
        ),
    },
    {
      name: `media-${peer}`,
      from: peer,
      to: 'rtpengine',
      transport: 'udp',
      carries: peer === 'carrier' ? 'RTP, with the keys that the payer types' : 'RTP, masked while a window is open',
      protection: 'SRTP where the trunk says so',
      digits: peer === 'carrier',
      at: mediaOf,
    },
  ]),
  {
    name: 'window-media',
    from: 'guard',
    to: 'rtpengine',
    transport: 'udp',
    carries: 'RTP of open windows, both ways, on one host',
    protection: 'never leaves the host',
    digits: true,
    at: mediaOf,
  },
  {
    name: 'media-control',
    from: 'sbc',
    to: 'rtpengine',
    transport: 'udp',
    carries: 'orders to rtpengine (ng)',
    protection: 'none: an isolated network or one host',
    digits: false,
    at: ({ rtpengines }) => rtpengines,
  },
  {
    name: 'guard-control',
    from: 'sbc',
    to: 'guard',
    transport: 'tcp',
    carries: 'orders for windows, masked progress; keys of trunks that signal by SIP INFO',
    protection: MUTUAL,
    digits: true,
    at: ({ guards }) => guards,
  },
  {
    name: 'tokens',
    from: 'guard',
    to: 'vault',
    transport: 'tcp',
    carries: 'card numbers, and tokens back',
    protection: MUTUAL,
    digits: true,
    at: ({ vault }) => [vault],
  },
  {
    name: 'vault-operator',
    from: 'operator',
    to: 'vault',
    transport: 'tcp',
    carries: "orders about keys, custodians' shares, the inventory of keys; no card number has a place in it",
    protection: MUTUAL,
    digits: false,
    at: ({ vault }) => [vault],
  },
  {
    name: 'sip-control',
    from: 'sbc',
    to: 'sipd',
    transport: 'tcp',
    carries: 'SIP over the control protocol of drachtio',
    protection: 'a shared secret: one host',
    digits: false,
    at: ({ sip }) => [sip.control],
  },
  ...(['desk', 'operator', 'sipd'] as const).map((from): Flow => ({
    name: `sbc-${from}`,
    from,
    to: 'sbc',
    transport: 'tcp',
    carries:
      from === 'desk'
        ? 'orders of agents, masked progress'
        : from === 'sipd'
          ? 'messages for traces'
          : 'calls, traces, drain, reload, self-test, the configuration for evidence',
    protection: MUTUAL,
    digits: false,
    at: ({ sbc }) => [sbc],
  })),
  {
    name: 'page',
    from: 'browser',
    to: 'desk',
    transport: 'tcp',
    carries: "the agents' page and the API",
    protection: 'TLS where desk.tls is configured',
    digits: false,
    at: ({ desk }) => [desk],
  },
  {
    name: 'database',
    from: 'vault',
    to: 'database',
    transport: 'tcp',
    carries: 'sealed cards, tokens, the audit record',
    protection: 'TLS, unless on one host',
    digits: true,
    at: ({ vault: { store, postgresql } }) =>
      store === 'postgresql' && postgresql !== null && !postgresql.host.startsWith('/')
        ? [postgresql, ...postgresql.standbys]
        : [],
  },
  {
    name: 'acquirer',
    from: 'vault',
    to: 'acquirer',
    transport: 'tcp',
    carries: 'authorizations, with card number and card code',
    protection: 'https',
    digits: true,
    at: ({ vault: { connectorUrl: own, merchants } }) =>
      [...new Set([own, ...merchants.map(({ connectorUrl }) => connectorUrl)])].flatMap((url) =>
        url === null ? [] : [urlAddress(url)],
      ),
  },
  {
    name: 'vault-api',
    from: 'payment-system',
    to: 'vault',
    transport: 'tcp',
    carries: 'charges by token; card numbers, to those whose certificate says so',
    protection: MUTUAL,
    digits: true,
    at: ({ vault: { api } }) => listOf(api),
  },
  {
    name: 'vault-detokenizer',
    from: 'detokenizer',
    to: 'vault',
    transport: 'tcp',
    carries: 'tonewall vault detokenize: a token and a purpose, one card number back',
    protection: MUTUAL,
    digits: true,
    at: ({ vault: { api } }) =>
      listOf(api !== null && api.clients.some(({ role }) => role === 'detokenizer') ? api : null),
  },
  {
    name: 'key-service',
    from: 'vault',
    to: 'key-service',
    transport: 'tcp',
    carries: 'data keys, to be wrapped and unwrapped by a KMS',
    protection: 'https',
    digits: false,
    at: ({ vault: { keys } }) => [keys.kek, ...keys.former].flatMap(keyServiceOf),
  },
  {
    name: 'audit',
    from: 'vault',
    to: 'syslog',
    transport: 'tcp',
    carries: 'the audit record (RFC 5425)',
    protection: 'TLS',
    digits: false,
    at: ({ audit: { syslog } }) => listOf(syslog),
  },
  {
    name: 'clock',
    from: 'vault',
    to: 'clock',
    transport: 'udp',
    carries: 'NTP: the offset of the clock',
    protection: NONE,
    digits: false,
    at: ({ audit: { timeServer } }) => listOf(timeServer),
  },
  {
    name: 'homer',
    from: 'sipd',
    to: 'homer',
    transport: 'udp',
    carries: 'SIP messages as HEP3, keys taken out',
    protection: NONE,
    digits: false,
    at: ({ homer }) => listOf(homer),
  },
  {
    name: 'names',
    from: 'sipd',
    to: 'resolver',
    transport: 'udp',
    carries: 'DNS (RFC 3263), by TCP when an answer is large',
    protection: NONE,
    digits: false,
    at: ({ sip: { resolvers } }) => resolvers,
  },
  ...(['sipd', 'sbc', 'vault', 'desk', 'guard'] as const).map((to): Flow => ({
    name: `metrics-${to}`,
    from: 'prometheus',
    to,
    transport: 'tcp',
    carries: 'figures, without any id of a call',
    protection: NONE,
    digits: false,
    at: ({ metrics: { host, ports }, guards }) =>
      to === 'guard' ? guards.map(({ metricsPort }) => ({ host, port: metricsPort })) : [{ host, port: ports[to] }],
  })),
]

/** The flows of one configuration, with their addresses; those that it has not are left out. */
export function flowsOf(
  configuration: Configuration,
): readonly (Flow & { readonly addresses: readonly FlowAddress[] })[] {
  return FLOWS.map((flow) => ({ ...flow, addresses: flow.at(configuration) })).filter(
    ({ addresses }) => addresses.length > 0,
  )
}

function targetsOf({ trunks }: Configuration, side: 'carrier' | 'contact-centre') {
  return trunks.filter((trunk) => trunk.side === side).flatMap(({ targets }) => targets)
}

/** Of an rtpengine that runs elsewhere only its owner knows the media ports. */
function mediaOf({ rtpengines }: Configuration): readonly FlowAddress[] {
  return rtpengines.flatMap(({ host, start }): readonly FlowAddress[] =>
    start === null
      ? [{ host, port: null }]
      : start.interface.split(';').map((name) => ({
          host: (name.trim().split('/')[1] ?? host).split('!')[0] ?? host,
          port: start.portMin,
          portMax: start.portMax,
        })),
  )
}

/** Which AWS KMS it is without an endpoint, its region says. An HSM's library finds its own way. */
function keyServiceOf(kek: KekConfiguration): readonly HostPort[] {
  if (kek.provider === 'transit') return [urlAddress(kek.url)]
  if (kek.provider !== 'aws-kms') return []
  return [kek.endpoint === null ? { host: `kms.${kek.region}.amazonaws.com`, port: 443 } : urlAddress(kek.endpoint)]
}

function urlAddress(text: string): HostPort {
  const { hostname, port, protocol } = new URL(text)
  return { host: hostname, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) }
}

function listOf(address: HostPort | null): readonly FlowAddress[] {
  return address === null ? [] : [address]
}
