import { PLAIN, type Axis, type Scenario } from './scenario.ts'

const NO_NETWORK = PLAIN.network
const BOTH = { tone: 'whole', events: 'beside' } as const
const EVENTS = { tone: 'none', events: 'instead' } as const
/** A gateway lets so much of each tone through until it knows it for a key, and sends events from there on. */
const leading = (leadMs: number) => ({ tone: { leadMs }, events: 'instead' }) as const

/** Loss at random, and loss in bursts of so many packets. */
const lossy = (loss: number, burst = 1) => ({ ...NO_NETWORK, loss, burst })
const exactly = (ms: number): readonly [number, number] => [ms, ms]

function row(name: string, axis: Axis, at: number, told: Partial<Scenario>): Scenario {
  return { ...PLAIN, name, axis, at, ...told }
}

const WHITE = (snrDb: number) => ({ kind: 'white', snrDb }) as const
const HUM = (snrDb: number) => ({ kind: 'hum', snrDb }) as const

/** Talk-over as loud as the keys: the speech that every crossing below is spoken over, unless it says otherwise. */
const TALK = { talkOverDb: 0 } as const

/**
 * The grid: every axis at several values with all else plain, and the crossings where maskers fail. The reading of a row: a hand on a
 * telephone at -10 dBm0, tones of 60 to 120 ms, gaps of 60 to 400 ms, PCMU in 20 ms packets, and what the row tells.
 */
