import type { Socket } from 'node:net'
import { SYSTEM_CLOCK } from './clock.ts'
import type { Address } from './flow.ts'
import { KeepAlive } from './keep-alive.ts'
import { MessageDeadline, type ConnectionLimit } from './message-deadline.ts'
import { MessageStream } from './message-stream.ts'

/** Bytes that may wait for a slow peer before its connection is given up. */
const WRITE_QUEUE_BYTES_MAX = 1024 * 1024

/** Messages that may wait for the handshake, or whose arrival is not yet proved. More than one peer gets in 5 s. */
const UNPROVEN_MAX = 1_000

type Waiting = { readonly bytes: Buffer; readonly failed: () => void }

/** One open or opening TCP or TLS connection: its messages in both directions, and when it ends. */
export class Connection {
  readonly remote: Address
  readonly socket: Socket
  readonly #stream = new MessageStream()
  /** What was sent before the connection was ready. A TLS peer gets nothing before its certificate is checked. */
  #waiting: Waiting[] | undefined
  #waitingBytes = 0
  /**
   * Who to tell when the connection ends before the peer has sent a single byte: a TLS 1.3 server that refuses our
   * certificate, or a balancer without a backend, accepts first and closes then.
   */
  #unproven: (() => void)[] | undefined = []

  constructor(options: {
    readonly socket: Socket
    readonly remote: Address
    /** The event that says the connection may be used; undefined: it may be used now. */
    readonly readyOn: 'connect' | 'secureConnect' | undefined
    readonly idleMs: number
    /** How often a connection of ours is pinged; one that a peer opened is the peer's to keep. */
    readonly pingMs: number | undefined
    /** How long a peer that connected to us may send nothing, and any peer may take for one message. */
    readonly firstMessageMs: number
    readonly messageMs: number
    readonly onLimit: (limit: ConnectionLimit) => void
    readonly onMessage: (bytes: Buffer, connection: Connection) => void
    readonly onBroken: () => void
    readonly onClose: (connection: Connection, error: Error | undefined) => void
  }) {
    const { socket } = options
    this.socket = socket
    this.remote = options.remote
    if (options.readyOn !== undefined) {
      this.#waiting = []
      socket.once(options.readyOn, () => this.#ready())
    }
    const deadline = new MessageDeadline({
      clock: SYSTEM_CLOCK,
      firstMs: options.readyOn === undefined ? options.firstMessageMs : undefined,
      messageMs: options.messageMs,
      expired: (limit) => {
        options.onLimit(limit)
        socket.destroy()
      },
    })
    const keepAlive =
      options.pingMs === undefined
        ? undefined
        : new KeepAlive({
            clock: SYSTEM_CLOCK,
            intervalMs: options.pingMs,
            ping: () => {
              if (this.#waiting === undefined && this.usable) socket.write('\r\n\r\n')
            },
            dead: () => socket.destroy(),
          })
    let problem: Error | undefined
    socket.setTimeout(options.idleMs, () => socket.destroy())
    socket.on('error', (error) => {
      problem = error
      socket.destroy()
    })
    socket.on('close', () => {
      deadline.stop()
      keepAlive?.stop()
      this.#closed()
      options.onClose(this, problem)
    })
    socket.on('data', (chunk: Buffer) => {
      this.#unproven = undefined
      const items = this.#stream.push(keepAlive?.withoutPong(chunk, !this.#stream.partial) ?? chunk)
      deadline.heard({ completed: items.length > 0, partial: this.#stream.partial })
      for (const item of items) {
        if (item.kind === 'message') options.onMessage(item.bytes, this)
        else if (item.kind === 'ping') socket.write('\r\n')
        else {
          options.onBroken()
          // The parser refuses the head for the same reason, and its answer goes out before the connection ends.
          if (item.head !== undefined) options.onMessage(item.head, this)
          socket.destroySoon()
        }
      }
    })
  }

  get usable(): boolean {
    return !this.socket.destroyed && this.socket.writable
  }

  /** Never throws; `failed` is called at most once. */
  send(bytes: Buffer, failed: () => void): void {
    if (!this.usable || this.socket.writableLength + this.#waitingBytes > WRITE_QUEUE_BYTES_MAX) {
      queueMicrotask(failed)
      return
    }
    if (this.#waiting === undefined) {
      this.#write(bytes, failed)
      return
    }
    if (this.#waiting.length >= UNPROVEN_MAX) {
      queueMicrotask(failed)
      return
    }
    this.#waiting.push({ bytes, failed })
    this.#waitingBytes += bytes.length
  }

  #ready(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    this.#waitingBytes = 0
    for (const { bytes, failed } of waiting) this.#write(bytes, failed)
  }

  #write(bytes: Buffer, failed: () => void): void {
    let told = false
    const once = (): void => {
      if (told) return
      told = true
      failed()
    }
    if (this.#unproven !== undefined && this.#unproven.length < UNPROVEN_MAX) this.#unproven.push(once)
    this.socket.write(bytes, (error) => {
      if (error !== undefined && error !== null) once()
    })
  }

  #closed(): void {
    const waiting = this.#waiting ?? []
    const unproven = this.#unproven ?? []
    this.#waiting = []
    this.#unproven = undefined
    for (const { failed } of waiting) failed()
    for (const failed of unproven) failed()
  }
}
