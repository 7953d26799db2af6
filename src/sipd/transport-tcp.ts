import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import { Connection } from './connection.ts'
import type { Address, Flow } from './flow.ts'
import { PING_INTERVAL_MS } from './keep-alive.ts'
import type { ConnectionLimit } from './message-deadline.ts'

export type TcpLimits = {
  /** Open connections of one listener, both directions. */
  readonly tcpConnectionsMax: number
  /** How long a connection may be silent. Longer than the keep-alive of any phone (RFC 5626 section 4.4.1: 120 s). */
  readonly tcpIdleMs: number
  /** How often connections that we opened are pinged (RFC 5626 section 4.4.1). */
  readonly tcpPingMs?: number
  /** Connections from one address, so that one peer cannot take all; a PBX or carrier holds one to ten. */
  readonly tcpConnectionsPerPeerMax: number
  /** How long a peer that connected may send nothing at all. SIP peers connect because they have something to send. */
  readonly tcpFirstMessageMs: number
  /** How long one message may take from its first byte to its last: 64 kB at 64 kbit/s take 8 s. */
  readonly tcpMessageMs: number
  /** How long connecting may take, TLS included: shorter than 64 * T1, so that the caller hears 503 rather than a timeout. */
  readonly tcpConnectMs: number
}

/** Aliases that peers may ask for on one connection: a peer listens on one port, seldom on two. */
const ALIASES_PER_CONNECTION_MAX = 2

/** What differs between plain TCP and TLS. */
export type StreamTerms = {
  readonly name: 'tcp' | 'tls'
  readonly accepted: 'connection' | 'secureConnection'
  readonly connected: 'connect' | 'secureConnect'
  createServer(): Server
  connect(options: { readonly remote: Address; readonly localHost: string; readonly names: readonly string[] }): Socket
  /** True when an open connection may carry requests for one of these names. */
  serves(socket: Socket, names: readonly string[]): boolean
  /** The domain that the peer's certificate proved. */
  provenName(socket: Socket): string | undefined
  /** An outgoing connection ended with an error before or after it was ready. */
  failed(remote: Address, error: Error): void
}

export const PLAIN_STREAM: StreamTerms = {
  name: 'tcp',
  accepted: 'connection',
  connected: 'connect',
  createServer: () => createServer({ noDelay: true, keepAlive: true }),
  connect: ({ remote, localHost }) =>
    connect({ host: remote.host, port: remote.port, localAddress: localHost, noDelay: true, keepAlive: true }),
  serves: () => true,
  provenName: () => undefined,
  failed: () => undefined,
}

type Options = {
  readonly address: Address
  readonly terms: StreamTerms
  readonly limits: TcpLimits
  /** What Via and Contact show towards a peer. */
  readonly advertise: (local: Address, remote: Address) => Address
  /** The address of ours that a connection to a peer leaves from. */
  readonly bindHost: (local: Address, remote: Address) => string
  /** False: a connection that a peer opened is closed at once. */
  readonly takesConnection?: ((host: string | undefined) => boolean) | undefined
  readonly onMessage: (bytes: Buffer, flow: Flow) => void
  readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
  /** The stream could not be cut into messages any more; the connection has been closed. */
  readonly onBroken: () => void
  /** A connection was not let in, or was ended, because of a limit. */
  readonly onLimit: (limit: ConnectionLimit) => void
}

/** One TCP or TLS listener and the connections that were accepted or opened for it. */
export class TcpTransport {
  readonly name: 'tcp' | 'tls'
  readonly local: Address
  readonly #server: Server
  readonly #options: Options
  readonly #connections = new Set<Connection>()
  /** Accepted sockets, those included whose TLS handshake is not over. */
  readonly #accepted = new Set<Socket>()
  /** Connections by peer, for requests to the same peer (RFC 3261 section 18.1.1, RFC 5923). */
  readonly #byPeer = new Map<string, Connection>()
  readonly #keys = new Map<Connection, string[]>()
  /** The names that the peer of an outgoing connection has to prove before anything is sent. */
  readonly #asked = new WeakMap<Connection, readonly string[]>()
  #closed = false

