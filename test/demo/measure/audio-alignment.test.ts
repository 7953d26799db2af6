import t from 'tap'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'
import type { AudioPiece } from '../../../src/demo/judge/recording.ts'
import { AudioAlignment } from '../../../src/demo/measure/audio-alignment.ts'

function pieces(options: { readonly lateUs: number; readonly gain: number }): readonly AudioPiece[] {
  const random = seededRandom(4)
  return Array.from({ length: 100 }, (_, index) => {
    const atUs = index * 20_000 + options.lateUs
    const samples = Int16Array.from({ length: 160 }, () => Math.round((random() * 2 - 1) * 3_000 * options.gain))
    const packet = {
      atUs: atUs + 7,
      payloadType: 0,
      ssrc: 1,
      sequence: index,
      timestamp: index * 160,
      marker: false,
      payload: new Uint8Array(0),
    }
    return { packet, atUs, samples }
  })
}

t.test('a stretch is found where it was spoken, also when it is softer', (t) => {
  const alignment = new AudioAlignment(pieces({ lateUs: 0, gain: 1 }))
  for (const lateUs of [0, 25_000, 390_000]) {
    const stretch = pieces({ lateUs, gain: 0.3 }).slice(20, 40)
    t.equal(alignment.find(stretch), 400_000)
  }
  t.equal(alignment.leftUs(400_125), 400_132)
  t.equal(alignment.leftUs(-1), undefined)
  t.end()
})

t.test('too late, too short or too soft is not found', (t) => {
  const alignment = new AudioAlignment(pieces({ lateUs: 0, gain: 1 }))
  t.equal(alignment.find(pieces({ lateUs: 800_000, gain: 1 }).slice(20, 40)), undefined)
  t.equal(alignment.find(pieces({ lateUs: 0, gain: 1 }).slice(20, 22)), undefined)
  t.equal(alignment.find(pieces({ lateUs: 0, gain: 0.01 }).slice(20, 40)), undefined)
  t.equal(alignment.find([]), undefined)
  t.end()
})
