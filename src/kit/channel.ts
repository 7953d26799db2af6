import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { encodeFrame, FrameReader } from './frame.ts'
import { isRevoked, peerRole, roleName, secureContext, type Identity, type Role } from './identity.ts'
import { errorFields, type Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import { Refusals, type RefusedPeer } from './refusals.ts'
import { addressOf, handshakeRefusal, rememberAddresses, type HandshakeRefusal } from './refused-handshake.ts'

/** Both sides send a ping this often, so that a peer that hangs is noticed and not only one that dies. */
const PING_EVERY_MS = 1_000
/** Three pings missed. */
const SILENCE_MS_MAX = 3_500
/** A peer that does not read this much is not working any more. */
const UNSENT_BYTES_MAX = 33_554_432
/** Requests that wait for a reply at one time. */
const PENDING_MAX = 10_000
const HANDSHAKE_MS_MAX = 3_000
const CONNECTIONS_MAX = 256
const RECONNECT_MS_MIN = 50
/** A process that was started again is ready within a second or two; a window must not wait much longer than it does. */
const RECONNECT_MS_MAX = 250

/** What a request came to. 'closed': the channel was down or went down; 'timeout': the deadline passed. */
export type Answer<In> =
  | { readonly kind: 'reply'; readonly message: In; readonly body: Buffer }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'closed' }

export type Reply<Out> = (message: Out, body?: Uint8Array) => void

/** `parse` is the edge: it returns a trusted message, or null, which ends the channel. */
export type ChannelHandlers<Out, In> = {
  readonly parse: (value: unknown) => In | null
  /** `reply` is a no-op for a message that was not a request. The body belongs to the receiver, who wipes it. */
  readonly message: (message: In, body: Buffer, reply: Reply<Out>) => void
  readonly closed: () => void
  /** The peer sent what is no frame or no message; the channel ends. */
  readonly malformed?: () => void
}

type Envelope = { readonly ping?: 1; readonly id?: number; readonly re?: number; readonly m?: unknown }

/** One authenticated connection between two processes: messages, requests with deadlines, and pings. */
export class Channel<Out, In> {
  readonly peer: Role
  readonly #socket: TLSSocket
  readonly #handlers: ChannelHandlers<Out, In>
  readonly #reader = new FrameReader()
  readonly #pending = new Map<
    number,
    { readonly settle: (answer: Answer<In>) => void; readonly timer: NodeJS.Timeout }
  >()
  readonly #pinger: NodeJS.Timeout
  #lastHeardMs = performance.now()
  #nextId = 1
  #closed = false

