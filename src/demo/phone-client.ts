import { fork, type ChildProcess } from 'node:child_process'
import type {
  AnswerPolicy,
  CallOptions,
  CallOutcome,
  PhoneCommand,
  PhoneEvent,
  PhoneEventName,
  PhoneMessage,
  PhoneOptions,
  PhoneReplies,
  PhoneReport,
  PhoneRequest,
  PressOptions,
  PressOutcome,
  ReinviteOptions,
  RequestOutcome,
} from './phone/phone-protocol.ts'

/** A phone that could not be had, or that did not answer its parent in time. */
export class PhoneError extends Error {
  readonly code: 'address_unavailable' | 'speech_missing' | 'phone_ended' | 'phone_silent' | 'event_missing'

  constructor(code: PhoneError['code']) {
    super(ERROR_TEXTS[code])
    this.name = 'PhoneError'
    this.code = code
  }
}

const ERROR_TEXTS: Readonly<Record<PhoneError['code'], string>> = {
  address_unavailable: 'the telephone cannot bind its address or port',
  speech_missing: 'no speech: install asterisk-core-sounds-en-wav or espeak-ng',
  phone_ended: 'the telephone process ended',
  phone_silent: 'the telephone did not answer in time',
  event_missing: 'what was waited for did not happen on the telephone in time',
}

/** Loading speech and binding ports on a busy machine. */
const START_DEADLINE_MS = 20_000
/** A SIP transaction lasts 32 s at most; this is a little more. */
const REQUEST_DEADLINE_MS = 35_000
/** A report of a long call is some megabytes. */
const REPORT_DEADLINE_MS = 20_000
/** Time beyond the ringing that an unanswered call may take: CANCEL and its answers. */
const CALL_GRACE_MS = 35_000
const RING_MS = 120_000
/** Time that a phone gets to end by itself before it is killed. */
const CLOSE_MS = 2_000
/** Events of one phone that are remembered for until(). */
const EVENTS_MAX = 20_000

/**
 * Starts a telephone in a process of its own, so that no event loop is shared with what it talks to; `within` is a command that
 * runs it somewhere else, such as in a network namespace.
 * Rejects with PhoneError: address_unavailable, speech_missing, phone_ended or phone_silent.
 */
export async function spawnPhone(options: PhoneOptions, within: readonly string[] = []): Promise<Phone> {
  const [execPath = process.execPath, ...execArgv] = within.length === 0 ? [] : [...within, process.execPath]
  const child = fork(new URL('phone/phone-process.ts', import.meta.url), [], {
    execPath,
    execArgv,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Loaders and coverage of the parent would only disturb the clock of the phone.
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
  })
  const link = new PhoneLink(child)
  try {
    const started = await link.ask({ kind: 'start', options }, START_DEADLINE_MS)
    if (started.kind === 'failed') throw new PhoneError(started.code)
    return new Phone(options, started.sipPort, link)
  } catch (error) {
    await link.close()
    throw error
  }
}

/** A telephone in another process. Every method has a deadline; outcomes of the call itself are returned unions. */
export class Phone {
  readonly name: string
  readonly address: string
  readonly sipPort: number
  readonly #link: PhoneLink

  constructor(options: PhoneOptions, sipPort: number, link: PhoneLink) {
    this.name = options.name
    this.address = options.address
    this.sipPort = sipPort
    this.#link = link
  }

  /** Where others call this phone. */
  get uri(): string {
    return `sip:${this.name}@${this.address}:${this.sipPort}`
  }

  get pid(): number | undefined {
    return this.#link.pid
  }

  /** Calls and waits for the final answer. */
  call(options: CallOptions): Promise<CallOutcome> {
    const deadlineMs = (options.ringMs ?? RING_MS) + CALL_GRACE_MS
    return this.#link.ask({ kind: 'call', options }, deadlineMs)
  }

