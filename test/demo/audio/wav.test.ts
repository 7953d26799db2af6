import t from 'tap'
import { formatWav, parseWav } from '../../../src/demo/audio/wav.ts'

const WAV = { rateHz: 8_000, samples: Int16Array.of(0, 1, -1, 32_767, -32_768) }

t.test('a recording that was written is read again', (t) => {
  t.same(parseWav(formatWav(WAV)), WAV)
  t.end()
})

t.test('a file whose length is only promised, as from a pipe, is read to its end', (t) => {
  const bytes = formatWav(WAV)
  bytes.writeUInt32LE(0x7ffff000, 40)
  t.same(parseWav(bytes), WAV)
  t.end()
})

t.test('what is not mono 16-bit PCM is refused', (t) => {
  const stereo = formatWav(WAV)
  stereo.writeUInt16LE(2, 22)
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(100), formatWav(WAV).subarray(0, 36), stereo]) {
    t.equal(parseWav(bytes), undefined)
  }
  t.end()
})
