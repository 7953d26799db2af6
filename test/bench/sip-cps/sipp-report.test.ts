import t from 'tap'
import { achievedRate, readCounts, readRings } from '../../../bench/sip-cps/sipp-report.ts'

const NAMES =
  'StartTime;TotalCallCreated;CurrentCall;SuccessfulCall(P);SuccessfulCall(C);FailedCall(C);Retransmissions(C);'

t.test('the last line of sipp’s statistics counts, by the names of the first', (t) => {
  const csv = `${NAMES}\nnow;10;10;0;0;0;0;\nlater;100;0;3;97;3;12;\n`
  t.same(readCounts(csv), { created: 100, succeeded: 97, failed: 3, retransmissions: 12 })
  t.same(readCounts(''), { created: 0, succeeded: 0, failed: 0, retransmissions: 0 }, 'a sipp that wrote nothing')
  t.same(readCounts(`${NAMES}\n`).created, 0, 'or only the names')
  t.throws(() => readCounts('StartTime;Other;\nnow;1;\n'), 'another sipp, with other names')
  t.end()
})

t.test('a ring is the time from one clock reading to the other, over the full second too', (t) => {
  const log = '1795336203.000000 999000.000000 1795336204.000000 1500.000000\nrubbish\n1795336205.000000 0.000000\n'
  const rings = readRings(log)
  t.equal(rings.length, 1, 'a line that is cut is left out')
  t.equal(rings[0]?.ringMs, 2.5)
  t.equal(rings[0]?.sentMs, 1_795_336_203_999)
  t.end()
})

t.test('the rate is counted between the first call and the last', (t) => {
  const rings = [0, 10, 20, 30].map((sentMs) => ({ sentMs, ringMs: 1 }))
  t.equal(achievedRate(rings), 100)
  t.equal(achievedRate(rings.slice(0, 1)), 0)
  t.equal(achievedRate([]), 0)
  t.end()
})
