import t from 'tap'
import { AvoidedServers } from '../../src/sipd/avoided-servers.ts'
import { FakeClock } from './fake-clock.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'

const at = (port: number) => ({ transport: 'udp' as const, remote: { host: '192.0.2.1', port } })
const busy = (retryAfter: string) => fakeResponse(fakeRequest('INVITE'), 503, { 'retry-after': retryAfter })

t.test('a server that failed is tried last for 30 s', (t) => {
  const clock = new FakeClock()
  const avoided = new AvoidedServers(clock)
  const servers = [at(1), at(2), at(3)]
  t.same(avoided.order(servers), servers)
  avoided.failed(at(1))
  t.same(avoided.order(servers), [at(2), at(3), at(1)])
  t.notOk(avoided.has({ ...at(1), transport: 'tcp' }), 'by another transport it may answer')
  clock.advance(30_000)
  t.same(avoided.order(servers), servers)
  t.equal(clock.running, 0)
  t.end()
})

t.test('Retry-After is kept to, but for five minutes at most; without one a 503 costs nothing', (t) => {
  const clock = new FakeClock()
  const avoided = new AvoidedServers(clock)
  avoided.refused(at(1), busy('20 (restarting);duration=3600'))
  avoided.refused(at(2), busy('86400'))
  for (const none of ['', '0', '-5', 'soon']) avoided.refused(at(3), busy(none))
  t.same(
    [1, 2, 3].map((port) => avoided.has(at(port))),
    [true, true, false],
  )
  clock.advance(20_000)
  t.notOk(avoided.has(at(1)))
  clock.advance(280_000)
  t.notOk(avoided.has(at(2)))
  t.end()
})

t.test('no more than 1,000 servers are remembered', (t) => {
  const avoided = new AvoidedServers(new FakeClock())
  for (let port = 1; port <= 1_001; port += 1) avoided.failed(at(port))
  t.ok(avoided.has(at(1_000)))
  t.notOk(avoided.has(at(1_001)))
  t.end()
})
