import t from 'tap'
import { decodeALaw, decodeMuLaw, encodeALaw, encodeMuLaw } from '../../../src/demo/audio/g711.ts'

t.test('every G.711 code is its own sample again', (t) => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  t.same(encodeALaw(decodeALaw(bytes)), bytes)
  // Mu-law has two zeros (ITU-T G.711 table 2); the negative one comes back as the positive one.
  t.same(
    encodeMuLaw(decodeMuLaw(bytes)),
    bytes.map((byte) => (byte === 0x7f ? 0xff : byte)),
  )
  t.end()
})

t.test('G.711 knows the values that everybody knows', (t) => {
  t.same([...encodeMuLaw(Int16Array.of(0, 32_767, -32_768))], [0xff, 0x80, 0x00])
  t.same([...decodeMuLaw(Uint8Array.of(0xff, 0x80, 0x00))], [0, 32_124, -32_124])
  t.same([...encodeALaw(Int16Array.of(0, 32_767, -32_768))], [0xd5, 0xaa, 0x2a])
  t.same([...decodeALaw(Uint8Array.of(0xd5, 0xaa, 0x2a))], [8, 32_256, -32_256])
  t.end()
})

t.test('G.711 stays within a step of any sample', (t) => {
  const samples = Int16Array.from({ length: 65_536 }, (_, at) => at - 32_768)
  for (const decoded of [decodeMuLaw(encodeMuLaw(samples)), decodeALaw(encodeALaw(samples))]) {
    const worst = samples.reduce((most, sample, at) => {
      return Math.max(most, Math.abs(sample - (decoded[at] ?? 0)) / (Math.abs(sample) + 512))
    }, 0)
    t.ok(worst < 0.04, 'a step is about a thirtieth of the sample')
  }
  t.end()
})
