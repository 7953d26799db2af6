import type { Metrics } from '../kit/metrics.ts'

/** What the desk counts. Labels come from fixed sets: routes as they are declared, status classes, outcome codes. */
export type DeskMetrics = ReturnType<typeof createDeskMetrics>

export function createDeskMetrics(metrics: Metrics) {
  return {
    requests: metrics.counter('tonewall_desk_requests_total', 'HTTP requests', ['route', 'status_class']),
    streams: metrics.gauge('tonewall_desk_streams', 'Event streams that are open'),
    streamsCut: metrics.counter('tonewall_desk_streams_cut_total', 'Event streams ended by the desk', ['reason']),
    orders: metrics.counter('tonewall_desk_orders_total', 'Orders to the sbc', ['order', 'outcome']),
    loginsRefused: metrics.counter('tonewall_desk_logins_refused_total', 'Refused bearer tokens'),
    sbcUp: metrics.gauge('tonewall_desk_sbc_up', '1 while the sbc tells its calls'),
  }
}