export const SCENARIOS: readonly Scenario[] = [
  // Transport.
  row('in-band', 'transport', 0, {}),
  row('events, no tone in the audio', 'transport', 1, { transport: EVENTS }),
  row('events beside silent audio', 'transport', 2, { transport: { tone: 'none', events: 'beside' } }),
  row('both: events beside whole tones', 'transport', 3, { transport: BOTH }),
  ...[10, 20, 40, 80].map((leadMs, index) =>
    row(`${leadMs} ms of tone, then events`, 'transport', 4 + index, { transport: leading(leadMs) }),
  ),
  row('SIP INFO: neither tone nor event in the media', 'transport', 8, {
    transport: { tone: 'none', events: 'none' },
    ...TALK,
  }),

  // Level, length, twist, offset.
  ...[-3, -10, -20, -30, -35, -40, -45].map((levelDbm0) => row(`${levelDbm0} dBm0`, 'level', levelDbm0, { levelDbm0 })),
  ...[1, 2, 3, 5, 8, 10, 15, 20, 23, 30, 40, 60, 100, 200, 500].map((ms) =>
    row(`tones of ${ms} ms`, 'length', ms, { toneMs: exactly(ms) }),
  ),
  ...[-12, -9, -6, 6, 9, 12].map((twistDb) => row(`twist ${signed(twistDb)} dB`, 'twist', twistDb, { twistDb })),
  ...[-3.5, -2.5, -1.5, 1.5, 2.5, 3.5].map((percent) =>
    row(`${signed(percent)} % off`, 'offset', percent, { offset: percent / 100 }),
  ),

  // Noise, talk-over.
  ...[30, 20, 12, 6, 0].map((snrDb) =>
    row(`white noise ${snrDb} dB below the tone`, 'noise', snrDb, { noise: WHITE(snrDb) }),
  ),
  ...[20, 6, 0].map((snrDb) => row(`hum ${snrDb} dB below the tone`, 'noise', snrDb, { noise: HUM(snrDb) })),
  ...[-20, -12, -6, 0, 3, 6].map((talkOverDb) =>
    row(`talk-over ${signed(talkOverDb)} dB`, 'talkOver', talkOverDb, { talkOverDb }),
  ),

  // Network, codec, packet time.
  ...[1, 5, 10, 20, 30].map((percent) =>
    row(`loss ${percent} % at random`, 'loss', percent, { network: lossy(percent / 100) }),
  ),
  ...(
    [
      [5, 3],
      [10, 4],
      [30, 5],
    ] as const
  ).map(([percent, burst]) =>
    row(`loss ${percent} % in bursts of ${burst}`, 'loss', percent, { network: lossy(percent / 100, burst) }),
  ),
  ...[20, 60, 120].map((jitterMs) =>
    row(`jitter ${jitterMs} ms, packets change places`, 'crossing', 0, { network: { ...NO_NETWORK, jitterMs } }),
  ),
  row('5 % of the packets twice', 'crossing', 0, { network: { ...NO_NETWORK, duplicates: 0.05, jitterMs: 15 } }),
  ...[10, 20, 30, 40, 60].map((ptimeMs) => row(`packets of ${ptimeMs} ms`, 'ptime', ptimeMs, { ptimeMs })),
  row('PCMA', 'crossing', 0, { law: 'alaw' }),

  // Talk-over across everything.
  ...[1, 2, 5, 10, 20, 30, 40].map((ms) =>
    row(`talk-over 0 dB, tones of ${ms} ms`, 'crossing', 0, { ...TALK, toneMs: exactly(ms) }),
  ),
  row('talk-over +6 dB, tones of 20 ms', 'crossing', 0, { talkOverDb: 6, toneMs: exactly(20) }),
  row('talk-over +6 dB, tones of 40 ms', 'crossing', 0, { talkOverDb: 6, toneMs: exactly(40) }),
  row('talk-over 0 dB, tones of 500 ms', 'crossing', 0, { ...TALK, toneMs: exactly(500) }),
  ...[5, 10, 30].map((percent) =>
    row(`talk-over 0 dB, loss ${percent} %`, 'crossing', 0, { ...TALK, network: lossy(percent / 100) }),
  ),
  row('talk-over 0 dB, loss 10 % in bursts of 4', 'crossing', 0, { ...TALK, network: lossy(0.1, 4) }),
  row('talk-over 0 dB, jitter 60 ms', 'crossing', 0, { ...TALK, network: { ...NO_NETWORK, jitterMs: 60 } }),
  ...[10, 30, 40, 60].map((ptimeMs) =>
    row(`talk-over 0 dB, packets of ${ptimeMs} ms`, 'crossing', 0, { ...TALK, ptimeMs }),
  ),
  row('talk-over +6 dB, packets of 60 ms', 'crossing', 0, { talkOverDb: 6, ptimeMs: 60 }),
  row('talk-over +6 dB, packets of 60 ms, look-ahead 80 ms', 'crossing', 0, {
    talkOverDb: 6,
    ptimeMs: 60,
    lookAheadMs: 80,
  }),
  ...[-3.5, -2.5, 2.5, 3.5].map((percent) =>
    row(`talk-over 0 dB, ${signed(percent)} % off`, 'crossing', 0, { ...TALK, offset: percent / 100 }),
  ),
  ...[-12, 12].map((twistDb) =>
    row(`talk-over 0 dB, twist ${signed(twistDb)} dB`, 'crossing', 0, { ...TALK, twistDb }),
  ),
  row('talk-over -6 dB, +3.5 % off, twist -12 dB', 'crossing', 0, { talkOverDb: -6, offset: 0.035, twistDb: -12 }),
  ...[-30, -40].map((levelDbm0) => row(`talk-over 0 dB, ${levelDbm0} dBm0`, 'crossing', 0, { ...TALK, levelDbm0 })),
  row('talk-over +6 dB, -3 dBm0', 'crossing', 0, { talkOverDb: 6, levelDbm0: -3 }),
  row('talk-over 0 dB, white noise 12 dB below', 'crossing', 0, { ...TALK, noise: WHITE(12) }),
  row('talk-over 0 dB, both', 'crossing', 0, { ...TALK, transport: BOTH }),
  ...[10, 40, 80].map((leadMs) =>
    row(`talk-over 0 dB, ${leadMs} ms of tone, then events`, 'crossing', 0, { ...TALK, transport: leading(leadMs) }),
  ),
  row('talk-over 0 dB, 40 ms of tone, then events, loss 10 %', 'crossing', 0, {
    ...TALK,
    transport: leading(40),
    network: lossy(0.1),
  }),
  row('talk-over 0 dB, PCMA, loss 10 %', 'crossing', 0, { ...TALK, law: 'alaw', network: lossy(0.1) }),

  // Other nasty places.
  row('both, loss 20 %', 'crossing', 0, { transport: BOTH, network: lossy(0.2) }),
  row('40 ms of tone, then events, loss 20 %', 'crossing', 0, { transport: leading(40), network: lossy(0.2) }),
  row('40 ms of tone, then events, jitter 60 ms', 'crossing', 0, {
    transport: leading(40),
    network: { ...NO_NETWORK, jitterMs: 60 },
  }),
  row('-40 dBm0, white noise 12 dB below', 'crossing', 0, { levelDbm0: -40, noise: WHITE(12) }),
  row('-45 dBm0, white noise 6 dB below', 'crossing', 0, { levelDbm0: -45, noise: WHITE(6) }),
  row('-45 dBm0, hum 0 dB below', 'crossing', 0, { levelDbm0: -45, noise: HUM(0) }),
  row('-40 dBm0, tones of 10 ms', 'crossing', 0, { levelDbm0: -40, toneMs: exactly(10) }),
  row('fragments of 5 to 20 ms', 'crossing', 0, { toneMs: [5, 20] }),
  row('fragments of 5 to 20 ms, loss 30 %', 'crossing', 0, { toneMs: [5, 20], network: lossy(0.3) }),
  row('fast hand: 50 ms on, 50 ms off', 'crossing', 0, { toneMs: exactly(50), gapMs: exactly(50) }),
  row('fast hand: 50 ms on, 50 ms off, talk-over 0 dB', 'crossing', 0, {
    ...TALK,
    toneMs: exactly(50),
    gapMs: exactly(50),
  }),
  row('packets of 60 ms, loss 30 %', 'crossing', 0, { ptimeMs: 60, network: lossy(0.3) }),
  row('packets of 10 ms, jitter 60 ms, loss 10 %', 'crossing', 0, {
    ptimeMs: 10,
    network: { ...lossy(0.1), jitterMs: 60 },
  }),
  row('everything at once', 'crossing', 0, {
    ...TALK,
    ptimeMs: 30,
    law: 'alaw',
    twistDb: 6,
    offset: 0.015,
    noise: WHITE(20),
    network: { loss: 0.1, burst: 2, jitterMs: 60, duplicates: 0.02 },
  }),

  // The first key of a call, alone in it: nothing has told the masker yet how this payer's keys sound.
  ...(
    [
      ['first key of a call', {}],
      ['first key of a call, talk-over 0 dB', TALK],
      ['first key of a call, talk-over +6 dB', { talkOverDb: 6 }],
      ['first key of a call, tones of 20 ms, talk-over 0 dB', { ...TALK, toneMs: exactly(20) }],
      ['first key of a call, -40 dBm0', { levelDbm0: -40 }],
      ['first key of a call, in its first packet', { firstKeyMs: 0 }],
      ['first key of a call, in its first packet, talk-over 0 dB', { ...TALK, firstKeyMs: 0 }],
    ] as const
  ).map(([name, told]) => row(name, 'crossing', 0, { ...told, keysPerCall: 1 })),
]

/** Where the look-ahead is needed most: what `leak-knee` tries. */
export const NASTIEST: readonly string[] = [
  'in-band',
  'tones of 10 ms',
  '-45 dBm0',
  'talk-over 0 dB',
  'talk-over +6 dB, tones of 20 ms',
  'talk-over 0 dB, tones of 40 ms',
  'talk-over 0 dB, packets of 10 ms',
  'talk-over 0 dB, loss 10 %',
  'talk-over 0 dB, 40 ms of tone, then events',
  'first key of a call, talk-over 0 dB',
]

/** A scenario by its name; the name is of this list. */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found === undefined) throw new Error('no scenario has this name')
  return found
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value)
}
