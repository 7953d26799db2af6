import t from 'tap'
import { parseIdempotencyKey } from '../../../../src/cde/vault/api/idempotency-key.ts'
import { RateLimit } from '../../../../src/cde/vault/api/rate-limit.ts'

t.test('so many a minute, saved up for a minute at most, and news once a minute', (t) => {
  const clock = { nowMs: 0 }
  const limit = new RateLimit(60, () => clock.nowMs)
  for (let taken = 0; taken < 60; taken += 1) t.equal(limit.take().kind, 'taken')
  t.same(limit.take(), { kind: 'limited', retryAfterS: 1, isNews: true })
  t.same(limit.take(), { kind: 'limited', retryAfterS: 1, isNews: false })
  clock.nowMs += 1_000
  t.equal(limit.take().kind, 'taken')
  clock.nowMs += 3_600_000
  const kinds = Array.from({ length: 61 }, () => limit.take().kind)
  t.equal(kinds.filter((kind) => kind === 'taken').length, 60)
  t.end()
})

t.test('a key is the same with its quotes and without, and anything odd is none', (t) => {
  t.equal(parseIdempotencyKey('order-0001'), 'order-0001')
  t.equal(parseIdempotencyKey('"order-0001"'), 'order-0001')
  for (const odd of [
    undefined,
    '',
    'short',
    '"',
    '""',
    'order-0001, order-0001',
    'order 0001',
    'x'.repeat(65),
    ['a', 'b'],
    '"order-0001";a=1',
    'order-0001\r\n',
  ]) {
    t.equal(parseIdempotencyKey(odd), null)
  }
  t.end()
})
