import t from 'tap'
import { toneSample } from '../../../src/demo/audio/tone-pair.ts'
import { readMultimon } from '../../../src/demo/judge/multimon-judge.ts'

const KEYS = '0123456789*#ABCD'

t.test('multimon-ng reads every key of a clean recording, and none of silence', async (t) => {
  const samples = Int16Array.from({ length: KEYS.length * 1_600 }, (_, at) => {
    const within = at % 1_600
    const key = KEYS[Math.floor(at / 1_600)] ?? ''
    return within < 800 ? Math.round(toneSample(key, within, { lowDbm0: -10, highDbm0: -8 })) : 0
  })
  t.same(await readMultimon({ startUs: 0, samples }), { kind: 'read', keys: KEYS })
  t.same(await readMultimon({ startUs: 0, samples: new Int16Array(16_000) }), { kind: 'read', keys: '' })
})

t.test('without multimon-ng the package is named', async (t) => {
  const path = process.env['PATH']
  process.env['PATH'] = ''
  t.teardown(() => {
    process.env['PATH'] = path
  })
  t.same(await readMultimon({ startUs: 0, samples: new Int16Array(10) }), {
    kind: 'unavailable',
    code: 'multimon_missing',
    package: 'multimon-ng',
  })
})
