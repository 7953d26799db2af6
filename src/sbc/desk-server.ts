import { listenChannel, type ChannelRefusal, type Channel, type ChannelListener, type Reply } from '../kit/channel.ts'
import type { Identity, Role } from '../kit/identity.ts'
import { errorFields, type Logger } from '../kit/log.ts'
import type { RefusedPeer } from '../kit/refusals.ts'
import { parseDeskToSbc, type DeskToSbc, type OrderRefusal, type SbcToDesk } from '../wire/call-protocol.ts'
import { parseOperatorToSbc, type OperatorToSbc, type SbcToOperator } from '../wire/operator-protocol.ts'
import { parseSipdToSbc, type SbcToSipd, type SipdToSbc } from '../wire/trace-protocol.ts'
import { siteOrderShape, type SiteOrder } from '../wire/site-protocol.ts'
import type { Call } from './call.ts'
import type { Act } from './audit-reports.ts'
import type { CallDirectory } from './call-directory.ts'
import type { OperatorAnswers, SipdChannel } from './operator-answers.ts'
import { OperatorReads } from './operator-reads.ts'
import type { SelfTestSchedule } from './self-test-schedule.ts'
import type { SiteOrders } from './site-orders.ts'

/** A call takes about 700 bytes of a frame, which holds a megabyte; calls beyond these follow one by one. */
const CALLS_IN_SNAPSHOT_MAX = 500

/** The release, and the whole configuration as JSON, which only whoever runs this process knows. */
export type RunningSite = { readonly version: string; readonly configuration: string }

type CallOrder = Exclude<DeskToSbc, { type: 'calls.watch' | 'selftest.run' | 'login.refused' } | SiteOrder>

type Told = SbcToOperator | SbcToSipd
type Heard = OperatorToSbc | SipdToSbc

/** What a peer of each role may say. */
const PARSERS = { desk: parseDeskToSbc, operator: parseOperatorToSbc, sipd: parseSipdToSbc } as const

/** Shows desks the calls, and takes their orders; operators may have guards tested, see calls and their traces. */
export class DeskServer {
  readonly #watchers = new Set<Channel<Told, Heard>>()
  readonly #directory: CallDirectory
  readonly #selfTests: Pick<SelfTestSchedule, 'now'>
  readonly #site: Pick<SiteOrders, 'answer'> | undefined
  readonly #operators: OperatorAnswers
  readonly #running: (() => RunningSite | null) | undefined
  readonly #report: (act: Act) => void
  readonly #reads: OperatorReads
  #listener: ChannelListener | null = null

  constructor(options: {
    readonly directory: CallDirectory
    readonly selfTests: Pick<SelfTestSchedule, 'now'>
    readonly operators: OperatorAnswers
    /** Without it no orders of that kind are taken. */
    readonly site?: Pick<SiteOrders, 'answer'>
    /** What operators are shown of the site as it runs. */
    readonly running?: () => RunningSite | null
    /** For the audit record; nowhere when left out. */
    readonly report?: (act: Act) => void
  }) {
    this.#report = options.report ?? (() => undefined)
    this.#reads = new OperatorReads({ report: this.#report, nowMs: () => performance.now() })
    this.#directory = options.directory
    this.#selfTests = options.selfTests
    this.#site = options.site
    this.#running = options.running
    this.#operators = options.operators
  }

