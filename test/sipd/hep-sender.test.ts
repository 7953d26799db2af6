import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { Metrics } from '../../src/kit/metrics.ts'
import { HepSender } from '../../src/sipd/hep-sender.ts'
import { eventually } from '../fakes/eventually.ts'

const MESSAGE = {
  transport: 'udp',
  source: { host: '127.0.0.1', port: 5060 },
  destination: { host: '127.0.0.2', port: 5060 },
  atMs: 1_795_335_000_000,
  correlationId: 'c',
  text: 'OPTIONS sip:a SIP/2.0\r\n\r\n',
} as const

async function counted(metrics: Metrics, outcome: string): Promise<number> {
  const { values } = await (metrics.registry.getSingleMetric('tonewall_sipd_hep_total')?.get() ?? { values: [] })
  return values.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0
}

t.test('messages reach the collector, and are counted', async (t) => {
  const collector = createSocket('udp4')
  collector.bind(0, '127.0.0.1')
  await once(collector, 'listening')
  t.teardown(() => collector.close())
  const metrics = new Metrics('sipd')
  const sender = new HepSender({
    collector: { host: '127.0.0.1', port: collector.address().port },
    captureId: 7,
    metrics,
  })
  t.teardown(() => sender.close())
  const arrived = once(collector, 'message') as Promise<[Buffer]>
  sender.send(MESSAGE)
  const [bytes] = await arrived
  t.equal(bytes.subarray(0, 4).toString(), 'HEP3')
  await eventually(async () => (await counted(metrics, 'sent')) === 1)
  sender.close()
  sender.close()
  sender.send(MESSAGE)
})

t.test('a burst beyond what may wait is dropped at once, and counted', async (t) => {
  const metrics = new Metrics('sipd')
  const sender = new HepSender({ collector: { host: '127.0.0.1', port: 9 }, captureId: 7, metrics })
  t.teardown(() => sender.close())
  for (let index = 0; index < 1_500; index += 1) sender.send(MESSAGE)
  t.equal(await counted(metrics, 'dropped'), 500)
  await eventually(async () => (await counted(metrics, 'sent')) + (await counted(metrics, 'failed')) >= 1_000)
})

t.test('a collector that is named by no address, and what cannot be told, is dropped', async (t) => {
  const metrics = new Metrics('sipd')
  const sender = new HepSender({ collector: { host: 'collector.invalid', port: 9 }, captureId: 7, metrics })
  t.teardown(() => sender.close())
  sender.send(MESSAGE)
  sender.send({ ...MESSAGE, source: { host: '::1', port: 1 } })
  t.equal(await counted(metrics, 'dropped'), 2)
})
