import type { RealScenario } from './real-path-job.ts'
import { MOMENTS, type Moment } from './real-path-moments.ts'
import { PLAIN, type Scenario } from './scenario.ts'
import { scenarioNamed } from './scenarios.ts'

/** Keys follow faster on one another than offline, so that minutes of calls hold as many as may be. */
const GAP_MS = [60, 160] as const
/** Around a closing window a key must not lie beside one that is to be heard. */
const EDGE_GAP_MS = [300, 900] as const

/** Rows of the offline grid that take the real path as well: at least one of every axis, and the worst crossings. */
const FROM_THE_GRID = [
  'in-band',
  'events, no tone in the audio',
  'both: events beside whole tones',
  '20 ms of tone, then events',
  '80 ms of tone, then events',
  '-40 dBm0',
  'tones of 20 ms',
  'twist +9 dB',
  '+2.5 % off',
  'white noise 12 dB below the tone',
  'talk-over 0 dB',
  'talk-over +6 dB',
  'loss 30 % in bursts of 5',
  'jitter 60 ms, packets change places',
  'packets of 10 ms',
  'packets of 60 ms',
  'PCMA',
  'talk-over 0 dB, loss 10 %',
  'talk-over 0 dB, 40 ms of tone, then events, loss 10 %',
  'both, loss 20 %',
  'everything at once',
] as const

const MOMENT_NAMES: Readonly<Record<Moment, string>> = {
  hold: 'payer holds and resumes mid-digit',
  port: 'payer moves to another port mid-digit',
  codec: 'payer changes from PCMU to PCMA and back mid-digit',
  'agent-hold': 'agent holds and resumes mid-digit',
  'agent-port': 'contact centre transfers by re-INVITE mid-digit',
  cancel: 'agent cancels the window mid-digit',
  paid: 'keys after the card was taken',
  edges: 'windows opened and closed around keys',
  bye: 'payer hangs up mid-digit and sends on',
}

const CODECS = ['G722', 'opus', 'GSM', 'G729'] as const

function real(scenario: Scenario, told: Partial<RealScenario> = {}): RealScenario {
  return {
    scenario: { ...scenario, gapMs: GAP_MS },
    masking: 'talk-through',
    codec: null,
    info: false,
    moment: null,
    ...told,
  }
}

/** Plain keys beside a quiet voice; a codec's delay is found by that voice. */
const SPOKEN: Omit<Scenario, 'name'> = { ...PLAIN, axis: 'crossing', at: 0, talkOverDb: -6 }
const EVENTS = { tone: 'none', events: 'instead' } as const

/** What is played through the whole product. */
export const REAL_SCENARIOS: readonly RealScenario[] = [
  ...FROM_THE_GRID.map((name) => real(scenarioNamed(name))),
  real({ ...SPOKEN, name: 'SIP INFO alone', transport: { tone: 'none', events: 'none' } }, { info: true }),
  real({ ...SPOKEN, name: 'SIP INFO beside whole tones' }, { info: true }),
  real({ ...SPOKEN, name: 'hard, in-band' }, { masking: 'hard' }),
  ...CODECS.map((codec) => real({ ...SPOKEN, name: `${codec}, in-band` }, { codec })),
  ...CODECS.map((codec) => real({ ...SPOKEN, name: `${codec}, events`, transport: EVENTS }, { codec })),
  ...MOMENTS.map((moment) => {
    const row = real({ ...SPOKEN, name: MOMENT_NAMES[moment] }, { moment })
    return moment === 'edges' ? { ...row, scenario: { ...row.scenario, gapMs: EDGE_GAP_MS } } : row
  }),
]
