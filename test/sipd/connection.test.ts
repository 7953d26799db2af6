import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Connection } from '../../src/sipd/connection.ts'

/** A connection to a server of the test, and the server's end of it. */
async function opened(t: Test, accepted: (socket: Socket) => void = () => undefined) {
  const server: Server = createServer(accepted)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no address')
  const remote = { host: '127.0.0.1', port: bound.port }
  const socket = connect(remote)
  const closed = new Promise<Error | undefined>((resolve) => {
    t.context = new Connection({
      socket,
      remote,
      readyOn: 'connect',
      idleMs: 10_000,
      pingMs: undefined,
      firstMessageMs: 10_000,
      messageMs: 10_000,
      onLimit: () => undefined,
      onMessage: () => undefined,
      onBroken: () => undefined,
      onClose: (_, error) => resolve(error),
    })
  })
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  return { connection: t.context as Connection, closed }
}

const failing = (connection: Connection, text: string): Promise<void> =>
  new Promise((resolve) => connection.send(Buffer.from(text), resolve))

t.test('who closes before the first byte of an answer has not taken the messages', async (t) => {
  const { connection, closed } = await opened(t, (socket) => socket.once('data', () => socket.destroy()))
  await Promise.all([failing(connection, 'one'), failing(connection, 'two')])
  await closed
  t.notOk(connection.usable)
  await failing(connection, 'three')
  t.pass('and a closed connection says so at once')
})

t.test('who has answered has taken what was written', async (t) => {
  let failed = 0
  const { connection, closed } = await opened(t, (socket) => {
    socket.once('data', () => socket.end('SIP/2.0 200 OK\r\n\r\n'))
  })
  connection.send(Buffer.from('one'), () => (failed += 1))
  connection.socket.once('end', () => connection.socket.destroy())
  await closed
  t.equal(failed, 0)
})

t.test('what waits for the handshake and for a slow peer is limited', async (t) => {
  const { connection } = await opened(t)
  connection.send(Buffer.alloc(1024 * 1024 + 1), () => undefined)
  await failing(connection, 'too much waits already')
  const other = await opened(t)
  for (let index = 0; index < 1_000; index += 1) other.connection.send(Buffer.from('x'), () => undefined)
  await failing(other.connection, 'too many wait')
  t.pass()
})
