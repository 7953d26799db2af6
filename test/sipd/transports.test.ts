import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import type { Flow } from '../../src/sipd/flow.ts'
import { DEFAULT_LIMITS } from '../../src/sipd/sipd-limits.ts'
import { ListenError, Transports } from '../../src/sipd/transports.ts'

const ANY = { host: '127.0.0.1', port: 0 }
const PING = 'OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n'

async function pair(t: { teardown(close: () => Promise<void>): void }, limits = {}) {
  const arrived: { readonly text: string; readonly flow: Flow }[] = []
  let woken: () => void = () => undefined
  let troubles = 0
  const transports = await Transports.open({
    udp: [ANY, { host: '127.0.0.2', port: 0 }],
    tcp: [ANY],
    limits: { ...DEFAULT_LIMITS, ...limits },
    onBytes: (bytes, flow) => {
      arrived.push({ text: bytes.toString(), flow })
      woken()
    },
    onTrouble: () => (troubles += 1),
  })
  t.teardown(() => transports.close())
  const next = async (): Promise<{ readonly text: string; readonly flow: Flow }> => {
    for (;;) {
      const item = arrived.shift()
      if (item !== undefined) return item
      await new Promise<void>((resolve) => (woken = resolve))
    }
  }
  return { transports, next, troubles: () => troubles }
}

t.test('peers are shown the name of the socket, by which it is found again, and other sockets have none', async (t) => {
  const transports = await Transports.open({
    udp: [
      { ...ANY, name: '203.0.113.5' },
      { host: '127.0.0.2', port: 0 },
    ],
    tcp: [{ ...ANY, name: 'SBC.example.com' }],
    limits: DEFAULT_LIMITS,
    onBytes: () => undefined,
    onTrouble: () => undefined,
  })
  t.teardown(() => transports.close())
  const [outside, inside] = transports.addresses('udp')
  const [tcp] = transports.addresses('tcp')
  if (outside === undefined || inside === undefined || tcp === undefined) throw new Error('not listening')
  const remote = { host: '127.0.0.9', port: 9 }
  const named = { host: '203.0.113.5', port: outside.port }
  const flow = (transport: 'udp' | 'tcp', from: typeof remote | undefined) =>
    transports.flowTo({ transport, remote, from })?.local
  t.same(flow('udp', undefined), named)
  t.same(flow('udp', named), named, 'a dialog stays on it')
  t.same(flow('udp', inside), inside)
  t.same(flow('tcp', undefined), { host: 'SBC.example.com', port: tcp.port })
  t.ok(transports.isOurs('203.0.113.5', outside.port))
  t.ok(transports.isOurs('sbc.example.com', tcp.port))
  t.notOk(transports.isOurs('203.0.113.5', inside.port))
})

const neverFails = (): void => {
  throw new Error('must not fail')
}

t.test('the socket of the dialog is used again, another one by the peer’s network', async (t) => {
  const { transports, next } = await pair(t)
  const [first, second] = transports.addresses('udp')
  if (first === undefined || second === undefined) throw new Error('not listening')
  t.same(transports.flowTo({ transport: 'udp', remote: first, from: second })?.local, second)
  t.same(
    transports.flowTo({ transport: 'udp', remote: second, from: { host: '127.0.0.2', port: 9 } })?.local,
    second,
    'the host alone is enough',
  )
  t.same(transports.flowTo({ transport: 'udp', remote: second, from: undefined })?.local, first)
  t.equal(
    transports.flowTo({ transport: 'udp', remote: { host: '::1', port: 1 }, from: undefined }),
    undefined,
    'no socket of that family',
  )
  transports.flowTo({ transport: 'udp', remote: first, from: second })?.send(Buffer.from('x'), neverFails)
  const { text, flow } = await next()
  t.equal(text, 'x')
  t.same([flow.local, flow.remote], [first, second])
  t.ok(transports.isOurs('127.0.0.2', second.port))
  t.notOk(transports.isOurs('127.0.0.3', second.port))
  t.match(transports.hostPorts(), /^udp\/127\.0\.0\.1:\d+,udp\/127\.0\.0\.2:\d+,tcp\/127\.0\.0\.1:\d+$/)
})

t.test('TCP opens one connection to a peer and answers on the one that a request came by', async (t) => {
  const one = await pair(t)
  const other = await pair(t)
  const [remote] = other.transports.addresses('tcp')
  if (remote === undefined) throw new Error('not listening')
  const flow = one.transports.flowTo({ transport: 'tcp', remote, from: undefined })
  flow?.send(Buffer.from(PING), neverFails)
  flow?.send(Buffer.from(PING), neverFails)
  const [first, second] = [await other.next(), await other.next()]
  t.same(first.flow.remote, second.flow.remote, 'the same connection')
  first.flow.send(Buffer.from('SIP/2.0 200 OK\r\n\r\n'), neverFails)
  t.equal((await one.next()).text, 'SIP/2.0 200 OK\r\n\r\n')
})

t.test('a refused connection and a closed transport are told once', async (t) => {
  const gone = await pair(t)
  const [remote] = gone.transports.addresses('tcp')
  if (remote === undefined) throw new Error('not listening')
  await gone.transports.close()
  await gone.transports.close()
  const { transports } = await pair(t)
  const flow = transports.flowTo({ transport: 'tcp', remote, from: undefined })
  await new Promise<void>((resolve) => flow?.send(Buffer.from(PING), resolve))
  const udp = gone.transports.flowTo({ transport: 'udp', remote, from: undefined })
  await new Promise<void>((resolve) => udp?.send(Buffer.from(PING), resolve))
  t.pass()
})

t.test('a ping is answered, an endless header and a silent connection are closed', async (t) => {
  const { transports, troubles } = await pair(t, { tcpIdleMs: 200 })
  const [address] = transports.addresses('tcp')
  if (address === undefined) throw new Error('not listening')
  const pinging = connect(address)
  pinging.write('\r\n\r\n')
  const pong = await new Promise<Buffer>((resolve) => pinging.once('data', resolve))
  t.equal(pong.toString(), '\r\n')
  await once(pinging, 'close')
  const endless = connect(address)
  endless.on('error', () => undefined)
  endless.write(`OPTIONS sip:a SIP/2.0\r\nX: ${'a'.repeat(40_000)}`)
  endless.resume()
  await once(endless, 'close')
  t.equal(troubles(), 1)
})

t.test('when one address is taken none stays open', async (t) => {
  const { transports } = await pair(t)
  const [taken] = transports.addresses('tcp')
  if (taken === undefined) throw new Error('not listening')
  const nothing = (): void => undefined
  await t.rejects(
    Transports.open({ udp: [ANY], tcp: [taken], limits: DEFAULT_LIMITS, onBytes: nothing, onTrouble: nothing }),
    { code: 'EADDRINUSE' },
  )
  t.equal(new ListenError('no error', 'udp', ANY).code, 'UNKNOWN')
})
