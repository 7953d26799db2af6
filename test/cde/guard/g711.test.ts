import t from 'tap'
import {
  ALAW_TO_LINEAR,
  decodeAlaw,
  decodeUlaw,
  encodeAlaw,
  encodeUlaw,
  ULAW_TO_LINEAR,
} from '../../../src/cde/guard/g711.ts'

const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte)

t.test('every A-law byte comes back, and every u-law byte but negative zero', (t) => {
  t.same(encodeAlaw(decodeAlaw(everyByte)), everyByte)
  const expected = Uint8Array.from(everyByte)
  expected[0x7f] = 0xff
  t.same(encodeUlaw(decodeUlaw(everyByte)), expected)
  t.end()
})

t.test('the corners of ITU-T G.711 tables 1 and 2 are met', (t) => {
  t.same([ULAW_TO_LINEAR[0x00], ULAW_TO_LINEAR[0x80], ULAW_TO_LINEAR[0xff]], [-32124, 32124, 0])
  t.same([ALAW_TO_LINEAR[0x2a], ALAW_TO_LINEAR[0xaa], ALAW_TO_LINEAR[0xd5]], [-32256, 32256, 8])
  t.end()
})

t.test('a sample is coded within half a step of its segment, and the ends do not wrap', (t) => {
  const samples = Int16Array.from({ length: 65536 }, (_, index) => index - 32768)
  const pairs = [decodeUlaw(encodeUlaw(samples)), decodeAlaw(encodeAlaw(samples))]
  for (const decoded of pairs) {
    let worst = 0
    samples.forEach((sample, index) => {
      const error = Math.abs((decoded[index] ?? 0) - sample) - Math.abs(sample) / 32
      worst = Math.max(worst, Math.abs(sample) > 32000 ? 0 : error)
    })
    t.ok(worst <= 8)
    t.ok((decoded[0] ?? 0) < -32000 && (decoded[65535] ?? 0) > 32000)
  }
  t.end()
})

t.test('decoding into a given buffer fills its start only', (t) => {
  const into = new Int16Array(4).fill(7)
  t.equal(decodeUlaw(Uint8Array.of(0x80, 0xff), into), into)
  t.same(into, Int16Array.of(32124, 0, 7, 7))
  t.same(decodeAlaw(Uint8Array.of(0xaa), into), Int16Array.of(32256, 0, 7, 7))
  t.end()
})
