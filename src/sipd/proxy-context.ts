import type { Application } from './control-server.ts'
import { bestResponse } from './best-response.ts'
import type { Envelope } from './envelope.ts'
import type { Flow } from './flow.ts'
import { copyForTarget, loopDigest, onFlow } from './forwarded-request.ts'
import { continueFields } from './frame-fields.ts'
import { listOf, serialize, valueOf, type Header, type SipRequest, type SipResponse } from './message.ts'
import { newTag } from './dialog.ts'
import { parseNameAddr, withTag } from './name-addr.ts'
import { ProxyBranch } from './proxy-branch.ts'
import { DESTINATIONS_MAX, type ProxyOrder } from './proxy-order.ts'
import type { RecordRoute } from './record-route.ts'
import type { RequestPath } from './request-path.ts'
import { buildResponse } from './response-builder.ts'
import type { SipCore } from './sip-core.ts'
import type { ServerTransaction } from './transaction-server.ts'

export type ProxyContextOptions = {
  readonly request: SipRequest
  readonly envelope: Envelope
  readonly transaction: ServerTransaction
  readonly order: ProxyOrder
  /** Headers that the application adds to what it forwards. */
  readonly given: readonly Header[]
  /** Who hears of the outcome; undefined for a later request of a dialog. */
  readonly listener: { readonly application: Application; readonly frameId: string } | undefined
}

/** The response context of a proxied request (RFC 3261 section 16.7): its branches, and what goes back to the caller. */
export class ProxyContext {
  readonly #core: SipCore
  readonly #path: RequestPath
  readonly #recordRoute: RecordRoute
  readonly #options: ProxyContextOptions
  readonly #branches: ProxyBranch[] = []
  readonly #targets: string[]
  readonly #known: Set<string>
  readonly #failures: SipResponse[] = []
  readonly #invite: boolean
  readonly #loop: string
  /** No further target is tried: the caller cancelled, or a 6xx spoke for all (section 16.7 step 5). */
  #stopped = false
  #final: 'none' | 'success' | 'failure' = 'none'

  constructor(
    core: SipCore,
    tools: { readonly path: RequestPath; readonly recordRoute: RecordRoute },
    options: ProxyContextOptions,
  ) {
    this.#core = core
    this.#path = tools.path
    this.#recordRoute = tools.recordRoute
    this.#options = options
    this.#targets = [...new Set(options.order.destinations)]
    this.#known = new Set(this.#targets)
    this.#invite = options.request.method === 'INVITE'
    this.#loop = loopDigest(options.request)
  }

  start(): void {
    const count = this.#options.order.simultaneous ? this.#targets.length : 1
    // All are there before the first can fail, so that a failure does not count as the last.
    const branches = this.#targets.splice(0, count).map((target) => this.#branchTo(target))
    for (const branch of branches) branch.start()
  }

