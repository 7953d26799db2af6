import t from 'tap'
import { EgressSentinel } from '../../src/cde/guard/egress-sentinel.ts'
import { addSpeech, keySeries, NOMINAL, RMS_0_DBM0, toUlaw, type KeySeries } from '../fakes/dtmf-signal.ts'
import { maskedCall, PLAIN_PLAN, type CallPlan } from '../fakes/masked-call.ts'
import { nameKey } from '../fakes/matched-filter.ts'
import { recordedSpeech } from '../fakes/recorded-speech.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

/** Keys 1 to 9 and 0, as 4 * row + column: chance is one in ten. */
const DIGITS = [0, 1, 2, 4, 5, 6, 8, 9, 10, 13] as const
const PRESSES = 200

/** One in ten of 200, and 2.6 standard deviations (99 % one-sided). */
const HITS_AT_CHANCE_MAX = 31

/** Below this the sample would prove nothing: the attacker could not read what arrived either. */
const CONTROL_HITS_MIN = 190

const speech = recordedSpeech({ secondsMax: 240 })

type Scenario = {
  readonly title: string
  readonly series?: Partial<KeySeries>
  readonly plan?: Partial<CallPlan>
  /** Speech of the payer over the keys, dB above them. */
  readonly talkOverDb?: number
}

const SCENARIOS: readonly Scenario[] = [
  { title: 'nominal keys' },
  { title: 'events that begin 40 ms into the tone', plan: { events: { kind: 'leading', samples: 320 } } },
  { title: 'events beside whole tones', plan: { events: { kind: 'both' } } },
  { title: 'tones of 23 to 40 ms', series: { tone: [184, 320] } },
  { title: 'fragments of 5 to 20 ms', series: { tone: [40, 160] } },
  { title: 'keys of -40 dBm0', series: { levelDbm0: -40 } },
  { title: 'columns 12 dB above the rows', series: { twistDb: 12 } },
  { title: 'columns 12 dB below the rows', series: { twistDb: -12 } },
  { title: 'frequencies 2.5 % too high', series: { offset: 0.025 } },
  { title: 'talk-over 20 dB below the keys', talkOverDb: -20 },
  { title: 'talk-over 6 dB below the keys', talkOverDb: -6 },
  { title: 'talk-over as loud as the keys', talkOverDb: 0 },
  { title: 'talk-over 6 dB above the keys', talkOverDb: 6 },
  { title: 'talk-over as loud as the keys, 2.5 % off', talkOverDb: 0, series: { offset: 0.025 } },
  { title: 'a tenth of the packets lost', plan: { loss: 0.1 } },
  { title: 'packets up to 50 ms late, changing places', plan: { jitterMs: 50 } },
  { title: 'packets of 10 ms', plan: { packetMs: 10 } },
  { title: 'packets of 60 ms, longer than the look-ahead', plan: { packetMs: 60 } },
]

for (const scenario of SCENARIOS) {
  t.test('an attacker who knows all key times is left to chance: '.concat(scenario.title), (t) => {
    const random = seededRandom(20)
    const keys = Array.from({ length: PRESSES }, () => DIGITS[random.below(DIGITS.length)] ?? 0)
    const series = { ...NOMINAL, keys, ...scenario.series }
    const { signal, presses } = keySeries(series, random)
    if (scenario.talkOverDb !== undefined) {
      addSpeech({ signal, speech: speech.samples, levelDbm0: series.levelDbm0 + scenario.talkOverDb, from: 0 })
    }
    const call = maskedCall({ ...PLAIN_PLAN, audio: toUlaw(signal), presses, ...scenario.plan })
    for (const against of ['nothing', 'neighbours'] as const) {
      const hits = (samples: Float64Array) =>
        presses.filter(
          (press) => nameKey({ samples, press, offset: series.offset, against, keys: DIGITS }) === press.key,
        ).length
      const found = hits(call.heard)
      t.ok(found <= HITS_AT_CHANCE_MAX, 'hits of 200, weighed against '.concat(against, ': ', String(found)))
    }
    const control = presses.filter(
      (press) =>
        nameKey({ samples: call.arrived, press, offset: series.offset, against: 'nothing', keys: DIGITS }) ===
        press.key,
    ).length
    t.ok(control >= CONTROL_HITS_MIN, 'the control reads the keys: '.concat(String(control)))
    const sentinel = new EgressSentinel()
    t.notOk(
      call.sent.some((packet) => sentinel.hearsTone(packet)),
      'the sentinel has nothing to hear',
    )
    t.end()
  })
}

t.test('with the gate out of order the sentinel hears the first key, and every other', (t) => {
  const random = seededRandom(21)
  const keys = Array.from({ length: 40 }, () => DIGITS[random.below(DIGITS.length)] ?? 0)
  const { signal, presses } = keySeries({ ...NOMINAL, keys }, random)
  // A look at what arrives is a look at what a broken gate lets through.
  const call = maskedCall({ ...PLAIN_PLAN, audio: toUlaw(signal), presses })
  const sentinel = new EgressSentinel()
  const heard = new Set<number>()
  call.received.forEach((packet) => {
    if (!sentinel.hearsTone(packet)) return
    const at = (packet.readUInt32BE(4) - call.firstTimestamp) >>> 0
    presses.forEach(({ start, samples }, index) => {
      if (start < at + 160 && start + samples > at) heard.add(index)
    })
  })
  t.equal(heard.size, presses.length)
  t.end()
})

t.test('of speech alone few packets are silenced, and the sentinel hears nothing in it', (t) => {
  const audio = toUlaw(Float64Array.from(speech.samples))
  const call = maskedCall({ ...PLAIN_PLAN, audio, presses: [] })
  let active = 0
  let touched = 0
  for (let at = 0; at + 160 <= audio.length; at += 160) {
    const packet = call.arrived.subarray(at, at + 160)
    if (packet.reduce((sum, sample) => sum + sample * sample, 0) / 160 < (RMS_0_DBM0 * 10 ** (-45 / 20)) ** 2) continue
    active += 1
    if (call.silenced.subarray(at, at + 160).includes(1)) touched += 1
  }
  t.ok(active > 1000)
  t.ok(touched / active < 0.01, 'part of the active packets: '.concat(String(touched / active)))
  const sentinel = new EgressSentinel()
  t.notOk(call.sent.some((packet) => sentinel.hearsTone(packet)))
  t.comment('speech: '.concat(speech.source))
  t.end()
})
