import { createServer, type Server } from 'node:http'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

/**
 * The metrics of one process. Label values come from fixed sets declared with the metric, never a call id,
 * so that neither cardinality nor content can grow from outside.
 */
export class Metrics {
  readonly registry = new Registry()

  constructor(role: string) {
    this.registry.setDefaultLabels({ role })
  }

  /** Process metrics (CPU, memory, event loop), started by main only: tests stay quiet. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry })
  }

  counter(name: string, help: string): Counter
  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label>
  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  /** A counter that its owner keeps as plain numbers by label value: for what is counted with every packet. Read when scraped. */
  tally(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect: () => {
        counter.reset()
        for (const [value, count] of Object.entries(read())) counter.inc({ [label]: value }, count)
      },
    })
  }

  gauge(name: string, help: string): Gauge
  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label>
  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    // One that is set up anew while the process lives, after a reload, goes on with the gauge that is there.
    const known = this.registry.getSingleMetric(name)
    if (known instanceof Gauge) return known
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  /** A gauge whose values are counted anew whenever it is read. */
  snapshot(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly { readonly labels: Readonly<Record<string, string>>; readonly count: number }[],
  ): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect: () => {
        gauge.reset()
        for (const { labels, count } of read()) gauge.set({ ...labels }, count)
      },
    })
  }

  /** Buckets in the unit that the name ends in. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets: [...buckets], registers: [this.registry] })
  }
}

/** Serves GET /metrics in the Prometheus text format on a plain port that belongs to the operator's network. */
export function serveMetrics(
  metrics: Metrics,
  address: { readonly host: string; readonly port: number },
): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  server.requestTimeout = 5_000
  server.maxConnections = 16
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, () => resolve(server))
  })
}
