import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Address, Flow } from './flow.ts'
import { MessageStream } from './message-stream.ts'

export type TcpLimits = {
  /** Open connections of one listener, both directions. */
  readonly tcpConnectionsMax: number
  /** How long a connection may be silent. Longer than the keep-alive of any phone (RFC 5626 section 4.4.1: 120 s). */
  readonly tcpIdleMs: number
  /** How long connecting may take: shorter than 64 * T1, so that the caller hears 503 rather than a timeout. */
  readonly tcpConnectMs: number
}

/** Bytes that may wait for a slow peer before its connection is given up. */
const WRITE_QUEUE_BYTES_MAX = 1024 * 1024

type Events = {
  readonly onMessage: (bytes: Buffer, flow: Flow) => void
  /** The stream could not be cut into messages any more; the connection has been closed. */
  readonly onBroken: () => void
}

/** One TCP listener and the connections that were accepted or opened for it. */
export class TcpTransport {
  readonly name = 'tcp'
  readonly local: Address
  readonly #server: Server
  readonly #limits: TcpLimits
  readonly #events: Events
  readonly #advertised: (remote: Address) => Address
  readonly #sockets = new Set<Socket>()
  /** Connections by peer, for requests to the same peer (RFC 3261 section 18.1.1). */
  readonly #byPeer = new Map<string, Socket>()
  #closed = false

  private constructor(
    server: Server,
    local: Address,
    limits: TcpLimits,
    events: Events,
    advertise: (local: Address, remote: Address) => Address,
  ) {
    this.#server = server
    this.local = local
    this.#limits = limits
    this.#events = events
    this.#advertised = (remote) => advertise(local, remote)
    server.on('connection', (socket) =>
      this.#adopt(socket, { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }),
    )
  }

  /** Rejects with the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static open(options: {
    readonly address: Address
    readonly limits: TcpLimits
    readonly advertise: (local: Address, remote: Address) => Address
    readonly onMessage: Events['onMessage']
    readonly onBroken: Events['onBroken']
  }): Promise<TcpTransport> {
    const server = createServer({ noDelay: true, keepAlive: true })
    server.maxConnections = options.limits.tcpConnectionsMax
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: options.address.host, port: options.address.port, exclusive: true }, () => {
        server.off('error', reject)
        server.on('error', options.onBroken)
        const bound = server.address()
        const local =
          bound === null || typeof bound === 'string' ? options.address : { host: bound.address, port: bound.port }
        resolve(new TcpTransport(server, local, options.limits, options, options.advertise))
      })
    })
  }

  /** A flow that uses the open connection to this peer, or opens one with the first send. */
  flowTo(remote: Address): Flow {
    return this.#flow(remote, () => usable(this.#byPeer.get(peerKey(remote))) ?? this.#connect(remote))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const socket of this.#sockets) socket.destroySoon()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #flow(remote: Address, current: () => Socket | undefined): Flow {
    return {
      transport: 'tcp',
      reliable: true,
      local: this.#advertised(remote),
      remote,
      send: (bytes, failed) => {
        const socket = current()
        if (socket === undefined || socket.writableLength > WRITE_QUEUE_BYTES_MAX) {
          queueMicrotask(failed)
          return
        }
        socket.write(bytes, (error) => {
          if (error !== undefined && error !== null) failed()
        })
      },
    }
  }

  #connect(remote: Address): Socket | undefined {
    if (this.#closed || this.#sockets.size >= this.#limits.tcpConnectionsMax) return undefined
    const bindHost = this.#advertised(remote).host
    const socket = connect({
      host: remote.host,
      port: remote.port,
      localAddress: bindHost,
      noDelay: true,
      keepAlive: true,
    })
    const slow = setTimeout(() => socket.destroy(new Error('TCP connect took too long')), this.#limits.tcpConnectMs)
    socket.once('connect', () => clearTimeout(slow))
    socket.once('close', () => clearTimeout(slow))
    this.#adopt(socket, remote)
    return socket
  }

  #adopt(socket: Socket, remote: Address): void {
    if (this.#closed) {
      socket.destroy()
      return
    }
    const key = peerKey(remote)
    const stream = new MessageStream()
    // The far port of a connection that a peer opened answers nobody: such a flow ends with its connection.
    const flow = this.#flow(remote, () => usable(socket))
    this.#sockets.add(socket)
    this.#byPeer.set(key, socket)
    socket.setTimeout(this.#limits.tcpIdleMs, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#sockets.delete(socket)
      if (this.#byPeer.get(key) === socket) this.#byPeer.delete(key)
    })
    socket.on('data', (chunk: Buffer) => {
      for (const item of stream.push(chunk)) {
        if (item.kind === 'message') this.#events.onMessage(item.bytes, flow)
        else if (item.kind === 'ping') socket.write('\r\n')
        else {
          this.#events.onBroken()
          socket.destroy()
        }
      }
    })
  }
}

function usable(socket: Socket | undefined): Socket | undefined {
  return socket === undefined || socket.destroyed || !socket.writable ? undefined : socket
}

function peerKey(remote: Address): string {
  return `${remote.host} ${remote.port}`
}
