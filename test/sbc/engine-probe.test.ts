import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { EngineProbe } from '../../src/sbc/engine-probe.ts'
import { eventually } from '../fakes/eventually.ts'

/** Answers every datagram, as an rtpengine does. */
async function listen(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('message', (_datagram, from) => socket.send('pong', from.port, from.address))
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

t.test('a port that is shut is told again and again until it is open, and not while it answers', async (t) => {
  const open = await listen(0)
  const { port } = open.address()
  let heard = 0
  let told = 0
  open.on('message', () => (heard += 1))
  const probe = new EngineProbe({ host: '127.0.0.1', port, gone: () => (told += 1) })
  await eventually(() => heard >= 3)
  t.equal(told, 0, 'somebody is there')
  open.close()
  const shutMs = performance.now()
  await eventually(() => told >= 1)
  t.comment(`told after ${Math.round(performance.now() - shutMs)} ms`)
  await eventually(() => told >= 2)
  const again = await listen(port)
  again.on('message', () => (heard += 1))
  const heardBefore = heard
  await eventually(() => heard >= heardBefore + 2)
  const toldBefore = told
  await eventually(() => heard >= heardBefore + 4)
  t.equal(told, toldBefore, 'it is back')
  probe.close()
  probe.close()
  again.close()
})

t.test('a process that hangs refuses nothing, and a probe that is closed tells nothing', async (t) => {
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  let heard = 0
  let told = 0
  silent.on('message', () => (heard += 1))
  const probe = new EngineProbe({ host: '127.0.0.1', port: silent.address().port, gone: () => (told += 1) })
  await eventually(() => heard >= 4)
  t.equal(told, 0)
  probe.close()
  silent.close()
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.equal(told, 0)
})
