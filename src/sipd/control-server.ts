import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { FrameDecoder, formatFrame, parseFrame, type ApplicationFrame } from './control-frame.ts'
import type { Address } from './flow.ts'
import { ListenError } from './transports.ts'

/** A connection that has not said its secret by then is closed. */
const AUTHENTICATION_MS = 5_000

/** Bytes that may wait for an application that does not read; more means that it hangs. */
const WRITE_QUEUE_BYTES_MAX = 16 * 1024 * 1024

/** Verbs that one application may ask for: the SIP methods and three call records. */
const ROUTES_MAX = 32

/** The protocol version announced: drachtio-srf pings servers from v0.8.2 on, and expects nothing newer than this gives. */
const SERVED_VERSION = 'v0.9.10'

export type ApplicationRequest = Extract<ApplicationFrame, { kind: 'sip' | 'proxy' }>

/** One authenticated application: where its requests are answered and network messages go. */
export class Application {
  readonly #socket: Socket
  readonly #routes = new Set<string>()
  readonly #unsent: Buffer[] = []
  #unsentBytes = 0
  #gone = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** True from the moment that its connection is lost. */
  get gone(): boolean {
    return this.#gone
  }

  serves(verb: string): boolean {
    return this.#routes.has(verb)
  }

  route(verb: string): boolean {
    if (this.#routes.size === ROUTES_MAX) return this.#routes.has(verb)
    this.#routes.add(verb)
    return true
  }

  removeRoute(verb: string): void {
    this.#routes.delete(verb)
  }

  /** Answers a frame of the application: `OK` or `NOK` and what follows it. */
  reply(messageId: string, fields: readonly string[], sip?: Buffer): void {
    this.#send(['response', messageId, ...fields], sip)
  }

  /** A message that the application did not ask for. */
  push(fields: readonly string[], sip: Buffer): void {
    this.#send(fields, sip)
  }

  lose(): void {
    this.#gone = true
    this.#routes.clear()
  }

  /** Writes what waits. Called at the end of each turn of the event loop, and before a connection is closed. */
  flush(): void {
    if (this.#unsent.length === 0) return
    const bytes = this.#unsent.length === 1 ? this.#unsent[0] : Buffer.concat(this.#unsent, this.#unsentBytes)
    this.#unsent.length = 0
    this.#unsentBytes = 0
    if (bytes !== undefined && !this.#socket.destroyed) this.#socket.write(bytes)
  }

  /**
   * Frames of one turn of the event loop go out together: each write is a system call that wakes the application, which
   * under load was a third of a profile by wall time.
   */
  #send(fields: readonly string[], sip: Buffer | undefined): void {
    if (this.#gone) return
    if (this.#unsent.length === 0) setImmediate(() => this.flush())
    const frame = formatFrame([randomUUID(), ...fields], sip)
    this.#unsent.push(frame)
    this.#unsentBytes += frame.length
    if (this.#socket.writableLength + this.#unsentBytes > WRITE_QUEUE_BYTES_MAX) this.#socket.destroy()
  }
}

export type ControlEvents = {
  request(application: Application, frame: ApplicationRequest): void
  /** The connection is lost; its dialogs are not ended yet. */
  gone(application: Application): void
  /** A frame or a stream that is not the protocol. */
  malformed(): void
}

type ControlOptions = {
  readonly secret: string
  /** The listening SIP addresses as the protocol writes them. */
  readonly hostPorts: () => string
  readonly applicationsMax: number
  readonly events: ControlEvents
}

/** The server side of drachtio's control protocol: connections, the secret, and who wants which verb. */
export class ControlServer {
  readonly address: Address
  readonly #server: Server
  readonly #options: ControlOptions
  readonly #sockets = new Set<Socket>()
  readonly #applications: Application[] = []
  #turn = 0
  #resting = false

  private constructor(server: Server, address: Address, options: ControlOptions) {
    this.#server = server
    this.address = address
    this.#options = options
    server.on('connection', (socket) => this.#accept(socket))
  }

  static open(options: { readonly host: string; readonly port: number } & ControlOptions): Promise<ControlServer> {
    const server = createServer({ noDelay: true, keepAlive: true })
    server.maxConnections = options.applicationsMax
    return new Promise((resolve, reject) => {
      const refuse = (error: Error): void =>
        reject(new ListenError(error, 'control', { host: options.host, port: options.port }))
      server.once('error', refuse)
      server.listen({ host: options.host, port: options.port, exclusive: true }, () => {
        server.off('error', refuse)
        server.on('error', () => options.events.malformed())
        const bound = server.address()
        resolve(
          new ControlServer(
            server,
            bound === null || typeof bound === 'string' ? options : { host: bound.address, port: bound.port },
            options,
          ),
        )
      })
    })
  }

  get applications(): number {
    return this.#applications.length
  }

  /** The next application, in turn, that asked for this verb. */
  choose(verb: string): Application | undefined {
    if (this.#resting) return undefined
    for (let tries = 0; tries < this.#applications.length; tries += 1) {
      this.#turn = (this.#turn + 1) % this.#applications.length
      const application = this.#applications[this.#turn]
      if (application?.serves(verb) === true) return application
    }
    return undefined
  }

  /** No application gets new requests any more; what it has, it may finish. */
  rest(): void {
    this.#resting = true
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const application of this.#applications) application.flush()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #accept(socket: Socket): void {
    const decoder = new FrameDecoder()
    const connection: { application: Application | undefined } = { application: undefined }
    const silent = setTimeout(() => socket.destroy(), AUTHENTICATION_MS)
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(silent)
      this.#sockets.delete(socket)
      if (connection.application !== undefined) this.#lose(connection.application)
    })
    socket.on('data', (chunk: Buffer) => {
      for (const bytes of decoder.push(chunk)) {
        if (socket.destroyed) return
        const frame = bytes === 'broken' ? undefined : parseFrame(bytes)
        if (frame === undefined) {
          this.#options.events.malformed()
          socket.destroy()
          return
        }
        if (connection.application !== undefined) this.#handle(connection.application, frame)
        else {
          connection.application = this.#authenticate(socket, frame)
          if (connection.application !== undefined) clearTimeout(silent)
        }
      }
    })
  }

  #authenticate(socket: Socket, frame: ApplicationFrame): Application | undefined {
    const application = new Application(socket)
    if (frame.kind !== 'authenticate') {
      application.reply(frame.id, ['NO', 'not authenticated'])
      return undefined
    }
    if (!sameSecret(frame.secret, this.#options.secret)) {
      application.reply(frame.id, ['NO', 'incorrect secret'])
      application.flush()
      socket.destroySoon()
      return undefined
    }
    this.#applications.push(application)
    const hostPorts = this.#options.hostPorts()
    application.reply(frame.id, ['OK', hostPorts, SERVED_VERSION, hostPorts])
    return application
  }

  #handle(application: Application, frame: ApplicationFrame): void {
    switch (frame.kind) {
      case 'authenticate':
        application.reply(frame.id, ['NOK', 'Server error: already authenticated'])
        break
      case 'route':
        application.reply(frame.id, application.route(frame.verb) ? ['OK'] : ['NOK', 'Server error: too many routes'])
        break
      case 'remove_route':
        application.removeRoute(frame.verb)
        application.reply(frame.id, ['OK'])
        break
      case 'ping':
        application.reply(frame.id, ['OK', 'pong'])
        break
      case 'sip':
      case 'proxy':
        this.#options.events.request(application, frame)
        break
      case 'unknown':
        application.reply(frame.id, ['NOK', 'Server error: unknown message type'])
        break
    }
  }

  #lose(application: Application): void {
    const index = this.#applications.indexOf(application)
    if (index !== -1) this.#applications.splice(index, 1)
    application.lose()
    this.#options.events.gone(application)
  }
}

/** Compares digests of equal length, so that neither content nor length of the secret shows in the time taken. */
function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}
