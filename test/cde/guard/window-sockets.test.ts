import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { openWindowSockets } from '../../../src/cde/guard/window-sockets.ts'
import { createLogger } from '../../../src/kit/log.ts'
import type { Address } from '../../../src/wire/guard-protocol.ts'

const logger = createLogger({ role: 'guard', level: 'silent' })

t.test('each side hears its own port with the sender’s address, and sends from it', async (t) => {
  const heard: [string, string, Address][] = []
  const peer = createSocket('udp4')
  peer.bind(0, '127.0.0.1')
  await once(peer, 'listening')
  const both = Promise.withResolvers<null>()
  const hear = (side: string) => (datagram: Buffer, from: Address) => {
    heard.push([side, datagram.toString(), from])
    if (heard.length === 2) both.resolve(null)
  }
  const sockets = await openWindowSockets({
    host: '127.0.0.1',
    logger,
    fromPayer: hear('payer'),
    fromAgent: hear('agent'),
  })
  if (sockets === null) throw new Error('no port')
  t.teardown(() => {
    peer.close()
    sockets.close()
    sockets.close()
  })
  t.not(sockets.payer.port, sockets.agent.port)
  peer.send('one', sockets.payer.port, '127.0.0.1')
  peer.send('two', sockets.agent.port, '127.0.0.1')
  await both.promise
  const from = { host: '127.0.0.1', port: peer.address().port }
  t.same(heard.sort(), [
    ['agent', 'two', from],
    ['payer', 'one', from],
  ])
  const got = once(peer, 'message')
  sockets.toAgent(Buffer.from('three'), from)
  const [datagram, source] = (await got) as [Buffer, { port: number }]
  t.equal(datagram.toString(), 'three')
  t.equal(source.port, sockets.agent.port)
})

t.test('an address that is not of this machine gives no sockets', async (t) => {
  const none = () => undefined
  t.equal(await openWindowSockets({ host: '192.0.2.1', logger, fromPayer: none, fromAgent: none }), null)
})
