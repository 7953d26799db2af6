import t from 'tap'
import { TcpRefusals, UDP_REQUEST_BYTES_MAX, largeRequestWay } from '../../src/sipd/large-request.ts'
import { listOf, serialize, valueOf } from '../../src/sipd/message.ts'
import { DEFAULT_LIMITS } from '../../src/sipd/sipd-limits.ts'
import { Transports } from '../../src/sipd/transports.ts'
import { FakeClock } from './fake-clock.ts'
import { fakeRequest } from './fake-flow.ts'

const ANY = { host: '127.0.0.1', port: 0 }

t.test('what is larger than 1300 bytes goes by TCP where there is TCP, with its Via changed', async (t) => {
  const nothing = (): void => undefined
  const open = (tcp: boolean): Promise<Transports> =>
    Transports.open({
      udp: [ANY],
      tcp: tcp ? [ANY] : [],
      limits: DEFAULT_LIMITS,
      onBytes: nothing,
      onTrouble: nothing,
    })
  const both = await open(true)
  const udpOnly = await open(false)
  t.teardown(() => Promise.all([both.close(), udpOnly.close()]))
  const remote = { host: '127.0.0.1', port: 5060 }
  const way = (transports: Transports, size: number) => {
    const flow = transports.flowTo({ transport: 'udp', remote, from: undefined })
    if (flow === undefined) throw new Error('no flow')
    const empty = serialize(fakeRequest('INVITE', { 'x-size': '' })).length
    const request = fakeRequest('INVITE', { 'x-size': 'x'.repeat(size - empty) })
    return { request, branch: 'z9hG4bKlarge', flow, bytes: serialize(request) }
  }
  const clock = new FakeClock()
  const refusals = new TcpRefusals(clock)
  t.equal(way(both, UDP_REQUEST_BYTES_MAX).bytes.length, UDP_REQUEST_BYTES_MAX)
  t.equal(largeRequestWay(way(both, UDP_REQUEST_BYTES_MAX), { transports: both, refusals }), undefined, 'just fits')
  const given = way(both, UDP_REQUEST_BYTES_MAX + 1)
  const large = largeRequestWay(given, { transports: both, refusals })
  if (large === undefined) throw new Error('not moved')
  t.equal(large.flow.transport, 'tcp')
  t.match(listOf(large.request, 'via')[0], /^SIP\/2\.0\/TCP 127\.0\.0\.1:\d+;branch=z9hG4bKlarge;rport$/)
  t.equal(valueOf(large.request, 'contact'), valueOf(given.request, 'contact'))
  t.equal(largeRequestWay(way(udpOnly, 2_000), { transports: udpOnly, refusals }), undefined, 'no TCP socket here')
  t.equal(largeRequestWay(large, { transports: both, refusals }), undefined, 'it goes by TCP already')

  refusals.note(remote)
  refusals.note(remote)
  t.equal(largeRequestWay(given, { transports: both, refusals }), undefined, 'a peer without TCP is remembered')
  clock.advance(600_000)
  t.ok(largeRequestWay(given, { transports: both, refusals }), 'for ten minutes')
  for (let port = 1; port <= 2_000; port += 1) refusals.note({ host: '192.0.2.1', port })
  t.equal(clock.running, 1_000, 'and not more than a thousand')
})
