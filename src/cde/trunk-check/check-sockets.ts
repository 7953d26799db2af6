import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Address } from '../../wire/guard-protocol.ts'

/** An even port whose odd neighbour is free is found soon, unless the system has none (RFC 3550 section 11). */
const TRIES_MAX = 30
/** Several seconds of packets: a busy machine must not count as loss. */
const RECEIVE_BUFFER_BYTES = 1_048_576

export type CheckSockets = {
  readonly address: Address
  readonly rtp: (datagram: Buffer, to: Address) => void
  readonly rtcp: (datagram: Buffer, to: Address) => void
  /** Safe to call twice. */
  close(): void
}

export type SocketsOpened =
  | { readonly kind: 'opened'; readonly sockets: CheckSockets }
  | { readonly kind: 'refused'; readonly code: 'port_taken' | 'address_unavailable' }

type Hear = (datagram: Buffer, from: Address) => void

/** Binds RTP on the port, or on a free even one when it is 0, and RTCP on the next. */
export async function openCheckSockets(options: {
  readonly host: string
  readonly port: number
  readonly rtp: Hear
  readonly rtcp: Hear
}): Promise<SocketsOpened> {
  const { host, port } = options
  for (let tries = 0; tries < (port === 0 ? TRIES_MAX : 1); tries += 1) {
    const rtp = await bind(host, port)
    if (typeof rtp === 'string') return { kind: 'refused', code: rtp }
    const bound = rtp.address().port
    const isEven = bound % 2 === 0 || port !== 0
    const rtcp = isEven ? await bind(host, bound + 1) : 'port_taken'
    if (typeof rtcp === 'string') {
      rtp.close()
      continue
    }
    return { kind: 'opened', sockets: join(rtp, rtcp, options) }
  }
  return { kind: 'refused', code: 'port_taken' }
}

function join(rtp: Socket, rtcp: Socket, hear: { readonly rtp: Hear; readonly rtcp: Hear }): CheckSockets {
  rtp.on('message', (datagram, from) => hear.rtp(datagram, { host: from.address, port: from.port }))
  rtcp.on('message', (datagram, from) => hear.rtcp(datagram, { host: from.address, port: from.port }))
  let closed = false
  const sender = (socket: Socket) => (datagram: Buffer, to: Address) => {
    // A datagram that cannot be sent is lost, as on any network.
    if (!closed) socket.send(datagram, to.port, to.host, ignore)
  }
  return {
    address: { host: rtp.address().address, port: rtp.address().port },
    rtp: sender(rtp),
    rtcp: sender(rtcp),
    close: () => {
      if (closed) return
      closed = true
      rtp.close()
      rtcp.close()
    },
  }
}

function bind(host: string, port: number): Promise<Socket | 'port_taken' | 'address_unavailable'> {
  const family = isIPv6(host) ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Only IP literals come here; without this each send would wait a turn for the resolver.
    lookup: (address, _options, done) => done(null, address, family),
  })
  return new Promise((resolve) => {
    // Later errors are of datagrams that nobody took, and are lost with them.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' || error.code === 'EACCES' ? 'port_taken' : 'address_unavailable')
    })
    socket.bind({ address: host, port, exclusive: true }, () => resolve(socket))
  })
}

function ignore(): void {
  // Nobody waits for a datagram.
}