  /** Gives up a call that is not answered yet. */
  cancel(): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'cancel' }, REQUEST_DEADLINE_MS)
  }

  /** How the next calls are taken. */
  answer(policy: AnswerPolicy): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'answer', policy }, REQUEST_DEADLINE_MS)
  }

  speak(on: boolean): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'speak', on }, REQUEST_DEADLINE_MS)
  }

  /** Presses keys one after the other; resolves when the last was let go, with the time of each. */
  press(options: PressOptions): Promise<PressOutcome> {
    const keysMs = options.keys.length * ((options.onMs ?? 100) + (options.offMs ?? 100))
    return this.#link.ask({ kind: 'press', options }, keysMs + REQUEST_DEADLINE_MS)
  }

  /** Hold, resume, change codec or address. */
  reinvite(options: ReinviteOptions): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'reinvite', options }, REQUEST_DEADLINE_MS)
  }

  info(content: { readonly contentType: string; readonly body: string }): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'info', ...content }, REQUEST_DEADLINE_MS)
  }

  /** An OPTIONS outside any call. */
  options(to: string): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'options', to }, REQUEST_DEADLINE_MS)
  }

  hangup(): Promise<RequestOutcome> {
    return this.#link.ask({ kind: 'hangup' }, REQUEST_DEADLINE_MS)
  }

  report(): Promise<PhoneReport> {
    return this.#link.ask({ kind: 'report' }, REPORT_DEADLINE_MS)
  }

  /** Waits until an event has happened for the count-th time since the phone started; rejects event_missing. */
  until(name: PhoneEventName, options: { readonly deadlineMs: number; readonly count?: number }): Promise<PhoneEvent> {
    return this.#link.until(name, options.count ?? 1, options.deadlineMs)
  }

  /** Ends the phone's process. Safe to call twice. */
  close(): Promise<void> {
    return this.#link.close()
  }
}

type Pending = { readonly settle: (reply: unknown) => void; readonly fail: (error: PhoneError) => void }
type Waiter = { readonly name: PhoneEventName; readonly count: number; readonly resolve: (event: PhoneEvent) => void }

/** The parent's end of the channel to one phone process. */
class PhoneLink {
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #events: PhoneEvent[] = []
  readonly #waiters = new Set<Waiter>()
  readonly #ended: Promise<void>
  #nextId = 1
  #over = false

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message: PhoneMessage) => this.#receive(message))
    child.on('error', () => undefined)
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        this.#over = true
        for (const { fail } of this.#pending.values()) fail(new PhoneError('phone_ended'))
        resolve()
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  ask<Command extends PhoneCommand>(command: Command, deadlineMs: number): Promise<PhoneReplies[Command['kind']]> {
    if (this.#over) return Promise.reject(new PhoneError('phone_ended'))
    const id = this.#nextId
    this.#nextId += 1
    const request: PhoneRequest = { id, command }
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#pending.delete(id)
      }
      const fail = (error: PhoneError): void => {
        finish()
        reject(error)
      }
      const timer = setTimeout(() => fail(new PhoneError('phone_silent')), deadlineMs)
      this.#pending.set(id, {
        settle: (reply) => {
          finish()
          // The phone answers each kind of command with its own reply: PhoneReplies is that contract.
          resolve(reply as PhoneReplies[Command['kind']])
        },
        fail,
      })
      this.#child.send(request, (error) => {
        if (error !== null) fail(new PhoneError('phone_ended'))
      })
    })
  }

  until(name: PhoneEventName, count: number, deadlineMs: number): Promise<PhoneEvent> {
    const past = this.#events.filter((event) => event.name === name)[count - 1]
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new PhoneError('event_missing'))
      }, deadlineMs)
      const waiter: Waiter = {
        name,
        count,
        resolve: (event) => {
          clearTimeout(timer)
          this.#waiters.delete(waiter)
          resolve(event)
        },
      }
      this.#waiters.add(waiter)
    })
  }

  async close(): Promise<void> {
    if (!this.#over) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS)
      if (this.#child.connected) this.#child.disconnect()
      await this.#ended
      clearTimeout(timer)
    }
  }

  #receive(message: PhoneMessage): void {
    if (message.kind === 'reply') {
      this.#pending.get(message.id)?.settle(message.reply)
      return
    }
    if (this.#events.length < EVENTS_MAX) this.#events.push(message.event)
    for (const waiter of this.#waiters) {
      const seen = this.#events.filter((event) => event.name === waiter.name)[waiter.count - 1]
      if (seen !== undefined) waiter.resolve(seen)
    }
  }
}
