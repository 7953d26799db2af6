import { createRequire } from 'node:module'
import type { Socket } from 'node:dgram'
import { errorFields, type Logger } from '../kit/log.ts'

/**
 * The one door to rtpengine-client, and so to rtpengine's ng protocol over UDP.
 *
 * The library sends a request once. A lost datagram would cost the whole deadline, so this file sends the same bytes,
 * cookie included, again: rtpengine answers a cookie that it has seen from its memory and does nothing twice.
 */
export type NgCommand = 'offer' | 'answer' | 'delete' | 'query' | 'ping' | 'list' | 'statistics'
export type NgRequest = Readonly<Record<string, unknown>>
export type NgReply = Readonly<Record<string, unknown>>

/** ok: the daemon did it. refused: it answered with an error. silent: no answer before the deadline. */
export type NgResult =
  | { readonly kind: 'ok'; readonly reply: NgReply }
  | { readonly kind: 'refused'; readonly unknownCall: boolean }
  | { readonly kind: 'silent' }

/** When an unanswered datagram is sent again, counted from the first. A local daemon answers within 3 ms. */
const RESEND_AFTER_MS = [40, 120, 280, 600, 1_200] as const
/** Requests under way; beyond it the daemon is not keeping up and more would not help. */
const PENDING_MAX = 4_000
/** rtpengine-client needs a timeout of its own, else a request without an answer stays in its table for ever. */
const LIBRARY_TIMEOUT_MS = 10_000

type NgClient = {
  readonly socket: Socket
  on(event: 'error', listener: (error: unknown) => void): void
  close(): void
} & { readonly [Command in NgCommand]: (port: number, host: string, request: NgRequest) => Promise<NgReply> }

const library = createRequire(import.meta.url)('rtpengine-client') as {
  readonly Client: new (options: { readonly timeout: number; readonly rejectOnError: boolean }) => NgClient
}

export class RtpengineControl {
  readonly host: string
  readonly port: number
  readonly #client: NgClient
  readonly #logger: Logger
  /** What each waiting request does when it is given up. */
  readonly #pending = new Set<() => void>()
  /** The resends of the request that is being handed to the library, which calls the socket at once. */
  #resends: NodeJS.Timeout[] = []
  #closed = false
  #heardMs = Number.NEGATIVE_INFINITY

  constructor(options: { readonly host: string; readonly port: number; readonly logger: Logger }) {
    this.host = options.host
    this.port = options.port
    this.#logger = options.logger
    this.#client = new library.Client({ timeout: LIBRARY_TIMEOUT_MS, rejectOnError: true })
    // A late reply and a socket error arrive here; unheard, they would end the process.
    this.#client.on('error', (error) =>
      options.logger.debug(errorFields(error), 'rtpengine control: late or unusable datagram'),
    )
    this.#client.socket.on('message', () => {
      this.#heardMs = performance.now()
    })
    this.#resendUnanswered()
  }

  /** When a datagram came from there last, as performance.now() counts, in time or not. */
  get heardMs(): number {
    return this.#heardMs
  }

  /**
   * Sends one command and waits for its answer, at most deadlineMs. Never rejects. After the deadline nothing is sent
   * again: a close offer that arrived when its sender had already given it up would unmask a call.
   */
  async request(command: NgCommand, request: NgRequest, options: { readonly deadlineMs: number }): Promise<NgResult> {
    if (this.#closed || this.#pending.size >= PENDING_MAX) return { kind: 'silent' }
    let timer: NodeJS.Timeout | undefined
    let giveUp = (): void => undefined
    const deadline = new Promise<NgResult>((resolve) => {
      giveUp = () => resolve({ kind: 'silent' })
      timer = setTimeout(giveUp, options.deadlineMs)
    })
    this.#pending.add(giveUp)
    this.#resends = []
    const answer = this.#client[command](this.port, this.host, request).then(
      (reply): NgResult => (reply['result'] === 'error' ? refusal(reply['error-reason']) : { kind: 'ok', reply }),
      (reason: unknown): NgResult => (typeof reason === 'string' ? refusal(reason) : { kind: 'silent' }),
    )
    const resends = this.#resends
    try {
      const result = await Promise.race([answer, deadline])
      this.#warn(command, result, options.deadlineMs)
      return result
    } finally {
      clearTimeout(timer)
      for (const resend of resends) clearTimeout(resend)
      this.#pending.delete(giveUp)
    }
  }

  /** The daemon is known to be dead: what is pending is answered 'silent' now. */
  giveUp(): void {
    for (const giveUp of [...this.#pending]) giveUp()
  }

  /** Ends the socket; what is pending is answered 'silent'. Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.giveUp()
    this.#client.close()
  }

  /** An offer or answer that fails costs the call, or its window: whoever looks for the reason finds it here. */
  #warn(command: NgCommand, result: NgResult, deadlineMs: number): void {
    if (this.#closed || result.kind === 'ok' || (command !== 'offer' && command !== 'answer')) return
    if (result.kind === 'silent')
      this.#logger.warn(
        { code: 'rtpengine_silent', method: command, port: this.port, durationMs: deadlineMs },
        'rtpengine did not answer in time: is it overloaded, or is the machine?',
      )
    else if (!result.unknownCall)
      this.#logger.warn(
        { code: 'rtpengine_refused', method: command, port: this.port },
        'rtpengine refused an offer or answer: are its media ports used up?',
      )
  }

  #resendUnanswered(): void {
    const { socket } = this.#client
    const send = socket.send.bind(socket) as (
      datagram: Buffer | readonly Buffer[],
      port: number,
      host: string,
      callback?: (error: Error | null) => void,
    ) => void
    const resending = (
      datagram: Buffer | readonly Buffer[],
      port: number,
      host: string,
      callback?: (error: Error | null) => void,
    ): void => {
      // A list is a datagram that Node kept until the socket was bound: its resends are under way already.
      if (!Buffer.isBuffer(datagram)) return send(datagram, port, host, callback)
      for (const afterMs of RESEND_AFTER_MS) {
        this.#resends.push(
          setTimeout(() => {
            if (!this.#closed) send(datagram, port, host)
          }, afterMs),
        )
      }
      send(datagram, port, host, callback)
    }
    Object.assign(socket, { send: resending })
  }
}

function refusal(reason: unknown): NgResult {
  return { kind: 'refused', unknownCall: typeof reason === 'string' && /unknown call-?id/i.test(reason) }
}
