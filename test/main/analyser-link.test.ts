import t from 'tap'
import { AnalyserLink } from '../../src/main/analyser-link.ts'

t.test('the analyser starts in its own process, opens ports, tells figures, and is noticed when it dies', async (t) => {
  let lost = 0
  const start = () => AnalyserLink.start({ press: () => undefined, hearing: () => undefined, lost: () => (lost += 1) })
  const [link, other] = [await start(), await start()]
  if (link === null || other === null) throw new Error('it must start')
  t.teardown(() => [link, other].forEach((one) => one.close()))
  const address = await link.open({ host: '127.0.0.1', port: 0 })
  if (typeof address === 'string') throw new Error(address)
  t.equal(address.port % 2, 0)
  t.equal(await other.open({ host: '127.0.0.1', port: address.port }), 'port_taken')
  t.equal(await other.open({ host: '203.0.113.9', port: 0 }), 'address_unavailable')
  t.match(await link.finish(), { media: null, strangers: 0 })

  if (other.pid !== undefined) process.kill(other.pid, 'SIGKILL')
  t.equal(await other.open({ host: '127.0.0.1', port: 0 }), 'lost')
  t.equal(await other.finish(), null)
  t.equal(lost, 1)
  link.close()
  link.close()
  t.equal(lost, 1, 'closing it is no loss')
})
