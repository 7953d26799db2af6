import t from 'tap'
import { Metrics } from '../../src/kit/metrics.ts'
import { SourceLimits } from '../../src/sbc/source-limits.ts'

function bench() {
  const metrics = new Metrics('sbc')
  const clock = { nowMs: 0 }
  return { clock, metrics, limits: new SourceLimits({ nowMs: () => clock.nowMs, metrics }) }
}
const trunk = (callsPerSecond: number | null, calls: number | null, name = 'carrier') => ({
  name,
  limits: { callsPerSecond, calls },
})

t.test('a source may begin so many calls a second, and a burst of as many', (t) => {
  const { limits, clock } = bench()
  const begin = (address = '192.0.2.1'): string => limits.admit(trunk(3, null), address).kind
  t.same([begin(), begin(), begin(), begin()], ['admitted', 'admitted', 'admitted', 'limited'])
  t.equal(begin('192.0.2.2'), 'admitted', 'each source has its own')
  clock.nowMs += 334
  t.same([begin(), begin()], ['admitted', 'limited'])
  clock.nowMs += 60_000
  t.same([begin(), begin(), begin(), begin()], ['admitted', 'admitted', 'admitted', 'limited'], 'no more is saved up')
  t.end()
})

t.test('a source may have so many calls at one time; one that ended makes room, once', async (t) => {
  const { limits, metrics } = bench()
  const first = limits.admit(trunk(null, 2), 'a')
  const second = limits.admit(trunk(null, 2), 'a')
  t.match(limits.admit(trunk(null, 2), 'a'), { kind: 'limited', limit: 'calls', retryAfterSeconds: Number })
  t.equal(limits.admit(trunk(null, 2, 'other'), 'a').kind, 'admitted', 'another trunk counts for itself')
  if (first.kind === 'limited' || second.kind === 'limited') return void t.fail('limited')
  first.release()
  first.release()
  t.equal(limits.admit(trunk(null, 2), 'a').kind, 'admitted')
  t.equal(limits.admit(trunk(null, 2), 'a').kind, 'limited')
  t.match(await metrics.registry.metrics(), /limited_total{trunk="carrier",limit="calls",role="sbc"} 2/)
})

t.test('a trunk without limits is not counted, and a flood of sources is forgotten again', (t) => {
  const { limits } = bench()
  for (let count = 0; count < 100; count += 1) t.equal(limits.admit(trunk(null, null), 'a').kind, 'admitted')
  limits.admit(trunk(null, 1), 'first')
  for (let count = 0; count < 10_000; count += 1) limits.admit(trunk(null, 1), String(count))
  t.equal(
    limits.admit(trunk(null, 1), 'first').kind,
    'admitted',
    'the oldest of more than 10,000 is not known any more',
  )
  t.end()
})
