import t from 'tap'
import { createHash } from 'node:crypto'
import { G722Decoder, G722Encoder } from '../../../src/demo/audio/g722.ts'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

/** The two filters together delay by 22 samples of 16 kHz. */
const DELAY = 22

function tones(): Int16Array {
  return Int16Array.from({ length: 16_000 }, (_, at) => {
    const turn = (2 * Math.PI * at) / 16_000
    return Math.round(6_000 * Math.sin(turn * 440) + 3_000 * Math.sin(turn * 1_336) + 800 * Math.sin(turn * 5_200))
  })
}

function signalToNoiseDb(original: Int16Array, decoded: Int16Array): number {
  let signal = 0
  let noise = 0
  for (let at = 1_000; at + DELAY < decoded.length; at += 1) {
    const sample = original[at] ?? 0
    signal += sample ** 2
    noise += (sample - (decoded[at + DELAY] ?? 0)) ** 2
  }
  return 10 * Math.log10(signal / noise)
}

t.test('G.722 gives both bands back with little noise', (t) => {
  const original = tones()
  const decoded = new G722Decoder().decode(new G722Encoder().encode(original))
  t.equal(decoded.length, original.length)
  t.ok(signalToNoiseDb(original, decoded) > 25)
  t.end()
})

t.test('G.722 carries one byte for two samples, and its state from packet to packet', (t) => {
  const original = tones()
  const encoder = new G722Encoder()
  const parts: number[] = []
  for (let at = 0; at < original.length; at += 320) parts.push(...encoder.encode(original.subarray(at, at + 320)))
  t.equal(parts.length, original.length / 2)
  t.same(Uint8Array.from(parts), new G722Encoder().encode(original))
  t.end()
})

t.test('G.722 codes do not change by accident: they were compared with spandsp, bit for bit', (t) => {
  const random = seededRandom(722)
  const samples = Int16Array.from({ length: 32_000 }, () => Math.round((random() * 2 - 1) * 12_000))
  const codes = new G722Encoder().encode(samples)
  const decoded = new G722Decoder().decode(codes)
  t.equal(createHash('sha256').update(codes).digest('hex').slice(0, 16), '16c778be24873efa')
  t.equal(createHash('sha256').update(Buffer.from(decoded.buffer)).digest('hex').slice(0, 16), '6f1866b43e5c4861')
  t.end()
})
