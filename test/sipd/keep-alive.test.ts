import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { KeepAlive, PONG_WAIT_MS } from '../../src/sipd/keep-alive.ts'
import { DEFAULT_LIMITS } from '../../src/sipd/sipd-limits.ts'
import { Transports } from '../../src/sipd/transports.ts'
import { FakeClock } from './fake-clock.ts'

function keeper() {
  const clock = new FakeClock()
  const count = { pings: 0, dead: 0 }
  const keepAlive = new KeepAlive({
    clock,
    intervalMs: 100_000,
    ping: () => (count.pings += 1),
    dead: () => (count.dead += 1),
  })
  return { clock, count, keepAlive }
}

t.test('a peer that never answered a ping is not given up', (t) => {
  const { clock, count, keepAlive } = keeper()
  clock.advance(330_000)
  t.same(count, { pings: 3, dead: 0 })
  keepAlive.stop()
  keepAlive.stop()
  t.equal(clock.running, 0)
  t.end()
})

t.test('a peer that answered once has to go on', (t) => {
  const { clock, count, keepAlive } = keeper()
  const pong = Buffer.from('\r\n')
  t.equal(keepAlive.withoutPong(pong, true), pong, 'nothing was asked')
  clock.advance(100_000)
  t.equal(keepAlive.withoutPong(Buffer.from('\r\nOPTIONS'), false).length, 9, 'inside a message it is part of it')
  t.equal(keepAlive.withoutPong(Buffer.from('OPTIONS'), true).toString(), 'OPTIONS')
  t.equal(keepAlive.withoutPong(Buffer.from('\r\nSIP/2.0'), true).toString(), 'SIP/2.0')
  clock.advance(99_999)
  t.equal(count.pings, 1)
  clock.advance(1 + PONG_WAIT_MS)
  t.same(count, { pings: 2, dead: 1 })
  t.end()
})

t.test('a connection that sipd opened is kept open with pings', async (t) => {
  let texts = ''
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('data', (chunk) => {
      texts += chunk.toString()
      if (texts.endsWith('\r\n\r\n')) socket.write('\r\n')
      if (texts.length >= 10) socket.emit('pinged')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no address')
  const arrived: string[] = []
  const transports = await Transports.open({
    udp: [],
    tcp: [{ host: '127.0.0.1', port: 0 }],
    limits: { ...DEFAULT_LIMITS, tcpPingMs: 20 },
    onBytes: (bytes) => void arrived.push(bytes.toString()),
    onTrouble: () => undefined,
  })
  t.teardown(async () => {
    await transports.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const remote = { host: '127.0.0.1', port: bound.port }
  transports.flowTo({ transport: 'tcp', remote, from: undefined })?.send(Buffer.from('A\n'), () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  await once(socket, 'pinged')
  t.match(texts, /^A\n(\r\n\r\n){2}/)
  t.same(arrived, [], 'a pong is no message, and two of them are no ping')
})
