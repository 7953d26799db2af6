import t from 'tap'
import { AudioEncoder, warmUpEncoders } from '../../../src/demo/audio/audio-encoder.ts'

t.test('20 ms are 160 bytes in every codec', (t) => {
  warmUpEncoders()
  const encoder = new AudioEncoder()
  const audio = new Int16Array(160).fill(1_000)
  const [mu, a, wide] = [encoder.encode(audio, 'PCMU'), encoder.encode(audio, 'PCMA'), encoder.encode(audio, 'G722')]
  t.same([mu.length, a.length, wide.length], [160, 160, 160])
  t.notSame(mu, a)
  t.end()
})
