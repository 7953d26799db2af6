import t from 'tap'
import type { Act } from '../../src/sbc/audit-reports.ts'
import { OperatorReads } from '../../src/sbc/operator-reads.ts'

t.test('what an operator reads is reported, and once a minute while it is watched', (t) => {
  const acts: Act[] = []
  const clock = { nowMs: 0 }
  const reads = new OperatorReads({ report: (act) => acts.push(act), nowMs: () => clock.nowMs })
  reads.note('calls')
  for (let second = 0; second < 90; second += 1) {
    clock.nowMs += 1_000
    reads.note('calls')
  }
  reads.note('trace')
  reads.note('configuration')
  t.same(
    acts.map(({ event, cause, by }) => [event, cause, by].join(' ')),
    [
      'operator_read calls operator',
      'operator_read calls operator',
      'operator_read trace operator',
      'operator_read configuration operator',
    ],
  )
  t.end()
})
