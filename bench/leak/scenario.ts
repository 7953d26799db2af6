import { LOOK_AHEAD_MS } from '../../src/cde/guard/masker.ts'

/** The twelve keys of a telephone, as they lie: key = 3 * row + column. */
export const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'] as const

/** What an attacker reaches who hears nothing. */
export const CHANCE = 1 / KEYS.length

/** ITU-T Q.23. The fourth column (1633 Hz) belongs to no key that a payer has. */
export const ROWS_HZ = [697, 770, 852, 941] as const
export const COLUMNS_HZ = [1209, 1336, 1477] as const

/**
 * How key presses reach the masker.
 *
 * - `tone`: how much of each tone the payer's audio holds: all, none, or so many milliseconds before a gateway cuts it.
 * - `events`: RFC 4733 packets beside the audio, instead of it, or not at all (in-band, or SIP INFO).
 */
export type Transport = {
  readonly tone: 'whole' | 'none' | { readonly leadMs: number }
  readonly events: 'none' | 'beside' | 'instead'
}

/** Where in a plot a scenario stands. */
export type Axis =
  'level' | 'length' | 'twist' | 'offset' | 'talkOver' | 'noise' | 'loss' | 'ptime' | 'transport' | 'crossing'

/** One row of the grid: everything that is told about the stimulus. */
export type Scenario = {
  readonly name: string
  readonly axis: Axis
  /** Its place on the axis, in the axis' unit. */
  readonly at: number
  readonly transport: Transport
  /** Shortest and longest, drawn evenly for each key in single samples: every phase against the packets occurs. */
  readonly toneMs: readonly [number, number]
  readonly gapMs: readonly [number, number]
  /** Each call has speech and noise of its own, and a masker that knows nothing yet. */
  readonly keysPerCall: number
  /** From the first packet to the first key. */
  readonly firstKeyMs: number
  /** Both frequencies together. */
  readonly levelDbm0: number
  /** Column over row. */
  readonly twistDb: number
  /** Part by which both frequencies are off; 0.025 is 2.5 %. */
  readonly offset: number
  readonly noise: { readonly kind: 'none' } | { readonly kind: 'white' | 'hum'; readonly snrDb: number }
  /** The payer's speech while active, dB over the tones; null: the payer is silent. */
  readonly talkOverDb: number | null
  readonly network: {
    /** Part of the packets that never come. */
    readonly loss: number
    /** Packets lost in a row, on average; 1 is loss at random. */
    readonly burst: number
    /** Packets come up to this much late; beyond the packet time they change places. */
    readonly jitterMs: number
    /** Part of the packets that come twice. */
    readonly duplicates: number
  }
  readonly law: 'ulaw' | 'alaw'
  readonly ptimeMs: number
  /** How long the masker holds the payer's audio. */
  readonly lookAheadMs: number
}

/** A hand on a telephone, over a good line: what a scenario is unless it says otherwise. */
export const PLAIN: Omit<Scenario, 'name' | 'axis' | 'at'> = {
  transport: { tone: 'whole', events: 'none' },
  toneMs: [60, 120],
  gapMs: [60, 400],
  keysPerCall: 20,
  firstKeyMs: 300,
  levelDbm0: -10,
  twistDb: 0,
  offset: 0,
  noise: { kind: 'none' },
  talkOverDb: null,
  network: { loss: 0, burst: 1, jitterMs: 0, duplicates: 0 },
  law: 'ulaw',
  ptimeMs: 20,
  lookAheadMs: LOOK_AHEAD_MS,
}
