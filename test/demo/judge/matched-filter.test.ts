import t from 'tap'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'
import { toneSample } from '../../../src/demo/audio/tone-pair.ts'
import { readMatchedFilter, type MatchedFilterTask } from '../../../src/demo/judge/matched-filter.ts'

const LEVEL = { lowDbm0: -10, highDbm0: -8 } as const
const ALPHABET = '0123456789*#'

/** Twelve seconds of noise with 30 keys in it, of which `toneMs` can be heard, `lateMs` after each was pressed. */
function task(options: { readonly toneMs: number; readonly lateMs: number; readonly seed: number }): MatchedFilterTask {
  const random = seededRandom(options.seed)
  const samples = Int16Array.from({ length: 8_000 * 12 }, () => Math.round((random() * 2 - 1) * 60))
  const keys = Array.from({ length: 30 }, (_, at) => ({
    key: ALPHABET[Math.floor(random() * ALPHABET.length)] ?? '',
    atUs: 2_000_000 + at * 150_000,
    onMs: 80,
    transport: 'inband' as const,
  }))
  for (const { key, atUs } of keys) {
    for (let at = 0; at < options.toneMs * 8; at += 1) {
      const place = atUs / 125 + options.lateMs * 8 + at
      samples[place] = (samples[place] ?? 0) + Math.round(toneSample(key, at, LEVEL))
    }
  }
  return { recording: { startUs: 0, samples }, keys }
}

t.test('whole keys are read, whatever the delay of the path', (t) => {
  for (const lateMs of [-15, 0, 30, 110]) {
    const { read, forcedChoice } = readMatchedFilter(task({ toneMs: 80, lateMs, seed: 1 }))
    t.equal(read, 30)
    t.equal(forcedChoice.hits, 30)
    t.equal(forcedChoice.upper99, 1)
  }
  t.end()
})

t.test('a few milliseconds of a tone are enough', (t) => {
  const fragment = readMatchedFilter(task({ toneMs: 5, lateMs: 40, seed: 2 }))
  t.ok(fragment.forcedChoice.hits >= 27)
  t.end()
})

t.test('where no key was heard nothing is read, and a forced choice stays at chance', (t) => {
  const readings = [3, 4, 5, 6, 7, 8].map((seed) => readMatchedFilter(task({ toneMs: 0, lateMs: 0, seed })))
  t.equal(
    readings.reduce((sum, { read }) => sum + read, 0),
    0,
  )
  const hits = readings.reduce((sum, { forcedChoice }) => sum + forcedChoice.hits, 0)
  t.ok(hits < 30, 'of 180 tries about 15 hit by chance; 30 would be one in 8,000')
  t.end()
})

t.test('an empty recording and an empty list of keys are no error', (t) => {
  const nothing = readMatchedFilter({ recording: { startUs: 0, samples: new Int16Array(0) }, keys: [] })
  t.match(nothing, { read: 0, forcedChoice: { hits: 0, tries: 0, upper99: 1 } })
  const { keys } = task({ toneMs: 0, lateMs: 0, seed: 1 })
  t.equal(readMatchedFilter({ recording: { startUs: 0, samples: new Int16Array(0) }, keys }).read, 0)
  t.end()
})
