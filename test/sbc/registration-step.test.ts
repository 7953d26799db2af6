import t from 'tap'
import { grantedSeconds, refreshAfterMs, retryAfterMs } from '../../src/sbc/registration-step.ts'

t.test('a binding is refreshed at its half, a long one ten minutes before its end', (t) => {
  t.equal(refreshAfterMs(600), 300_000)
  t.equal(refreshAfterMs(1_200), 600_000)
  t.equal(refreshAfterMs(3_600), 3_000_000)
  t.equal(refreshAfterMs(0), 5_000, 'a registrar that grants nothing is not asked without a pause')
  t.end()
})

t.test('after failures the pause doubles, by chance, up to half an hour; the registrar may name it', (t) => {
  const pause = (failures: number, chance: number): number =>
    retryAfterMs({ failures, chance, retryAfterSeconds: null }) / 1_000
  t.same(
    [1, 2, 3].map((failures) => pause(failures, 0)),
    [15, 30, 60],
  )
  t.same(
    [1, 2, 3].map((failures) => pause(failures, 1)),
    [30, 60, 120],
  )
  t.equal(pause(40, 1), 1_800)
  t.equal(retryAfterMs({ failures: 9, chance: 0.5, retryAfterSeconds: 7 }), 7_000)
  t.equal(retryAfterMs({ failures: 1, chance: 0.5, retryAfterSeconds: 999_999 }), 3_600_000)
  t.equal(retryAfterMs({ failures: 1, chance: 0.5, retryAfterSeconds: 0 }), 1_000)
  t.end()
})

t.test('how long a binding lives says its Contact, else Expires, else what was asked', (t) => {
  const granted = (contacts: readonly string[], expires?: string): number =>
    grantedSeconds({ contacts, user: '4989', expires, askedSeconds: 600 })
  t.equal(granted(['<sip:other@a>;expires=10', '<sip:4989@b>;expires=120;q=1'], '3600'), 120)
  t.equal(granted(['<sip:4989@old>;expires=20', '<sip:4989@new>;expires=300']), 300)
  t.equal(granted(['<sip:4989@b>'], ' 90 '), 90)
  t.equal(granted([], 'soon'), 600)
  t.end()
})
