import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { pingRtpengine } from '../../src/main/ng-ping.ts'
import { freePort } from '../fakes/free-port.ts'

const host = '127.0.0.1'

async function answerer(answer: (request: string) => string): Promise<{ readonly port: number; close(): void }> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  socket.on('message', (message, from) => socket.send(answer(message.toString()), from.port, from.address))
  return { port: socket.address().port, close: () => socket.close() }
}

t.test('a pong with our cookie is a yes', async (t) => {
  let asked = ''
  const answering = await answerer((request) => {
    asked = request
    return `${request.split(' ')[0] ?? ''} d6:result4:ponge`
  })
  t.teardown(() => answering.close())
  t.equal(await pingRtpengine({ host, port: answering.port }, { deadlineMs: 2_000 }), true)
  t.match(asked, /^[0-9a-f]{16} d7:command4:pinge$/)
})

t.test('another cookie or another answer is a no', async (t) => {
  for (const answer of ['0000 d6:result4:ponge', 'garbage']) {
    const answering = await answerer(() => answer)
    t.equal(await pingRtpengine({ host, port: answering.port }, { deadlineMs: 2_000 }), false)
    answering.close()
  }
})

t.test('nobody there is a no', async (t) => {
  t.equal(await pingRtpengine({ host, port: await freePort() }, { deadlineMs: 300 }), false)
})
