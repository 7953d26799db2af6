import { randomInt } from 'node:crypto'
import { Call, type CallDependencies } from './call.ts'
import type { Engine, EnginePool } from './engine-pool.ts'
import type { Leg } from './leg.ts'
import { randomLetters } from './letters.ts'
import { MediaSession } from './media-session.ts'
import type { Party } from './party.ts'
import { escapeUser, userOf } from './name-address.ts'
import { hideOrigin, readAudio } from './sdp.ts'
import { passableStatus, reasonOf } from './sip-reason.ts'
import {
  hearAfterAck,
  hearRequests,
  type InviteResult,
  type OutgoingInvite,
  type SipDialog,
  type SipHeaders,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  type SipServer,
} from './sip-server.ts'
import type { Trunk, Trunks } from './trunks.ts'

/** The longest that a called party may ring; carriers give up between two and three minutes. */
const RING_MS_MAX = 180_000
/** A cancelled INVITE is answered within 32 s (RFC 3261 section 9.1), or never. */
const CANCEL_MS_MAX = 35_000
const CALL_ID_LETTERS = 20
const HOPS_DEFAULT = 70

export type SetUpDependencies = {
  readonly sip: Pick<SipServer, 'invite' | 'answer'>
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
  readonly signal: AbortSignal
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
 * rtpengine in both directions, and no header that names the first side is copied. The signal gives the attempt up:
 * the sbc is closing, or the SIP server is gone.
 */
export async function setUpCall(
  dependencies: SetUpDependencies,
  request: SipRequest,
  response: SipResponse,
  signal: AbortSignal,
): Promise<void> {
  const caller = dependencies.trunks.bySource(request.source_address)
  if (caller === null) return reject(response, 403)
  const number = userOf(request.uri)
  const callee = number === '' ? null : dependencies.trunks.route({ from: caller.name, number })
  if (callee === null || callee.party === caller.party) return reject(response, 404)
  const hops = hopsOf(request)
  if (hops === 0) return reject(response, 483)
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
    signal,
    caller,
    callee,
    engine,
    media,
    callId,
    callerOrigin: newOrigin(),
    calleeOrigin: newOrigin(),
  }
  let connected: Call | null = null
  try {
    connected = await ring(attempt, { number, hops })
  } finally {
    if (connected === null) await media.delete()
  }
}

async function ring(
  attempt: Attempt,
  options: { readonly number: string; readonly hops: number },
): Promise<Call | null> {
  const { dependencies, request, response, engine, caller, media } = attempt
  const { lives } = engine
  const end = new Ending(attempt)
  try {
    const offered = await media.offer(caller.party, request.body, { live: false })
    const sdp = offered.kind === 'ok' ? hideOrigin(offered.value, attempt.calleeOrigin) : null
    if (sdp === null) {
      reject(response, offered.kind === 'failed' && offered.code === 'unusable' ? 488 : 503)
      return null
    }
    if (end.isOver()) return null
    const provisionals = new Provisionals(attempt, end)
    const result = await invite(attempt, { ...options, sdp, end, provisionals })
    if (result.kind === 'rejected') {
      if (!end.isOver()) passRejection(response, result)
      return null
    }
    await provisionals.done()
    const shown =
      engine.lives === lives
        ? await answerOf(attempt, { result, provisionals })
        : ({ kind: 'failed', status: 503 } as const)
    if (shown.kind === 'failed' || end.isOver() || engine.lives !== lives) {
      hangUp(result.dialog)
      if (!end.isOver()) reject(response, shown.kind === 'failed' ? shown.status : 503)
      return null
    }
    const answering = dependencies.sip.answer(request, response, {
      sdp: shown.sdp,
      headers: { 'Content-Type': 'application/sdp' },
    })
    const callerDialog = await Promise.race([answering, end.gaveUp.then(() => null)])
    if (callerDialog === null) {
      hangUp(result.dialog)
      void answering.then((late) => late !== null && hangUp(late))
      return null
    }
    return connect(attempt, { number: options.number, callerDialog, result })
  } finally {
    end.forget()
  }
}

