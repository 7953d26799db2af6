import { createHash } from 'node:crypto'
import { errorFields } from '../kit/log.ts'
import type { Application, ApplicationRequest } from './control-server.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Dialog } from './dialog.ts'
import { openEnvelope, type Envelope } from './envelope.ts'
import type { Flow } from './flow.ts'
import { networkFields } from './frame-fields.ts'
import { parseMessage, type RefusalCode } from './message-parser.ts'
import { header, listOf, serialize, valueOf, type Header, type SipMessage, type SipRequest } from './message.ts'
import { parseNameAddr, withTag } from './name-addr.ts'
import { defaultPort } from './next-hop.ts'
import { Proxies } from './proxies.ts'
import { replyFlow } from './reply-flow.ts'
import { bareRequest, insideDialog } from './outgoing-request.ts'
import { requestFault } from './request-rules.ts'
import { buildResponse } from './response-builder.ts'
import { SessionKeeper } from './session-keeper.ts'
import type { SipCore } from './sip-core.ts'
import type { SipdMetrics } from './sipd-metrics.ts'
import { UserAgentClient } from './user-agent-client.ts'
import { UserAgentServer } from './user-agent-server.ts'
import { parseVia, stampVia } from './via.ts'

const OVER_A_LIMIT = new Set<RefusalCode>(['head_too_long', 'header_too_long', 'headers_too_many', 'body_too_long'])

/** 64 bits: a tag has at least 32 (RFC 3261 section 19.3). */
const TAG_DIGITS = 16

/** The SIP user agent that applications drive: sorts what comes from both sides, ends what is left behind. */
export class SipAgent {
  readonly #core: SipCore
  readonly #metrics: SipdMetrics
  readonly #server: UserAgentServer
  readonly #client: UserAgentClient
  readonly #proxies: Proxies
  readonly #graceMs: number
  #closing = false

  constructor(core: SipCore, options: { readonly metrics: SipdMetrics; readonly graceMs: number }) {
    this.#core = core
    this.#metrics = options.metrics
    this.#graceMs = options.graceMs
    const sessions = new SessionKeeper(core, {
      expired: (group) => this.#endByItself(group, 'Session timer expired'),
    })
    this.#client = new UserAgentClient(core, sessions)
    this.#server = new UserAgentServer(core, sessions, {
      ackTimeout: (group) => this.#endByItself(group, 'ACK timeout'),
      answeredTooLate: (group, reason) => this.#tellEnded(group, byeOf(group.active, reason)),
      limited: (limit) => this.#metrics.limited(limit),
    })
    this.#proxies = new Proxies(core, (application, transactionId) => this.#server.take(application, transactionId))
  }

  /** Bytes of one message from the network. Never throws: one message must not end the calls of all others. */
  fromNetwork(bytes: Buffer, flow: Flow): void {
    try {
      this.#sort(bytes, flow)
    } catch (error) {
      this.#metrics.fault()
      this.#core.logger.error({ transport: flow.transport, ...errorFields(error) }, 'a message could not be handled')
    }
  }

  #sort(bytes: Buffer, flow: Flow): void {
    const parsed = parseMessage(bytes)
    if (parsed.kind === 'keep_alive') return
    const { admission } = this.#core
    const isStranger = admission?.dropsSource(flow.remote.host) ?? false
    if (parsed.kind === 'refused') {
      if (isStranger) return admission?.drop('stranger', flow.remote.host)
      this.#metrics.malformed(flow.transport)
      if (OVER_A_LIMIT.has(parsed.code)) this.#metrics.limited('message')
      this.#answerMalformed(parsed.partial, flow, statusOf(parsed.code))
      return
    }
    const { message } = parsed
    const envelope = openEnvelope(message)
    if (admission !== undefined && message.kind === 'request') {
      if (isStranger && !this.#isOfCall(envelope)) return admission.drop('stranger', flow.remote.host)
      if (admission.dropsProgram(valueOf(message, 'user-agent'))) return admission.drop('scanner', flow.remote.host)
    }
    if (typeof envelope === 'string') {
      this.#metrics.malformed(flow.transport)
      this.#answerMalformed(message, flow, 400)
      return
    }
    this.#metrics.received(flow.transport, message)
    if (message.kind === 'response') this.#client.receive(message, this.#core.transactions.client(envelope))
    else {
      const fault = requestFault(message)
      if (fault === undefined) this.#request(message, envelope, flow, bytes.length)
      else this.#answerMalformed(message, flow, fault.status, fault.headers)
    }
  }

  /** In a dialog of ours a peer may send from another address than the one that we called. */
  #isOfCall(envelope: Envelope | string): boolean {
    return typeof envelope !== 'string' && this.#core.dialogs.byLocalTag(envelope.callId, envelope.toTag) !== undefined
  }

  /** A sip or proxy frame of an application. */
  fromApplication(application: Application, frame: ApplicationRequest): void {
    const parsed = parseMessage(frame.sip, 'rest')
    if (parsed.kind !== 'message') {
      this.#metrics.malformed('control')
      application.reply(frame.id, ['NOK', 'Server error: invalid SIP message'])
      return
    }
    if (frame.kind === 'proxy') {
      if (parsed.message.kind === 'request') this.#proxies.order(application, frame, parsed.message)
      else application.reply(frame.id, ['NOK', 'Server error: invalid SIP message'])
    } else if (parsed.message.kind === 'response') this.#server.respond(application, frame, parsed.message)
    else this.#client.send(application, frame, parsed.message)
  }

  /** The application's connection is lost: what it left unfinished is ended after the grace. */
  applicationGone(application: Application): void {
    if (this.#closing) return
    this.#core.logger.warn({ delayMs: this.#graceMs }, 'an application is gone; its calls end after the grace')
    this.#server.release(application, 'others')
    this.#core.clock.after(this.#graceMs, () => {
      this.#server.release(application, 'invites')
      this.#client.release(application)
      for (const group of this.#core.dialogs.all())
        if (group.application === application) this.#client.end(group, 'Application lost')
    })
  }

  /** Ends every call and waits for the answers, but not longer than `closeMs`. */
  async close(): Promise<void> {
    this.#closing = true
    this.#core.control.rest()
    this.#server.releaseAll()
    this.#proxies.close()
    this.#client.cancelAll()
    for (const group of this.#core.dialogs.all()) this.#client.end(group, 'Server shutdown')
    let expired: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      expired = setTimeout(resolve, this.#core.limits.closeMs)
    })
    await Promise.race([this.#client.settled(), deadline])
    clearTimeout(expired)
    this.#core.transactions.abandonAll()
  }

  #request(request: SipRequest, envelope: Envelope, flow: Flow, bytes: number): void {
    if (envelope.via.parameters.has('alias')) flow.alias?.(envelope.via.port ?? defaultPort(flow.transport))
    const { request: routed, proxied } = this.#proxies.recordRoute.strip(stampTopVia(request, flow))
    const reply = replyFlow(this.#core, flow, envelope.via)
    if (!this.#proxies.receive(routed, envelope, { flow: reply, proxied }))
      this.#server.receive(routed, envelope, { flow: reply, bytes })
  }

  /** A request that can be answered at all hears what was wrong; anything else is only counted. */
  #answerMalformed(partial: SipMessage | undefined, flow: Flow, status: number, headers: readonly Header[] = []): void {
    if (partial?.kind !== 'request' || partial.method === 'ACK') return
    const top = listOf(partial, 'via')[0]
    const via = top === undefined ? undefined : parseVia(top)
    if (via === undefined) return
    const stamped = stampTopVia(partial, flow)
    const readable = stamped.headers.filter(({ key, value }) => key !== 'via' || parseVia(value) !== undefined)
    const bytes = serialize(
      buildResponse({ ...stamped, headers: readable }, { status, headers, ...statelessTo(partial) }),
    )
    replyFlow(this.#core, flow, via).send(bytes, () => undefined)
  }

  /** A dialog that the server itself ends: BYE to the peer, and the application is told by the same BYE. */
  #endByItself(group: DialogGroup, reason: string): void {
    const bye = this.#client.end(group, reason)
    if (bye !== undefined) this.#tellEnded(group, bye)
  }

  #tellEnded(group: DialogGroup, bye: SipRequest): void {
    const bytes = serialize(bye)
    group.application.push(
      networkFields({
        source: 'application',
        bytes: bytes.length,
        flow: group.active.flow,
        transactionId: 'unsolicited',
        dialogId: group.id,
      }),
      bytes,
    )
  }
}

