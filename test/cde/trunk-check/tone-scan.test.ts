import t from 'tap'
import { AudioTape } from '../../../src/cde/trunk-check/audio-tape.ts'
import { keyAt, levelsOf, pairOf } from '../../../src/cde/trunk-check/tone-fit.ts'
import { ToneScan, type ToneTelling } from '../../../src/cde/trunk-check/tone-scan.ts'
import { findSpans } from '../../../src/cde/trunk-check/tone-spans.ts'
import { dtmfTones } from '../../fakes/dtmf-tones.ts'
import { recordedSpeech } from '../../fakes/recorded-speech.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

function scanned(samples: Int16Array, hole: readonly [from: number, to: number] = [0, 0]): readonly ToneTelling[] {
  const tape = new AudioTape()
  const told: ToneTelling[] = []
  const scan = new ToneScan(tape, (telling) => told.push(telling))
  for (let at = 0; at < samples.length; at += 160) {
    if (at < hole[0] || at >= hole[1]) tape.write(samples.subarray(at, at + 160), at)
    scan.run()
  }
  scan.run(true)
  return told
}

t.test('every key is found where it is, to the sample, in noise', (t) => {
  const random = seededRandom(8)
  const tones = Array.from({ length: 16 }, (_, key) => ({ key, onMs: 50, offMs: 50, dbm0: -12, twistDb: -3 }))
  const told = scanned(dtmfTones(tones, { noiseDbm0: -45, random }))
  t.same(
    told.map(({ key }) => key),
    tones.map(({ key }) => key),
  )
  told.forEach(({ spans }, index) => {
    t.equal(spans.length, 1)
    t.ok(Math.abs((spans[0]?.start ?? 0) - (800 + index * 800)) <= 8)
    t.ok(Math.abs((spans[0]?.end ?? 0) - (1_200 + index * 800)) <= 8)
  })
  t.end()
})

t.test('a lost packet in a tone does not split or shorten it', (t) => {
  const [told, ...more] = scanned(dtmfTones([{ key: 6, onMs: 120, offMs: 100 }], { leadMs: 200 }), [1_920, 2_080])
  t.same(
    told?.spans.map(({ start, end }) => [start, end]),
    [[1_600, 2_560]],
  )
  t.equal(more.length, 0)
  t.end()
})

t.test('a fragment of 10 ms is measured when the key is known, and only that key', (t) => {
  const tape = new AudioTape()
  tape.write(dtmfTones([{ key: 6, onMs: 10, offMs: 100, dbm0: -15 }], { leadMs: 203 }), 0)
  const [span] = findSpans(tape, 6, { start: 0, end: tape.head })
  t.same([span?.start, span?.end], [1_624, 1_704])
  t.ok(span !== undefined && Math.abs(levelsOf(span.fit).lowDbm0 + 15) < 1)
  t.same(findSpans(tape, 5, { start: 0, end: tape.head }), [])
  tape.wipe()
  t.same(findSpans(tape, 6, { start: 0, end: tape.head }), [])
  t.end()
})

t.test('speech is no key', (t) => {
  t.same(scanned(recordedSpeech({ secondsMax: 30 }).samples), [])
  t.end()
})

t.test('rows and columns make the keys of ITU-T Q.23', (t) => {
  t.same(pairOf(5), { lowHz: 770, highHz: 1_336 })
  t.same(pairOf(0), { lowHz: 941, highHz: 1_336 })
  t.equal(keyAt(3, 2), 11)
  t.end()
})