  constructor(socket: TLSSocket, peer: Role, handlers: ChannelHandlers<Out, In>) {
    this.peer = peer
    this.#socket = socket
    this.#handlers = handlers
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => this.close())
    socket.on('close', () => this.close())
    this.#pinger = setInterval(() => this.#ping(), PING_EVERY_MS)
  }

  get isOpen(): boolean {
    return !this.#closed
  }

  /** Closes the channel when the peer's certificate was taken back meanwhile, and says so. */
  closeIfRevoked(identity: Identity): boolean {
    const ends = isRevoked(this.#socket, identity)
    if (ends) this.close()
    return ends
  }

  /** Sends and forgets. Returns false when the channel is closed. */
  send(message: Out, body?: Uint8Array): boolean {
    return this.#write({ m: message }, body)
  }

  /** Sends and waits for the reply, at most deadlineMs. Never rejects. */
  request(message: Out, options: { readonly deadlineMs: number; readonly body?: Uint8Array }): Promise<Answer<In>> {
    if (this.#closed || this.#pending.size >= PENDING_MAX) return Promise.resolve({ kind: 'closed' })
    const id = this.#nextId
    this.#nextId += 1
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, { kind: 'timeout' }), options.deadlineMs)
      this.#pending.set(id, { settle: resolve, timer })
      if (!this.#write({ id, m: message }, options.body)) this.#settle(id, { kind: 'closed' })
    })
  }

  /** Closes the connection and fails what is pending. Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#pinger)
    this.#reader.wipe()
    this.#socket.destroy()
    for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'closed' })
    this.#handlers.closed()
  }

  #settle(id: number, answer: Answer<In>): void {
    const waiting = this.#pending.get(id)
    if (waiting === undefined) return
    this.#pending.delete(id)
    clearTimeout(waiting.timer)
    waiting.settle(answer)
  }

  #write(envelope: Envelope, body?: Uint8Array): boolean {
    if (this.#closed) return false
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) {
      this.close()
      return false
    }
    const frame = encodeFrame(envelope, body)
    this.#socket.write(frame, () => frame.fill(0))
    return true
  }

  #ping(): void {
    if (performance.now() - this.#lastHeardMs > SILENCE_MS_MAX) this.close()
    else this.#write({ ping: 1 })
  }

  #take(chunk: Buffer): void {
    this.#lastHeardMs = performance.now()
    const frames = this.#reader.push(chunk)
    if (frames === 'malformed') {
      this.#handlers.malformed?.()
      this.close()
      return
    }
    for (const frame of frames) {
      if (this.#closed) frame.body.fill(0)
      else if (!this.#receive(frame.header, frame.body)) {
        this.#handlers.malformed?.()
        this.close()
      }
    }
  }

  #receive(header: unknown, body: Buffer): boolean {
    if (typeof header !== 'object' || header === null) return false
    const { ping, id, re, m }: { ping?: unknown; id?: unknown; re?: unknown; m?: unknown } = header
    if (ping === 1) return true
    const message = this.#handlers.parse(m)
    if (message === null) return false
    if (typeof re === 'number') {
      const waiting = this.#pending.has(re)
      if (waiting) this.#settle(re, { kind: 'reply', message, body })
      else body.fill(0)
      return true
    }
    this.#handlers.message(message, body, (answer, answerBody) => {
      if (typeof id === 'number') this.#write({ re: id, m: answer }, answerBody)
    })
    return true
  }
}

/**
 * wrong_role: the certificate is of a role that may not connect. tls_refused: the handshake failed for another reason than the certificate's time or
 * its being revoked. malformed: not our frames.
 */
export type ChannelRefusal = HandshakeRefusal | 'wrong_role' | 'malformed'

/** The counter that each process with a door keeps. */
export function countRefusals(metrics: Metrics): (code: ChannelRefusal) => void {
  const refused = metrics.counter(
    'tonewall_channel_refused_total',
    'Channels turned away, or ended by what they sent',
    ['code'],
  )
  return (code) => refused.inc({ code })
}

export type ChannelListener = { readonly port: number; close(): Promise<void> }

/**
 * Accepts channels from the named roles (TLS 1.3, client certificate required). `accept` returns the handlers of one
 * connection. Rejects with the system's error when the port is taken.
 */
