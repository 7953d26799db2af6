import t from 'tap'
import { ComfortNoise } from '../../../../src/cde/guard/comfort-noise.ts'
import { decodeUlaw } from '../../../../src/cde/guard/g711.ts'
import { isCanary, planCanary, type PlannedKey } from '../../../../src/cde/guard/self-test/canary-keys.ts'
import { isLeak, readLeak } from '../../../../src/cde/guard/self-test/leak-judge.ts'
import { PACKET_SAMPLES, TestVoice } from '../../../../src/cde/guard/self-test/test-voice.ts'
import { seededRandom } from '../../../fakes/seeded-random.ts'

const KEYS = planCanary(800)
const LENGTH = 22_400

/** What an agent's side hears: noise, and of some keys the tone, each sample decided by `passes`. */
function heard(options: {
  readonly seed: number
  readonly passes: (key: PlannedKey, index: number, offset: number) => boolean
}): Float64Array {
  const noise = new Uint8Array(LENGTH)
  new ComfortNoise(options.seed).fill({ target: noise, start: 0, length: LENGTH, position: 0, law: 'ulaw' })
  const recording = Float64Array.from(decodeUlaw(noise))
  const voice = new TestVoice(options.seed)
  const tones = KEYS.map((key) => ({ ...key, transport: 'tone' as const }))
  voice.plan(tones)
  const sent = Int16Array.from({ length: LENGTH })
  for (let index = 0; index < LENGTH / PACKET_SAMPLES; index += 1)
    sent.set(decodeUlaw(voice.audio(index)), index * PACKET_SAMPLES)
  tones.forEach((key, index) => {
    for (let offset = 0; offset < key.samples; offset += 1)
      if (options.passes(key, index, offset)) recording[key.start + offset] = sent[key.start + offset] ?? 0
  })
  return recording
}

t.test('masked keys are read by nobody: 150 tests raise nothing, and come nowhere near', (t) => {
  let readMax = 0
  let namedMax = 0
  for (let seed = 1; seed <= 150; seed += 1) {
    const reading = readLeak(heard({ seed, passes: () => false }), KEYS)
    readMax = Math.max(readMax, reading.read)
    namedMax = Math.max(namedMax, reading.named)
  }
  t.equal(readMax, 0)
  t.ok(namedMax <= 7, `most named in one test: ${namedMax}`)
  t.end()
})

t.test('speech-like noise that goes through between keys and beside them raises nothing', (t) => {
  const random = seededRandom(3)
  for (let round = 0; round < 60; round += 1) {
    const recording = Float64Array.from({ length: LENGTH }, () => random.gaussian() * 800)
    t.notOk(isLeak(readLeak(recording, KEYS)))
  }
  t.end()
})

t.test('a leak of half the keys, of two whole keys, or of a fragment of every key is one', (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    t.ok(isLeak(readLeak(heard({ seed, passes: (_key, index) => index % 2 === 0 }), KEYS)))
    t.ok(isLeak(readLeak(heard({ seed, passes: (_key, index) => index < 2 }), KEYS)))
    t.ok(isLeak(readLeak(heard({ seed, passes: (_key, _index, offset) => offset >= 200 && offset < 280 }), KEYS)))
  }
  t.end()
})

t.test('silence, and a recording of nothing, are no leak', (t) => {
  t.same(readLeak(new Float64Array(LENGTH), KEYS), { read: 0, named: 0 })
  t.same(readLeak(new Float64Array(0), KEYS), { read: 0, named: 0 })
  t.end()
})

t.test('the canary is the public test card, keyed by every transport, and is known again digit for digit', (t) => {
  const digits = Uint8Array.from(KEYS.map(({ key }) => key))
  t.ok(isCanary(digits))
  for (let index = 0; index < digits.length; index += 1) {
    const wrong = Uint8Array.from(digits)
    wrong[index] = ((digits[index] ?? 0) + 1) % 10
    t.notOk(isCanary(wrong))
  }
  t.notOk(isCanary(digits.subarray(1)))
  t.notOk(isCanary(new Uint8Array(0)))
  t.same([...new Set(KEYS.map(({ transport }) => transport))], ['tone', 'event', 'both'])
  t.end()
})

t.test('a key by events has no tone in its audio, and its end is sent three times', (t) => {
  const voice = new TestVoice(5)
  voice.plan(KEYS)
  const packets = Array.from({ length: LENGTH / PACKET_SAMPLES }, (_, index) => voice.packets(index))
  const events = packets.flat().filter(({ payloadType }) => payloadType === 101)
  const byEvent = KEYS.filter(({ transport }) => transport !== 'tone')
  t.equal(events.filter(({ payload }) => ((payload[1] ?? 0) & 0x80) !== 0).length, 3 * byEvent.length)
  for (const { payload, timestamp } of events) {
    const key = byEvent.find(({ start }) => start === timestamp)
    t.equal(payload[0], key?.key)
    t.ok(payload.readUInt16BE(2) <= (key?.samples ?? 0))
  }
  t.end()
})