  /** The caller gave up: all branches are cancelled, and what they answer goes back (section 16.10). */
  cancel(): void {
    this.#stopped = true
    for (const branch of [...this.#branches]) branch.cancel()
  }

  /** Ends everything: the server closes. */
  close(): void {
    this.#stopped = true
    for (const branch of this.#branches) {
      branch.cancel()
      branch.abandon()
    }
    if (this.#final === 'none') this.#answer(this.#local(this.#invite ? 503 : 500))
  }

  #branchTo(target: string): ProxyBranch {
    const { request, transaction, given, order, listener } = this.#options
    const { request: copy, hop } = copyForTarget(request, target, given)
    const branch = new ProxyBranch(this.#core, this.#path, {
      hop,
      build: (flow) => {
        const flows = { from: transaction.flow, to: flow }
        const recordRoute = order.remainInDialog ? this.#recordRoute.entries(copy, flows) : []
        const sent = onFlow(copy, flow, { loop: this.#loop, recordRoute })
        if (this.#invite && listener !== undefined) this.#core.records.attempt('application', serialize(sent.request))
        return sent
      },
      invite: this.#invite,
      provisionalMs: order.provisionalMs,
      finalMs: order.finalMs,
      events: {
        provisional: (response) => {
          if (this.#final === 'none') transaction.respond(response.status, serialize(withoutTopVia(response)))
        },
        success: (response, flow) => this.#succeeded(response, flow),
        failure: (status, answered) => this.#failed(status, answered),
      },
    })
    this.#branches.push(branch)
    return branch
  }

  /** Each 2xx to an INVITE goes back at once, whatever went before; to another request only the first answer counts. */
  #succeeded(response: SipResponse, flow: Flow): void {
    const { transaction, listener } = this.#options
    const bytes = serialize(withoutTopVia(response))
    const before = this.#final
    if (before === 'failure') {
      if (this.#invite) transaction.flow.send(bytes, () => undefined)
      return
    }
    if (before === 'success') {
      if (this.#invite) transaction.respond(response.status, bytes)
      return
    }
    this.#report(response, flow)
    this.#final = 'success'
    this.#stopped = true
    transaction.respond(response.status, bytes)
    for (const branch of this.#branches) if (branch.open) branch.cancel()
    if (this.#invite && listener !== undefined) {
      this.#core.records.start('network', 'proxy-uac', serialize(response))
      this.#core.records.start('application', 'proxy-uas', bytes)
    }
    this.#done()
  }

  #failed(status: number, answered: { readonly response: SipResponse; readonly flow: Flow } | undefined): void {
    if (answered !== undefined) this.#report(answered.response, answered.flow)
    if (this.#final !== 'none') return
    const response = answered?.response ?? this.#local(status)
    if (status >= 600) this.cancel()
    if (status >= 400 || !this.#redirected(response)) this.#failures.push(response)
    this.#goOn()
  }

  #goOn(): void {
    const { simultaneous } = this.#options.order
    const next = simultaneous
      ? this.#targets.splice(0)
      : this.#branches.some(({ open }) => open)
        ? []
        : this.#targets.splice(0, 1)
    const branches = this.#stopped ? [] : next.map((target) => this.#branchTo(target))
    for (const branch of branches) branch.start()
    if (this.#final !== 'none' || branches.length > 0 || this.#branches.some(({ open }) => open)) return
    const best = this.#chosen()
    // That one server is overloaded says nothing about the others (section 16.7 step 6).
    this.#answer(best.status === 503 ? this.#local(500) : withoutTopVia(best))
  }

  /** A call that was cancelled ends so, whatever other targets had said before. */
  #chosen(): SipResponse {
    const cancelled = this.#stopped ? this.#failures.find(({ status }) => status === 487) : undefined
    const refused = this.#failures.some(({ status }) => status >= 600)
    return (refused ? undefined : cancelled) ?? bestResponse(this.#failures) ?? this.#local(408)
  }

  /** True when a 3xx brought at least one new target (section 16.7 step 4). A sips call is not led out of TLS. */
  #redirected(response: SipResponse): boolean {
    if (!this.#options.order.followRedirects || this.#stopped) return false
    const secure = /^sips:/i.test(this.#options.request.uri)
    const found = listOf(response, 'contact')
      .map((contact) => parseNameAddr(contact)?.uri ?? '')
      .filter((uri) => (secure ? /^sips:/i : /^sips?:/i).test(uri) && !this.#known.has(uri))
      .slice(0, DESTINATIONS_MAX - this.#known.size)
    for (const uri of found) {
      this.#known.add(uri)
      this.#targets.push(uri)
    }
    return found.length > 0
  }

  #answer(response: SipResponse): void {
    const { transaction, request, listener } = this.#options
    this.#final = 'failure'
    const bytes = serialize(response)
    // Nobody waits any more for a 408 to another request than INVITE (RFC 4320 section 4.2).
    if (!this.#invite && response.status === 408) transaction.abandon()
    else transaction.respond(response.status, bytes)
    if (request.method === 'INVITE' && listener !== undefined)
      this.#core.records.stop('application', response.status === 487 ? 'call-canceled' : 'call-rejected', bytes)
    this.#done()
  }

  /** An answer of our own to the caller. */
  #local(status: number): SipResponse {
    const { request, envelope } = this.#options
    const to = valueOf(request, 'to') ?? ''
    return buildResponse(request, { status, to: envelope.toTag === '' ? withTag(to, newTag()) : to })
  }

  #report(response: SipResponse, flow: Flow): void {
    const { listener, order } = this.#options
    if (listener === undefined || !order.fullResponse || this.#final !== 'none') return
    const bytes = serialize(response)
    listener.application.reply(listener.frameId, continueFields(bytes.length, flow), bytes)
  }

  #done(): void {
    const { listener } = this.#options
    listener?.application.reply(listener.frameId, ['OK', 'done'])
  }
}

/** Our own Via comes off; that of the caller is then on top (section 16.7 step 3). */
function withoutTopVia(response: SipResponse): SipResponse {
  const [, ...vias] = listOf(response, 'via')
  const rest = response.headers.filter(({ key }) => key !== 'via')
  return { ...response, headers: [...vias.map((value): Header => ({ key: 'via', name: 'Via', value })), ...rest] }
}
