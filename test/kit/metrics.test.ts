import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Metrics, serveMetrics } from '../../src/kit/metrics.ts'

t.test('metrics are served as Prometheus reads them, with the role on each', async (t) => {
  const metrics = new Metrics('guard')
  metrics.counter('keys_total', 'Keys', ['transport']).inc({ transport: 'events' }, 3)
  metrics.gauge('windows', 'Windows').set(2)
  metrics.histogram('open_ms', 'Time', [1, 10]).observe(5)
  const server = await serveMetrics(metrics, { host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  t.match(answer.headers.get('content-type'), /text\/plain; version=0\.0\.4/)
  t.match(text, 'keys_total{transport="events",role="guard"} 3')
  t.match(text, 'windows{role="guard"} 2')
  t.match(text, 'open_ms_bucket{le="10",role="guard"} 1')
  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
  t.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 404)
})

t.test('a tally is read when it is scraped, and counts its owner’s numbers', async (t) => {
  const metrics = new Metrics('guard')
  const packets = { in: 1, out: 0 }
  metrics.tally('packets_total', 'Packets', 'direction', () => packets)
  packets.in += 4
  for (const scrape of [1, 2]) {
    const text = await metrics.registry.metrics()
    t.match(text, 'packets_total{direction="in",role="guard"} 5', `scrape ${scrape}`)
    t.match(text, 'packets_total{direction="out",role="guard"} 0')
  }
})

t.test('a label that was not declared is refused', (t) => {
  const counter = new Metrics('sbc').counter<string>('calls_total', 'Calls', ['outcome'])
  t.throws(() => counter.inc({ call_id: 'x' }))
  t.end()
})

t.test('a port that is taken is the system’s error', async (t) => {
  const server = await serveMetrics(new Metrics('sbc'), { host: '127.0.0.1', port: 0 })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  await t.rejects(serveMetrics(new Metrics('desk'), { host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})