  private constructor(server: Server, local: Address, options: Options) {
    this.#server = server
    this.local = local
    this.name = options.terms.name
    this.#options = options
    server.on('connection', (socket: Socket) => {
      if (options.takesConnection?.(socket.remoteAddress) === false) {
        socket.destroy()
        return
      }
      this.#accepted.add(socket)
      socket.once('close', () => this.#accepted.delete(socket))
      if (this.#countOf(socket.remoteAddress) <= options.limits.tcpConnectionsPerPeerMax) return
      options.onLimit('connections_per_peer')
      socket.destroy()
    })
    server.on('drop', () => options.onLimit('connections'))
    server.on(options.terms.accepted, (socket: Socket) =>
      this.#adopt(socket, { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }, undefined),
    )
  }

  /** Rejects with the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
  static open(options: Options): Promise<TcpTransport> {
    const { host, port } = options.address
    const server = options.terms.createServer()
    server.maxConnections = options.limits.tcpConnectionsMax
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      // An IPv6 wildcard is for IPv6 alone, so that it can stand beside the one of IPv4, and peers have one address form.
      server.listen({ host, port, exclusive: true, ipv6Only: isIP(host) === 6 }, () => {
        server.off('error', reject)
        server.on('error', options.onBroken)
        const bound = server.address()
        const local =
          bound === null || typeof bound === 'string' ? options.address : { host: bound.address, port: bound.port }
        resolve(new TcpTransport(server, local, options))
      })
    })
  }

  /**
   * A flow that uses the open connection to this peer, or opens one with the first send. `names` are those of which a
   * TLS peer must prove one.
   */
  flowTo(remote: Address, names: readonly string[] = []): Flow {
    return this.#flow(remote, names[0], () => this.#openTo(remote, names) ?? this.#connect(remote, names))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const { socket } of this.#connections) socket.destroySoon()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const { socket } of this.#connections) socket.destroy()
    for (const socket of this.#accepted) socket.destroy()
    await closed
  }

  #flow(remote: Address, peerName: string | undefined, current: () => Connection | undefined): Flow {
    const flow: Flow = {
      transport: this.name,
      reliable: true,
      local: this.#options.advertise(this.local, remote),
      remote,
      peerName,
      send: (bytes, failed) => {
        const connection = current()
        if (connection === undefined) queueMicrotask(failed)
        else {
          connection.send(bytes, failed)
          this.#options.onSent?.(bytes, flow)
        }
      },
    }
    return flow
  }

  #openTo(remote: Address, names: readonly string[]): Connection | undefined {
    const open = this.#byPeer.get(peerKey(remote))
    if (open?.usable !== true) return undefined
    const asked = this.#asked.get(open) ?? []
    return names.some((name) => asked.includes(name)) || this.#options.terms.serves(open.socket, names)
      ? open
      : undefined
  }

  #connect(remote: Address, names: readonly string[]): Connection | undefined {
    const { terms, limits } = this.#options
    if (this.#closed || this.#connections.size >= limits.tcpConnectionsMax) return undefined
    const socket = terms.connect({ remote, localHost: this.#options.bindHost(this.local, remote), names })
    const slow = setTimeout(() => socket.destroy(new Error('connecting took too long')), limits.tcpConnectMs)
    socket.once(terms.connected, () => clearTimeout(slow))
    socket.once('close', () => clearTimeout(slow))
    const connection = this.#adopt(socket, remote, terms.connected)
    if (connection !== undefined) this.#asked.set(connection, names)
    return connection
  }

  #adopt(socket: Socket, remote: Address, readyOn: 'connect' | 'secureConnect' | undefined): Connection | undefined {
    if (this.#closed) {
      socket.destroy()
      return undefined
    }
    const { terms, limits, onMessage, onBroken } = this.#options
    const connection: Connection = new Connection({
      socket,
      remote,
      readyOn,
      idleMs: limits.tcpIdleMs,
      pingMs: readyOn === undefined ? undefined : (limits.tcpPingMs ?? PING_INTERVAL_MS),
      firstMessageMs: limits.tcpFirstMessageMs,
      messageMs: limits.tcpMessageMs,
      onMessage: (bytes) => onMessage(bytes, flow()),
      onBroken,
      onLimit: this.#options.onLimit,
      onClose: (_, error) => {
        this.#connections.delete(connection)
        for (const key of this.#keys.get(connection) ?? [])
          if (this.#byPeer.get(key) === connection) this.#byPeer.delete(key)
        this.#keys.delete(connection)
        if (error !== undefined && readyOn !== undefined) terms.failed(remote, error)
      },
    })
    let bound: Flow | undefined
    // The far port of a connection that a peer opened answers nobody: such a flow ends with its connection.
    const flow = (): Flow =>
      (bound ??= {
        ...this.#flow(remote, terms.provenName(socket), () => (connection.usable ? connection : undefined)),
        alive: () => connection.usable,
        alias: (port) => this.#alias(connection, port),
      })
    this.#connections.add(connection)
    this.#register(connection, remote)
    return connection
  }

  /** Only a peer that has proved a name may draw requests for another port to its connection (RFC 5923 section 9). */
  #alias(connection: Connection, port: number): void {
    if (this.#options.terms.provenName(connection.socket) === undefined) return
    const known = this.#keys.get(connection)?.length ?? 0
    const key = { host: connection.remote.host, port }
    if (known > ALIASES_PER_CONNECTION_MAX || this.#byPeer.get(peerKey(key)) === connection) return
    this.#register(connection, key)
  }

  #countOf(host: string | undefined): number {
    let count = 0
    for (const socket of this.#accepted) if (socket.remoteAddress === host) count += 1
    return count
  }

  #register(connection: Connection, remote: Address): void {
    const key = peerKey(remote)
    this.#byPeer.set(key, connection)
    this.#keys.set(connection, [...(this.#keys.get(connection) ?? []), key])
  }
}

function peerKey(remote: Address): string {
  return `${remote.host} ${remote.port}`
}
