import { randomInt } from 'node:crypto'
import { createRequire } from 'node:module'
import { Call, type CallDependencies, type Leg } from './call.ts'
import type { Engine, EnginePool } from './engine-pool.ts'
import { randomLetters } from './letters.ts'
import { MediaSession, type Party } from './media-session.ts'
import { escapeUser, userOf } from './name-address.ts'
import { hideOrigin, readAudio } from './sdp.ts'
import type { OutgoingInvite, SipHeaders, SipMessage, SipRequest, SipResponse, SipServer } from './sip-server.ts'
import type { Trunk, Trunks } from './trunks.ts'

/** sip-status has no types of its own: a table from status code to reason phrase. */
const sipStatus = createRequire(import.meta.url)('sip-status') as Readonly<Record<number, string>>

/** The longest that a called party may ring; carriers give up between two and three minutes. */
const RING_MS_MAX = 180_000
const CALL_ID_LETTERS = 20
/** Header fields of a rejection that concern the caller and name nobody (RFC 3326 Reason, RFC 3261 Retry-After). */
const PASSED_ON_REJECTION = ['Reason', 'Retry-After'] as const
const HOPS_DEFAULT = 70

export type SetUpDependencies = {
  readonly sip: SipServer
  readonly trunks: Trunks
  readonly engines: EnginePool
  /** Call ids in rtpengine begin with it. */
  readonly callIdPrefix: string
  readonly call: CallDependencies
  readonly answered: (call: Call) => void
}

type Attempt = {
  readonly dependencies: SetUpDependencies
  readonly request: SipRequest
  readonly response: SipResponse
  readonly caller: Trunk
  readonly callee: Trunk
  readonly engine: Engine
  readonly media: MediaSession
  readonly callId: string
  /** What each side is shown as our session: the caller's in our answer, the callee's in our offer. */
  readonly callerOrigin: Leg['origin']
  readonly calleeOrigin: Leg['origin']
}

/**
 * Takes an INVITE from one trunk to another as two calls of our own (RFC 7092 B2BUA): the description goes through
 * rtpengine in both directions, and no header that names the first side is copied.
 */
export async function setUpCall(
  dependencies: SetUpDependencies,
  request: SipRequest,
  response: SipResponse,
): Promise<void> {
  const caller = dependencies.trunks.bySource(request.source_address)
  if (caller === null) return reject(response, 403)
  const number = userOf(request.uri)
  const callee = dependencies.trunks.route({ from: caller.name, number })
  if (callee === null || callee.party === caller.party) return reject(response, 404)
  const hops = Number(request.get('Max-Forwards') ?? HOPS_DEFAULT)
  if (hops <= 0) return reject(response, 483)
  if (request.body === '')
    return response.send(488, 'Offerless INVITE Not Supported', {
      headers: { Warning: '399 tonewall "an INVITE must carry an SDP offer"' },
    })
  if (readAudio(request.body) === null) return reject(response, 488)
  const engine = dependencies.engines.choose()
  if (engine === null) return response.send(503, reasonOf(503), { headers: { 'Retry-After': '5' } })
  const callId = randomLetters(CALL_ID_LETTERS)
  const media = new MediaSession({ engine: engine.control, callId: dependencies.callIdPrefix + callId })
  const attempt: Attempt = {
    dependencies,
    request,
    response,
    caller,
    callee,
    engine,
    media,
    callId,
    callerOrigin: newOrigin(),
    calleeOrigin: newOrigin(),
  }
  const connected = await ring(attempt, { number, hops })
  if (connected === null) await media.delete()
}

