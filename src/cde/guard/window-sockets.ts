import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Address } from '../../wire/guard-protocol.ts'
import { errorFields, type Logger } from '../../kit/log.ts'

/** RTP likes even ports (RFC 3550 section 11); the system gives out any, so some are tried. */
const EVEN_PORT_TRIES = 8
/** A second of a window's packets, should the process be busy that long. */
const RECEIVE_BUFFER_BYTES = 262_144

export type WindowSockets = {
  readonly payer: Address
  readonly agent: Address
  readonly toPayer: (datagram: Buffer, to: Address) => void
  readonly toAgent: (datagram: Buffer, to: Address) => void
  /** Safe to call twice. */
  close(): void
}

export type Receive = (datagram: Buffer, from: Address) => void

/**
 * Opens a window's two RTP ports on the media address. RTCP would go to the next port up and is not wanted, so nothing
 * listens there. Returns null when the system has no port left.
 */
export async function openWindowSockets(options: {
  readonly host: string
  readonly fromPayer: Receive
  readonly fromAgent: Receive
  readonly logger: Logger
}): Promise<WindowSockets | null> {
  const { host, logger } = options
  const payer = await bindEven(host, logger)
  if (payer === null) return null
  const agent = await bindEven(host, logger)
  if (agent === null) {
    payer.close()
    return null
  }
  payer.on('message', (datagram, from) => options.fromPayer(datagram, { host: from.address, port: from.port }))
  agent.on('message', (datagram, from) => options.fromAgent(datagram, { host: from.address, port: from.port }))
  let closed = false
  const send = (socket: Socket) => (datagram: Buffer, to: Address) => {
    // Without a callback, which would cost as much as the sending. A datagram that cannot be sent is lost, as on any network.
    if (!closed) socket.send(datagram, to.port, to.host)
  }
  return {
    payer: { host, port: payer.address().port },
    agent: { host, port: agent.address().port },
    toPayer: send(payer),
    toAgent: send(agent),
    close: () => {
      if (closed) return
      closed = true
      payer.close()
      agent.close()
    },
  }
}

/** The last try is taken whatever its port: an odd port works too. */
async function bindEven(host: string, logger: Logger): Promise<Socket | null> {
  for (let tries = 1; ; tries += 1) {
    const socket = await bind(host, logger)
    if (socket === null || tries === EVEN_PORT_TRIES || socket.address().port % 2 === 0) return socket
    socket.close()
  }
}

function bind(host: string, logger: Logger): Promise<Socket | null> {
  const family = isIPv6(host) ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Only IP literals come here; without this each send would wait a turn for the resolver.
    lookup: (address, _options, done) => done(null, address, family),
  })
  return new Promise((resolve) => {
    socket.on('error', (error) => {
      logger.warn(errorFields(error), 'a media socket reported an error')
      resolve(null)
    })
    socket.bind(0, host, () => resolve(socket))
  })
}