/** Sends the INVITE and waits for its end, at most until the attempt is given up. */
async function invite(
  attempt: Attempt,
  options: {
    readonly number: string
    readonly hops: number
    readonly sdp: string
    readonly end: Ending
    readonly provisionals: Provisionals
  },
): Promise<InviteResult> {
  const { dependencies, request, callee } = attempt
  const { end, provisionals } = options
  const [{ host, port, transport }] = callee.targets
  const inviting = dependencies.sip.invite(
    `sip:${escapeUser(options.number)}@${host}:${port ?? 5_060};transport=${transport}`,
    {
      sdp: options.sdp,
      headers: requestHeaders(options.hops),
      callingNumber: escapeUser(userOf(request.get('From'))) || 'anonymous',
    },
    { sent: (sent) => end.cancels(sent), provisional: (provisional) => provisionals.take(provisional) },
  )
  const result = await Promise.race([inviting, end.gaveUp])
  // Answered all the same, after it was given up.
  if (result.kind === 'rejected') void inviting.then((late) => late.kind === 'answered' && hangUp(late.dialog))
  return result.kind === 'rejected' && end.rangTooLong ? { kind: 'rejected', status: 480, response: null } : result
}

/** What the caller is answered with: the callee's description through rtpengine. */
async function answerOf(
  attempt: Attempt,
  options: { readonly result: Extract<InviteResult, { kind: 'answered' }>; readonly provisionals: Provisionals },
): Promise<{ readonly kind: 'ok'; readonly sdp: string } | { readonly kind: 'failed'; readonly status: number }> {
  const { media, caller, callerOrigin } = attempt
  const { provisionals } = options
  const body = options.result.response?.body ?? ''
  // The answer was in a provisional response and is not said again (RFC 3261 section 13.2.1).
  if (body === '' && provisionals.answer !== null) return { kind: 'ok', sdp: provisionals.answer }
  const answer = await media.answer(caller.party, body, { live: provisionals.answer !== null })
  if (answer.kind === 'failed') return { kind: 'failed', status: answer.code === 'unusable' ? 488 : 503 }
  const sdp = hideOrigin(answer.value, callerOrigin)
  return sdp === null ? { kind: 'failed', status: 488 } : { kind: 'ok', sdp }
}

function connect(
  attempt: Attempt,
  options: {
    readonly number: string
    readonly callerDialog: SipDialog
    readonly result: Extract<InviteResult, { kind: 'answered' }>
  },
): Call {
  const { dependencies, request, caller, callee, media, engine } = attempt
  const { number, callerDialog, result } = options
  const legs = {
    [caller.party]: { party: caller.party, trunk: caller, dialog: callerDialog, origin: attempt.callerOrigin },
    [callee.party]: { party: callee.party, trunk: callee, dialog: result.dialog, origin: attempt.calleeOrigin },
  } as { readonly [Side in Party]: Leg }
  const call = new Call({
    facts: {
      callId: attempt.callId,
      agent: agentOf(attempt, { number, answer: result.response }),
      from: userOf(request.get('From')),
      to: number,
      rtpengine: engine.name,
    },
    media,
    payer: legs.payer,
    agent: legs.agent,
    dependencies: dependencies.call,
  })
  dependencies.answered(call)
  hearAfterAck(result.dialog, callerDialog)
  hearRequests(callerDialog)
  call.endIfHungUp()
  return call
}

/** Why an attempt may end before it is answered: the caller cancels, it rings too long, the sbc gives it up. */
class Ending {
  readonly #attempt: Attempt
  readonly #ringing: NodeJS.Timeout
  #giveUp: NodeJS.Timeout | null = null
  #outgoing: OutgoingInvite | null = null
  #isCancelled = false
  rangTooLong = false
  /** Nothing more is waited for. */
  readonly gaveUp: Promise<Extract<InviteResult, { kind: 'rejected' }>>
  #resolve: () => void = () => undefined