  /** Rejects with the system's error when the port is taken. */
  async listen(options: {
    readonly host: string
    readonly port: number
    readonly identity: Identity
    readonly logger: Logger
    readonly refused?: (code: ChannelRefusal) => void
    readonly record?: (refused: RefusedPeer<ChannelRefusal>) => void
  }): Promise<void> {
    this.#listener = await listenChannel<Told, Heard>({
      ...options,
      allow: ['desk', 'operator', 'sipd'],
      accept: (peer) => {
        let channel: Channel<Told, Heard> | null = null
        let asked: SipdChannel | null = null
        return {
          parse: peer === 'operator' || peer === 'sipd' ? PARSERS[peer] : PARSERS.desk,
          opened: (opened) => {
            channel = opened
            if (peer !== 'sipd') return
            asked = sipdChannel(opened)
            this.#operators.add(asked)
          },
          message: (message, _body, reply) => {
            if (message.type === 'calls.watch') {
              if (channel !== null) this.#watchers.add(channel)
              const calls = this.#directory.views()
              // Not a reply, which a desk would read after the changes that came in the same piece.
              channel?.send({ type: 'calls', calls: calls.slice(0, CALLS_IN_SNAPSHOT_MAX) })
              for (const call of calls.slice(CALLS_IN_SNAPSHOT_MAX)) channel?.send({ type: 'call', call })
            } else if (message.type === 'login.refused') {
              this.#report({ event: 'login_failed', cause: 'token_refused', by: 'desk' })
            } else if (message.type === 'selftest.run') void this.#test(message.guard, peer, reply)
            else if (isSiteOrder(message)) void this.#answerSite(message, peer, reply)
            else if (message.type === 'calls.list' || message.type === 'call.trace') {
              this.#reads.note(message.type === 'calls.list' ? 'calls' : 'trace')
              void this.#operators.answer(message).then(reply)
            } else if (message.type === 'site.configuration') this.#show(reply)
            // sipd answers questions, and says nothing by itself.
            else if (message.type !== 'trace.messages')
              this.#order(message, reply).catch((error: unknown) => {
                options.logger.error({ code: 'order_failed', ...errorFields(error) }, 'an order could not be handled')
                reply({ type: 'refused', code: 'media_unavailable' })
              })
          },
          closed: () => {
            if (channel !== null) this.#watchers.delete(channel)
            if (asked !== null) this.#operators.remove(asked)
          },
        }
      },
    })
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  tell(call: Call): void {
    const message: SbcToDesk = { type: 'call', call: call.view() }
    for (const watcher of this.#watchers) watcher.send(message)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }

  async #test(guard: string | null, peer: Role, reply: Reply<SbcToDesk>): Promise<void> {
    if (peer !== 'operator') {
      this.#report({ event: 'administrator_act', cause: 'not_operator', by: 'desk' })
      return reply({ type: 'selftest.refused', code: 'not_operator' })
    }
    this.#report({ event: 'administrator_act', cause: 'self_test', by: 'operator' })
    const results = await this.#selfTests.now(guard)
    if (typeof results === 'string') reply({ type: 'selftest.refused', code: results })
    else reply({ type: 'selftest.report', results })
  }

  #show(reply: Reply<Told>): void {
    this.#reads.note('configuration')
    const running = this.#running?.() ?? null
    if (running === null) reply({ type: 'operator.refused', code: 'no_answer' })
    else reply({ type: 'site.configuration.report', version: running.version }, Buffer.from(running.configuration))
  }

  async #answerSite(order: SiteOrder, peer: Role, reply: Reply<SbcToDesk>): Promise<void> {
    if (peer !== 'operator' || this.#site === undefined)
      return reply({ type: 'site.refused', code: 'not_operator', texts: [] })
    reply(await this.#site.answer(order))
  }

  async #order(message: CallOrder, reply: Reply<SbcToDesk>): Promise<void> {
    const call = this.#directory.find(message.callId)
    if (call === null) {
      reply({ type: 'refused', code: 'unknown_call' })
      return
    }
    const refusal = await carryOut(call, message)
    if (refusal === null) reply({ type: 'done', callId: message.callId, windowId: call.payment?.windowId ?? null })
    else reply({ type: 'refused', code: refusal })
  }
}

/** The channel to a sipd, which can only send what it is asked for: its parser lets nothing else through. */
function sipdChannel(channel: Channel<Told, Heard>): SipdChannel {
  return {
    request: async (question, options) => {
      const answer = await channel.request(question, options)
      if (answer.kind !== 'reply') return answer
      const { message, body } = answer
      return message.type === 'trace.messages' ? { kind: 'reply', message, body } : { kind: 'closed' }
    },
  }
}

/** Its type says what it is; the whole shape was checked when it came in. */
function isSiteOrder(message: { readonly type: string }): message is SiteOrder {
  return siteOrderShape(message)
}

async function carryOut(call: Call, message: CallOrder): Promise<OrderRefusal | null> {
  switch (message.type) {
    case 'window.open': {
      const result = await call.openWindow({ form: message.form, masking: message.masking })
      return result.kind === 'open' ? null : result.code
    }
    case 'window.clear':
      return call.clearField(message.field)
    case 'window.cancel':
      return call.cancelWindow()
  }
}
