import { ChannelClient } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import type { Logger } from '../kit/log.ts'
import type { HostPort } from '../wire/configuration.ts'
import { parseSbcToDesk, type DeskToSbc, type OrderRefusal, type SbcToDesk } from '../wire/call-protocol.ts'
import type { BookChange, CallBook } from './call-book.ts'

/** A shorter loss is a reconnect that nobody needs to hear of; longer, the agents are told, well within three seconds. */
const LOST_AFTER_MS = 1_000
/** The sbc proves an interposition or undoes it within 500 ms; this leaves room for a slow rtpengine and its retries. */
const ORDER_DEADLINE_MS = 5_000
const PRUNE_EVERY_MS = 30_000

/** What the agents may order. */
export type Order = Exclude<DeskToSbc, { readonly type: 'calls.watch' }>

/** What an order came to. sbc_timeout: nobody knows, watch the call. */
export type OrderOutcome =
  | { readonly kind: 'done'; readonly windowId: string | null }
  | { readonly kind: 'refused'; readonly code: OrderRefusal | 'sbc_lost' | 'sbc_timeout' }

/** The one user of the channel to the sbc: feeds the call book and carries orders. */
export class SbcLink {
  readonly #book: CallBook
  readonly #logger: Logger
  readonly #changed: (changes: readonly BookChange[]) => void
  readonly #client: ChannelClient<DeskToSbc, SbcToDesk>
  readonly #pruner: NodeJS.Timeout
  readonly #firstCalls: Promise<void>
  #told: () => void = () => undefined
  #lostTimer: NodeJS.Timeout | null = null

  constructor(options: {
    readonly sbc: HostPort
    readonly identity: Identity
    readonly logger: Logger
    readonly book: CallBook
    readonly changed: (changes: readonly BookChange[]) => void
  }) {
    this.#book = options.book
    this.#logger = options.logger
    this.#changed = options.changed
    this.#firstCalls = new Promise((resolve) => (this.#told = resolve))
    this.#client = new ChannelClient<DeskToSbc, SbcToDesk>({
      ...options.sbc,
      identity: options.identity,
      peer: 'sbc',
      parse: parseSbcToDesk,
      message: (message) => this.#take(message),
      opened: () => this.#client.send({ type: 'calls.watch' }),
      closed: () => this.#closed(),
    })
    this.#pruner = setInterval(() => this.#tell(this.#book.prune(Date.now())), PRUNE_EVERY_MS)
  }

  /** Waits until the sbc has told its calls once, at most so long. */
  async waitForCalls(deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([this.#firstCalls, new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)))])
    clearTimeout(timer)
  }

  /** For the audit record. Nobody is told when the sbc is away: the metric has it. */
  tellLoginRefused(): void {
    this.#client.send({ type: 'login.refused' })
  }

  async order(order: Order): Promise<OrderOutcome> {
    const answer = await this.#client.request(order, { deadlineMs: ORDER_DEADLINE_MS })
    if (answer.kind === 'closed') return { kind: 'refused', code: 'sbc_lost' }
    if (answer.kind === 'timeout') return { kind: 'refused', code: 'sbc_timeout' }
    const { message } = answer
    switch (message.type) {
      case 'done':
        return { kind: 'done', windowId: message.windowId }
      case 'refused':
        return { kind: 'refused', code: message.code }
      case 'calls':
      case 'call':
      case 'selftest.report':
      case 'selftest.refused':
      case 'site.state':
      case 'site.reloaded':
      case 'site.refused':
        this.#logger.error({ code: 'reply_not_fitting' }, 'the sbc answered an order with something else')
        return { kind: 'refused', code: 'sbc_timeout' }
    }
  }

  /** Safe to call twice. Orders that wait are answered sbc_lost. */
  close(): void {
    clearInterval(this.#pruner)
    this.#client.close()
    this.#forgetLoss()
  }

  #take(message: SbcToDesk): void {
    switch (message.type) {
      case 'calls':
        this.#forgetLoss()
        this.#logger.info({ count: message.calls.length }, 'the sbc told its calls')
        this.#tell(this.#book.replace(message.calls, Date.now()))
        this.#told()
        return
      case 'call':
        this.#tell(this.#book.put(message.call))
        return
      case 'done':
      case 'refused':
      case 'selftest.report':
      case 'selftest.refused':
      case 'site.state':
      case 'site.reloaded':
      case 'site.refused':
        this.#logger.warn({ code: 'answer_unasked' }, 'the sbc sent an answer that belongs to no order')
    }
  }

  #closed(): void {
    this.#logger.warn({ code: 'sbc_lost' }, 'the channel to the sbc is down')
    this.#lostTimer ??= setTimeout(() => this.#tell(this.#book.lose()), LOST_AFTER_MS)
  }

  #forgetLoss(): void {
    if (this.#lostTimer !== null) clearTimeout(this.#lostTimer)
    this.#lostTimer = null
  }

  #tell(changes: readonly BookChange[]): void {
    if (changes.length > 0) this.#changed(changes)
  }
}