  constructor(attempt: Attempt) {
    this.#attempt = attempt
    this.gaveUp = new Promise((resolve) => {
      this.#resolve = () => resolve({ kind: 'rejected', status: 503, response: null })
    })
    this.#ringing = setTimeout(() => {
      this.rangTooLong = true
      this.#cancel()
    }, RING_MS_MAX)
    attempt.request.on('cancel', () => {
      this.#isCancelled = true
      this.#cancel()
    })
    attempt.signal.addEventListener('abort', this.#abort)
    if (attempt.signal.aborted) this.#abort()
  }

  /**
   * No response of ours goes to the caller any more; the SIP server answers a cancelled INVITE with 487 itself. A
   * method, because it can change while something is waited for.
   */
  isOver(): boolean {
    return this.#isCancelled || this.#attempt.response.finalResponseSent
  }

  cancels(outgoing: OutgoingInvite): void {
    this.#outgoing = outgoing
    if (this.isOver() || this.rangTooLong) outgoing.cancel()
  }

  forget(): void {
    clearTimeout(this.#ringing)
    if (this.#giveUp !== null) clearTimeout(this.#giveUp)
    this.#attempt.signal.removeEventListener('abort', this.#abort)
  }

  readonly #abort = (): void => {
    if (!this.isOver()) reject(this.#attempt.response, 503)
    this.#outgoing?.cancel()
    this.#resolve()
  }

  #cancel(): void {
    this.#outgoing?.cancel()
    this.#giveUp ??= setTimeout(this.#resolve, CANCEL_MS_MAX)
  }
}

function hangUp(dialog: SipDialog): void {
  dialog.destroy({}).catch(() => undefined)
}

/** Passes 18x on: with a description through rtpengine (early media), else as it is. In order, one at a time. */
class Provisionals {
  readonly #attempt: Attempt
  readonly #end: Ending
  #turn: Promise<unknown> = Promise.resolve()
  /** The description that the caller was answered with, or null while it was not. */
  answer: string | null = null

  constructor(attempt: Attempt, end: Ending) {
    this.#attempt = attempt
    this.#end = end
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
    const status = passableStatus(provisional.status)
    if (this.#end.isOver()) return
    if (provisional.body === '' || readAudio(provisional.body) === null) {
      response.send(status, reasonOf(status))
      return
    }
    const answer = await media.answer(caller.party, provisional.body, { live: this.answer !== null })
    const body = answer.kind === 'ok' ? hideOrigin(answer.value, callerOrigin) : null
    if (this.#end.isOver()) return
    if (body === null) {
      response.send(status, reasonOf(status))
      return
    }
    this.answer = body
    response.send(status, reasonOf(status), { body, headers: { 'Content-Type': 'application/sdp' } })
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

function hopsOf(request: SipRequest): number {
  const hops = request.get('Max-Forwards')?.trim() ?? ''
  return /^\d{1,3}$/.test(hops) ? Number(hops) : HOPS_DEFAULT
}

function newOrigin(): Leg['origin'] {
  return { sessionId: randomInt(1, 2 ** 47), version: 1 }
}

/** What of a rejection concerns the caller and names nobody: its status, RFC 3326 Reason without text, Retry-After. */
function passRejection(
  response: SipResponse,
  rejection: { readonly status: number; readonly response: SipMessage | null },
): void {
  const headers: Record<string, string> = {}
  const reason = /^\s*(SIP|Q\.850)\s*;\s*cause\s*=\s*(\d{1,3})\b/i.exec(rejection.response?.get('Reason') ?? '')
  if (reason?.[1] !== undefined && reason[2] !== undefined) headers['Reason'] = `${reason[1]};cause=${reason[2]}`
  const retryAfter = /^\s*(\d{1,6})\b/.exec(rejection.response?.get('Retry-After') ?? '')
  if (retryAfter?.[1] !== undefined) headers['Retry-After'] = retryAfter[1]
  const status = rejectionStatus(rejection.status)
  response.send(status, reasonOf(status), { headers })
}

function rejectionStatus(status: number): number {
  if (status === 0) return 503
  // A redirection, or a success that made no dialog.
  if (status < 400) return 480
  // A challenge is for us and not for the caller, who could not answer it.
  return status === 401 || status === 407 ? 403 : passableStatus(status)
}

function reject(response: SipResponse, status: number): void {
  if (!response.finalResponseSent) response.send(status, reasonOf(status))
}
