import { createSocket, type Socket } from 'node:dgram'

/** Tries to find an even port with a free odd one after it before giving up. */
const TRIES_MAX = 50

/** A receive buffer that holds several seconds of packets, so that a busy machine does not count as loss. */
const RECEIVE_BUFFER_BYTES = 1_048_576

/** One RTP port and the RTCP port after it (RFC 3550 section 11). */
export class MediaPort {
  readonly address: string
  readonly port: number
  readonly #rtp: Socket
  readonly #rtcp: Socket
  #closed = false

  private constructor(address: string, rtp: Socket, rtcp: Socket) {
    this.address = address
    this.port = rtp.address().port
    this.#rtp = rtp
    this.#rtcp = rtcp
  }

  /** Returns undefined when the address cannot be bound. */
  static async open(
    address: string,
    hear: { readonly rtp: (bytes: Buffer) => void; readonly rtcp: (bytes: Buffer) => void },
  ): Promise<MediaPort | undefined> {
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      const rtp = await boundSocket(address, 0)
      if (rtp === undefined) return undefined
      const port = rtp.address().port
      const rtcp = port % 2 === 0 ? await boundSocket(address, port + 1) : undefined
      if (rtcp === undefined) {
        rtp.close()
        continue
      }
      rtp.on('message', hear.rtp)
      rtcp.on('message', hear.rtcp)
      return new MediaPort(address, rtp, rtcp)
    }
    return undefined
  }

  send(bytes: Buffer, to: { readonly host: string; readonly port: number }): void {
    if (!this.#closed) this.#rtp.send(bytes, to.port, to.host)
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#rtp.close()
    this.#rtcp.close()
  }
}

/**
 * A bound UDP socket, or undefined when the address or port is not to be had.
 * The lookup answers at once, so that send() reaches the kernel in the same turn and the logged time is true.
 */
export function boundSocket(address: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket({
      type: 'udp4',
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      lookup: (host, _options, found) => found(null, host, 4),
    })
    socket.once('error', () => {
      socket.close()
      resolve(undefined)
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      // An unreachable peer shows as an error on Linux now and then; the packet is simply lost.
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}
