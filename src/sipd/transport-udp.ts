import { createSocket, type Socket } from 'node:dgram'
import { isIP } from 'node:net'
import type { Address, Flow } from './flow.ts'

/** Room in the kernel for a burst of datagrams while the event loop is busy. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024

/** One bound UDP socket (RFC 3261 section 18). */
export class UdpTransport {
  readonly name = 'udp'
  readonly local: Address
  readonly #socket: Socket
  readonly #advertised: (remote: Address) => Address
  readonly #onSent: ((bytes: Buffer, flow: Flow) => void) | undefined
  #closed = false

  private constructor(
    socket: Socket,
    local: Address,
    options: {
      readonly advertise: (local: Address, remote: Address) => Address
      readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
    },
  ) {
    this.#socket = socket
    this.local = local
    this.#advertised = (remote) => options.advertise(local, remote)
    this.#onSent = options.onSent
  }

  /** Rejects with the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static open(options: {
    readonly address: Address
    /** What Via and Contact show towards a peer: the bound address, or for a wildcard the one that reaches the peer. */
    readonly advertise: (local: Address, remote: Address) => Address
    readonly onDatagram: (bytes: Buffer, flow: Flow) => void
    readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
    readonly onError: () => void
  }): Promise<UdpTransport> {
    const family = isIP(options.address.host)
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // An IPv6 wildcard is for IPv6 alone, so that it can stand beside the one of IPv4.
      ipv6Only: family === 6,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    })
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ port: options.address.port, address: options.address.host, exclusive: true }, () => {
        socket.off('error', reject)
        socket.on('error', options.onError)
        const bound = socket.address()
        const transport = new UdpTransport(socket, { host: bound.address, port: bound.port }, options)
        socket.on('message', (bytes, from) => {
          if (from.port !== 0) options.onDatagram(bytes, transport.flowTo({ host: from.address, port: from.port }))
        })
        resolve(transport)
      })
    })
  }

  flowTo(remote: Address): Flow {
    const flow: Flow = {
      transport: 'udp',
      reliable: false,
      local: this.#advertised(remote),
      remote,
      send: (bytes, failed) => {
        if (this.#closed) {
          queueMicrotask(failed)
          return
        }
        this.#socket.send(bytes, remote.port, remote.host, (error) => {
          if (error !== null) failed()
        })
        this.#onSent?.(bytes, flow)
      },
    }
    return flow
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }
}
