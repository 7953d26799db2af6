import type { Metrics } from '../../kit/metrics.ts'
import type { MaskingFailure } from './agent-exit.ts'
import type { KeyPress } from './key-press.ts'

/** What a guard counts. No label says which key, which call or which window. */
export type GuardMetrics = {
  windows(count: number): void
  packet(direction: PacketDirection): void
  keyTaken(transport: KeyPress['transport']): void
  masked(durationMs: number): void
  alarm(code: 'sentinel' | 'payer_silent'): void
  maskingFailed(cause: MaskingFailure): void
  outcome(state: 'finished' | 'cancelled' | 'failed'): void
  /** How much later than due a packet left, on top of the look-ahead. */
  late(durationMs: number): void
  /** Datagrams that the kernel threw away because the guard did not take them in time. */
  overflowed(count: number): void
}

export type PacketDirection = 'from_payer' | 'from_agent' | 'to_payer' | 'to_agent' | 'dropped' | 'wrong_source'

const LATE_BUCKETS_MS = [0.5, 1, 2, 5, 10, 20, 50]

export function guardMetrics(metrics: Metrics): GuardMetrics {
  const windows = metrics.gauge('tonewall_guard_windows', 'Capture windows that this guard holds open')
  const keys = metrics.counter('tonewall_guard_keys_total', 'Keys taken into fields, by transport', ['transport'])
  const masked = metrics.counter('tonewall_guard_masked_ms_total', 'Payer audio replaced on the way to agents')
  const alarms = metrics.counter('tonewall_guard_alarms_total', 'Alarms raised, by kind', ['code'])
  const failures = metrics.counter(
    'tonewall_guard_masking_failed_total',
    'Windows in which the masker let something through that was kept back, by what it was',
    ['cause'],
  )
  const outcomes = metrics.counter('tonewall_guard_captures_total', 'Captures by how they ended', ['state'])
  const late = metrics.histogram('tonewall_guard_late_ms', 'Delay of packets beyond the look-ahead', LATE_BUCKETS_MS)
  const overflows = metrics.counter(
    'tonewall_guard_receive_overflow_total',
    'Datagrams that the kernel dropped because a socket of a window was full',
  )
  const packets: Record<PacketDirection, number> = {
    from_payer: 0,
    from_agent: 0,
    to_payer: 0,
    to_agent: 0,
    dropped: 0,
    wrong_source: 0,
  }
  metrics.tally('tonewall_guard_packets_total', 'RTP packets of capture windows', 'direction', () => packets)
  return {
    windows: (count) => windows.set(count),
    packet: (direction) => {
      packets[direction] += 1
    },
    keyTaken: (transport) => keys.inc({ transport }),
    masked: (durationMs) => masked.inc(durationMs),
    alarm: (code) => alarms.inc({ code }),
    maskingFailed: (cause) => failures.inc({ cause }),
    outcome: (state) => outcomes.inc({ state }),
    late: (durationMs) => late.observe(durationMs),
    overflowed: (count) => overflows.inc(count),
  }
}