/** A BYE for the application alone: its peer never had the 2xx that it believes to have sent. */
function byeOf(dialog: Dialog, reason: string): SipRequest {
  const given = bareRequest('BYE', [header('Reason', `SIP;cause=200;text="${reason}"`)])
  return insideDialog(dialog, given, { flow: dialog.flow, contentType: [] }).request
}

function statusOf(code: RefusalCode): number {
  if (code === 'version') return 505
  if (code === 'body_too_long') return 413
  return code === 'header_too_long' || code === 'headers_too_many' ? 513 : 400
}

/** To with a tag that every repetition of the request gets again, since nothing is remembered (RFC 3261 section 8.2.7). */
function statelessTo(request: SipRequest): { readonly to?: string } {
  const to = valueOf(request, 'to')
  const parsed = to === undefined ? undefined : parseNameAddr(to)
  if (to === undefined || parsed === undefined || parsed.parameters.has('tag')) return {}
  const identity = ['via', 'call-id', 'cseq', 'from'].map((key) => valueOf(request, key) ?? '').join('\n')
  return { to: withTag(to, createHash('sha256').update(identity, 'latin1').digest('hex').slice(0, TAG_DIGITS)) }
}

/** Writes received and rport into the first Via value; the others stay as they are. */
function stampTopVia(request: SipRequest, flow: Flow): SipRequest {
  const index = request.headers.findIndex(({ key }) => key === 'via')
  const values = listOf(request, 'via')
  const via = values[0] === undefined ? undefined : parseVia(values[0])
  if (index === -1 || values[0] === undefined || via === undefined) return request
  const stamped = [stampVia(values[0], via, flow.remote), ...values.slice(1)].map((value): Header => ({
    key: 'via',
    name: 'Via',
    value,
  }))
  return { ...request, headers: [...stamped, ...request.headers.filter(({ key }) => key !== 'via')] }
}