export function listenChannel<Out, In>(options: {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly allow: readonly Role[]
  readonly logger: Logger
  /** Counts what was turned away. */
  readonly refused?: (code: ChannelRefusal) => void
  /** Writes down what was turned away; called once a minute at most for each code. */
  readonly record?: (refused: RefusedPeer<ChannelRefusal>) => void
  readonly accept: (peer: Role) => ChannelHandlers<Out, In> & { readonly opened?: (channel: Channel<Out, In>) => void }
}): Promise<ChannelListener> {
  const channels = new Set<Channel<Out, In>>()
  const { identity, logger } = options
  const refusals = new Refusals<ChannelRefusal>({ logger, counted: options.refused, record: options.record })
  const server: Server = createServer(
    {
      ...secureContext(identity),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: HANDSHAKE_MS_MAX,
    },
    (socket) => {
      const peer = peerRole(socket)
      const address = socket.remoteAddress
      if (peer === null || !options.allow.includes(peer)) {
        refusals.add('wrong_role', { address, fields: { peerRole: peer ?? 'none' } })
        socket.destroy()
        return
      }
      const handlers = options.accept(peer)
      const channel: Channel<Out, In> = new Channel(socket, peer, {
        parse: handlers.parse,
        message: handlers.message,
        malformed: () => refusals.add('malformed', { address, fields: { peerRole: peer } }),
        closed: () => {
          channels.delete(channel)
          handlers.closed()
        },
      })
      channels.add(channel)
      handlers.opened?.(channel)
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  rememberAddresses(server)
  server.on('tlsClientError', (error, socket) =>
    refusals.add(handshakeRefusal(socket), { address: addressOf(socket), fields: errorFields(error) }),
  )
  const unwatch = identity.revoked?.watch(() => {
    // The new context has new ticket keys too, so nobody comes back on an old session.
    server.setSecureContext(secureContext(identity))
    for (const channel of [...channels]) {
      if (channel.closeIfRevoked(identity)) {
        refusals.add('certificate_revoked', { address: undefined, fields: { peerRole: channel.peer } })
      }
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve({
        port: (server.address() as AddressInfo).port,
        close: () => {
          unwatch?.()
          refusals.close()
          for (const channel of [...channels]) channel.close()
          return new Promise((done) => server.close(() => done()))
        },
      })
    })
  })
}

/** A channel to one peer that connects again by itself. While it is down, requests answer 'closed'. */
export class ChannelClient<Out, In> {
  readonly #options: ChannelClientOptions<Out, In>
  #channel: Channel<Out, In> | null = null
  #retryMs = RECONNECT_MS_MIN
  #timer: NodeJS.Timeout | null = null
  #connecting: TLSSocket | null = null
  readonly #unwatch: (() => void) | undefined
  #closed = false

  constructor(options: ChannelClientOptions<Out, In>) {
    this.#options = options
    this.#unwatch = options.identity.revoked?.watch(() => this.#channel?.closeIfRevoked(options.identity))
    this.#connect()
  }

  get isOpen(): boolean {
    return this.#channel !== null
  }

  send(message: Out, body?: Uint8Array): boolean {
    return this.#channel?.send(message, body) ?? false
  }

  request(message: Out, options: { readonly deadlineMs: number; readonly body?: Uint8Array }): Promise<Answer<In>> {
    return this.#channel?.request(message, options) ?? Promise.resolve({ kind: 'closed' })
  }

  /** Ends the connection and the reconnecting. Safe to call twice. */
  close(): void {
    this.#closed = true
    this.#unwatch?.()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#connecting?.destroy()
    this.#channel?.close()
  }

  #connect(): void {
    const { host, port, identity, peer } = this.#options
    const socket = connect({
      host,
      port,
      ...secureContext(identity),
      servername: roleName(peer),
      timeout: HANDSHAKE_MS_MAX,
    })
    this.#connecting = socket
    const failed = () => {
      socket.destroy()
      this.#again()
    }
    socket.once('error', failed)
    socket.once('timeout', failed)
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      socket.off('timeout', failed)
      socket.setTimeout(0)
      this.#connecting = null
      this.#open(socket)
    })
  }

  #open(socket: TLSSocket): void {
    if (peerRole(socket) !== this.#options.peer) {
      socket.destroy()
      this.#again()
      return
    }
    this.#retryMs = RECONNECT_MS_MIN
    this.#channel = new Channel(socket, this.#options.peer, {
      parse: this.#options.parse,
      message: this.#options.message,
      closed: () => {
        this.#channel = null
        this.#options.closed?.()
        this.#again()
      },
    })
    this.#options.opened?.()
  }

  #again(): void {
    if (this.#closed || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#connect()
    }, this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MS_MAX)
  }
}

export type ChannelClientOptions<Out, In> = {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  /** The role that the server must prove. */
  readonly peer: Role
  readonly parse: (value: unknown) => In | null
  readonly message: (message: In, body: Buffer, reply: Reply<Out>) => void
  readonly opened?: () => void
  readonly closed?: () => void
}
