import { createSocket, type Socket } from 'node:dgram'
import type { Address } from '../../src/wire/guard-protocol.ts'
import type { WindowPorts } from './rtp-load-protocol.ts'

/**
 * The yardstick: a bare relay of UDP in Node. Per window two sockets with the guard's own options, and what one receives
 * the other sends; nothing else is done.
 */
export type ToBareRelay = { readonly type: 'relay'; readonly windows: readonly WindowPorts[] }
export type FromBareRelay =
  { readonly type: 'started' } | { readonly type: 'relaying'; readonly windows: readonly WindowPorts[] }

const HOST = '127.0.0.1'
const RECEIVE_BUFFER_BYTES = 262_144

const tell = (message: FromBareRelay): void => void process.send?.(message)
process.on('message', (message: ToBareRelay) => void relay(message.windows))
process.on('disconnect', () => process.exit(0))
tell({ type: 'started' })

async function relay(windows: readonly WindowPorts[]): Promise<void> {
  const opened: WindowPorts[] = []
  for (const { payer, agent } of windows) {
    const toPayer = await bound()
    const toAgent = await bound()
    toPayer.on('message', (datagram) => toAgent.send(datagram, agent.port, agent.host))
    toAgent.on('message', (datagram) => toPayer.send(datagram, payer.port, payer.host))
    opened.push({ payer: ownAddress(toPayer), agent: ownAddress(toAgent) })
  }
  tell({ type: 'relaying', windows: opened })
}

async function bound(): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    lookup: (address, _options, done) => done(null, address, 4),
  })
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve))
  return socket
}

function ownAddress(socket: Socket): Address {
  return { host: HOST, port: socket.address().port }
}