async function ring(
  attempt: Attempt,
  options: { readonly number: string; readonly hops: number },
): Promise<Call | null> {
  const { dependencies, request, response, caller, callee, media } = attempt
  let outgoing: OutgoingInvite | null = null
  let isCancelled = false
  const cancel = (): void => {
    isCancelled = true
    outgoing?.cancel()
  }
  request.on('cancel', cancel)
  const offered = await media.offer(caller.party, request.body, { live: false })
  const sdp = offered.kind === 'ok' ? hideOrigin(offered.value, attempt.calleeOrigin) : null
  if (sdp === null) {
    reject(response, offered.kind === 'failed' && offered.code === 'unusable' ? 488 : 503)
    return null
  }
  if (wasCancelled()) return null
  const ringing = setTimeout(cancel, RING_MS_MAX)
  const provisionals = new Provisionals(attempt)
  const { host, port, transport } = callee.target
  const result = await dependencies.sip.invite(
    `sip:${escapeUser(options.number)}@${host}:${port};transport=${transport}`,
    {
      sdp,
      headers: requestHeaders(options.hops),
      callingNumber: escapeUser(userOf(request.get('From'))) || 'anonymous',
    },
    {
      sent: (invite) => {
        outgoing = invite
        if (wasCancelled()) invite.cancel()
      },
      provisional: (provisional) => provisionals.take(provisional),
    },
  )
  clearTimeout(ringing)
  if (result.kind === 'rejected') {
    if (!response.finalResponseSent) passRejection(response, result)
    return null
  }
  await provisionals.done()
  const answer = await media.answer(caller.party, result.response?.body ?? '', { live: provisionals.hasAnswered })
  const shown = answer.kind === 'ok' ? hideOrigin(answer.value, attempt.callerOrigin) : null
  const callerDialog =
    shown === null
      ? null
      : await dependencies.sip.answer(request, response, { sdp: shown, headers: { 'Content-Type': 'application/sdp' } })
  if (callerDialog === null) {
    if (!response.finalResponseSent) reject(response, 488)
    result.dialog.destroy({}).catch(() => undefined)
    return null
  }
  const legs = {
    [caller.party]: { party: caller.party, trunk: caller, dialog: callerDialog, origin: attempt.callerOrigin },
    [callee.party]: { party: callee.party, trunk: callee, dialog: result.dialog, origin: attempt.calleeOrigin },
  } as { readonly [Side in Party]: Leg }
  const call = new Call({
    facts: {
      callId: attempt.callId,
      agent: agentOf(attempt, { number: options.number, answer: result.response }),
      from: userOf(request.get('From')),
      to: options.number,
      rtpengine: attempt.engine.name,
    },
    media,
    payer: legs.payer,
    agent: legs.agent,
    dependencies: dependencies.call,
  })
  dependencies.answered(call)
  return call

  function wasCancelled(): boolean {
    return isCancelled
  }
}

/** Passes 18x on: with a description through rtpengine (early media), else as it is. In order, one at a time. */
class Provisionals {
  readonly #attempt: Attempt
  #turn: Promise<unknown> = Promise.resolve()
  hasAnswered = false

  constructor(attempt: Attempt) {
    this.#attempt = attempt
  }

  take(provisional: SipMessage & { readonly status: number }): void {
    if (provisional.status === 100) return
    this.#turn = this.#turn.then(() => this.#pass(provisional))
  }

  async done(): Promise<void> {
    await this.#turn
  }

  async #pass(provisional: SipMessage & { readonly status: number }): Promise<void> {
    const { media, caller, response, callerOrigin } = this.#attempt
    if (response.finalResponseSent) return
    if (provisional.body === '' || readAudio(provisional.body) === null) {
      response.send(provisional.status, reasonOf(provisional.status))
      return
    }
    const answer = await media.answer(caller.party, provisional.body, { live: this.hasAnswered })
    const body = answer.kind === 'ok' ? hideOrigin(answer.value, callerOrigin) : null
    if (response.finalResponseSent) return
    if (body === null) response.send(provisional.status, reasonOf(provisional.status))
    else {
      this.hasAnswered = true
      response.send(provisional.status, reasonOf(provisional.status), {
        body,
        headers: { 'Content-Type': 'application/sdp' },
      })
    }
  }
}

/** The agent: what the trunk's header says, else the user that answered, else the user that was called. */
function agentOf(attempt: Attempt, options: { readonly number: string; readonly answer: SipMessage | null }): string {
  const { caller, callee, request } = attempt
  const trunk = caller.party === 'agent' ? caller : callee
  const message = caller.party === 'agent' ? request : options.answer
  const named = trunk.agentHeader === null ? undefined : message?.get(trunk.agentHeader)
  const fallback = caller.party === 'agent' ? userOf(request.get('From')) : options.number
  const candidates = [
    named === undefined ? '' : userOf(named) || named.trim(),
    userOf(message?.get('Contact')),
    fallback,
  ]
  return (
    candidates
      .map((candidate) => candidate.replace(/[^\w.+@~!*'()-]/g, '').slice(0, 64))
      .find((candidate) => candidate !== '') ?? 'unknown'
  )
}

function requestHeaders(hops: number): SipHeaders {
  return { 'Max-Forwards': String(hops - 1), 'User-Agent': 'Tonewall', 'Content-Type': 'application/sdp' }
}

function newOrigin(): Leg['origin'] {
  return { sessionId: randomInt(1, 2 ** 47), version: 1 }
}

function passRejection(
  response: SipResponse,
  rejection: { readonly status: number; readonly response: SipMessage | null },
): void {
  const status = rejection.status >= 400 ? rejection.status : rejection.status === 0 ? 503 : 480
  const headers: Record<string, string> = {}
  for (const name of PASSED_ON_REJECTION) {
    const value = rejection.response?.get(name)
    if (value !== undefined && value.length <= 200) headers[name] = value
  }
  response.send(status, reasonOf(status), { headers })
}

function reject(response: SipResponse, status: number): void {
  if (!response.finalResponseSent) response.send(status, reasonOf(status))
}

/** The standard phrase of a status (sip-status), so that no phrase of one side is seen on the other. */
export function reasonOf(status: number): string {
  return sipStatus[status] ?? 'Unknown'
}
