import { createSocket, type Socket } from 'node:dgram'

/** How often the port is knocked at. */
const KNOCK_EVERY_MS = 150
/** After a refusal the next knock comes sooner: one refusal can be a process that is just opening its port. */
const KNOCK_AGAIN_MS = 40
/** So many refusals in a row, with no answer between, and nobody is behind the port any more. */
const REFUSALS_MAX = 2

/**
 * Notices at once that an rtpengine's process is gone: its host refuses what is sent to a port that nobody has open
 * (RFC 1122 section 4.1.3.1). The ng protocol's own socket is not connected, so it would never hear of it. A host that is
 * gone, or a process that hangs, refuses nothing; for those, unanswered questions are counted elsewhere.
 */
export class EngineProbe {
  readonly #socket: Socket
  readonly #gone: () => void
  readonly #knock: Buffer
  #timer: NodeJS.Timeout | null = null
  #refusals = 0
  #closed = false

  constructor(options: {
    readonly host: string
    readonly port: number
    /** Called for each time that the port is found shut, again and again while it is. */
    readonly gone: () => void
  }) {
    this.#gone = options.gone
    // A cookie, a blank and a bencoded dictionary; the daemon may answer from its memory, which is as good.
    this.#knock = Buffer.from(`${options.port}-knock d7:command4:pinge`)
    this.#socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4')
    this.#socket.unref()
    this.#socket.on('message', () => {
      this.#refusals = 0
    })
    this.#socket.on('error', (error) => this.#failed(error))
    this.#socket.connect(options.port, options.host, () => this.#again(0))
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#socket.close()
  }

  #again(afterMs: number): void {
    if (this.#closed) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#again(KNOCK_EVERY_MS)
      this.#socket.send(this.#knock, (error) => {
        if (error !== null) this.#failed(error)
      })
    }, afterMs).unref()
  }

  #failed(error: Error): void {
    if (this.#closed || !('code' in error) || error.code !== 'ECONNREFUSED') return
    this.#refusals += 1
    if (this.#refusals < REFUSALS_MAX) return this.#again(KNOCK_AGAIN_MS)
    this.#refusals = 0
    this.#gone()
  }
}
