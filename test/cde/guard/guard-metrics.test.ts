import t from 'tap'
import { guardMetrics } from '../../../src/cde/guard/guard-metrics.ts'
import { Metrics } from '../../../src/kit/metrics.ts'

t.test('what is counted can be read, and no label says which key it was', async (t) => {
  const metrics = new Metrics('guard')
  const guard = guardMetrics(metrics)
  guard.windows(3)
  guard.packet('from_payer')
  guard.keyTaken('tone')
  guard.masked(120)
  guard.alarm('sentinel')
  guard.outcome('finished')
  guard.late(0.4)
  guard.overflowed(2)
  const text = await metrics.registry.metrics()
  for (const line of [
    /^tonewall_guard_windows\{[^}]*\} 3$/m,
    /^tonewall_guard_packets_total\{direction="from_payer"[^}]*\} 1$/m,
    /^tonewall_guard_keys_total\{transport="tone",role="guard"\} 1$/m,
    /^tonewall_guard_masked_ms_total\{[^}]*\} 120$/m,
    /^tonewall_guard_alarms_total\{code="sentinel"[^}]*\} 1$/m,
    /^tonewall_guard_captures_total\{state="finished"[^}]*\} 1$/m,
    /^tonewall_guard_receive_overflow_total\{[^}]*\} 2$/m,
    /^tonewall_guard_late_ms_bucket\{le="0.5"[^}]*\} 1$/m,
  ])
    t.match(text, line)
})
