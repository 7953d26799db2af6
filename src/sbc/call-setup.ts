import { AbortWait } from './abort-wait.ts'
import { randomInt } from 'node:crypto'
import { isScanner } from '../kit/scanner-names.ts'
import { hearAnswer } from './ack-answer.ts'
import { agentName } from './agent-name.ts'
import { Call } from './call.ts'
import { callMerchant } from './call-merchant.ts'
import { calledNumber } from './called-number.ts'
import { passedHeaders } from './header-policy.ts'
import { ANONYMOUS_FROM, identityHeaders } from './identity-headers.ts'
import type { Leg } from './leg.ts'
import { offerToCaller } from './late-offer.ts'
import { calledMedia } from './leg-media.ts'
import { randomLetters } from './letters.ts'
import type { MediaSession } from './media-session.ts'
import { userOf } from './name-address.ts'
import { hangUp, placeLeg, type LegResult, type Offered } from './outgoing-leg.ts'
import type { Party } from './party.ts'
import { Provisionals } from './provisionals.ts'
import { capabilities } from './refusal.ts'
import { passRejection, reject, unavailable } from './rejection.ts'
import { hideOrigin, readAudio } from './sdp.ts'
import type { Attempt, SetUpDependencies } from './set-up-attempt.ts'
import { ENGINE_RETRY_SECONDS, SetUpEnding } from './set-up-ending.ts'
import { SetUpPlace } from './set-up-place.ts'
import { reasonOf } from './sip-reason.ts'
import {
  hearAfterAck,
  hearRequests,
  type SipDialog,
  type SipHeaders,
  type SipRequest,
  type SipResponse,
} from './sip-server.ts'
import { byRules } from './telephone-number.ts'
import { takeReplacing } from './take-replacing.ts'
import type { Trunk } from './trunks.ts'

export type { SetUpDependencies } from './set-up-attempt.ts'

const CALL_ID_LETTERS = 20
const HOPS_DEFAULT = 70
/** Of an answer, when one rtpengine after the other is lost under it. */
const ANSWER_TRIES = 3
const NOT_COUNTED = { kind: 'admitted', release: () => undefined } as const

type Answered = Extract<LegResult, { kind: 'answered' }>

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
  if (caller === null || isScanner(request.get('User-Agent'))) return reject(response, 403)
  const called = calledNumber(request.uri, caller, dependencies.emergencyNumbers)
  const admission = called.isEmergency ? NOT_COUNTED : dependencies.limits.admit(caller, request.source_address)
  if (admission.kind === 'limited') return unavailable(response, admission.retryAfterSeconds)
  const { ended } = dependencies.call
  const releasing = {
    ...dependencies.call,
    ended: (call: Call) => {
      admission.release()
      ended(call)
    },
  }
  let connected: Call | null = null
  try {
    connected = await begin({ ...dependencies, call: releasing }, request, response, { signal, caller, ...called })
  } finally {
    if (connected === null) admission.release()
  }
}

/** Refuses what cannot be taken, with the status that says why; else calls the other side. */
async function begin(
  dependencies: SetUpDependencies,
  request: SipRequest,
  response: SipResponse,
  options: Pick<Attempt, 'signal' | 'caller' | 'number' | 'isEmergency'>,
): Promise<Call | null> {
  const { caller, number, isEmergency } = options
  const refuse = (status: number): null => {
    reject(response, status)
    return null
  }
  if (!isEmergency && !hasProvedItself(dependencies, caller, request, response)) return null
  // Waiting, even for nothing, would miss a CANCEL that is here already.
  const isForCall = request.has('Replaces') || request.has('Join')
  if (isForCall && (await takeReplacing(dependencies.calls, caller, { request, response }))) return null
  const routed = number === '' ? [] : dependencies.trunks.route({ from: caller.name, number })
  const trunks = routed.filter(({ party }) => party !== caller.party)
  if (trunks.length === 0) return refuse(404)
  const hops = hopsOf(request)
  if (hops === 0) return refuse(483)
  if (request.body !== '' && readAudio(request.body) === null) return refuse(488)
  const engine = dependencies.engines.choose()
  if (engine === null) {
    unavailable(response, ENGINE_RETRY_SECONDS)
    return null
  }
  const callId = randomLetters(CALL_ID_LETTERS)
  const place = new SetUpPlace({
    engines: dependencies.engines,
    engine,
    callId: dependencies.callIdPrefix + callId,
    caller,
    body: request.body,
    logger: dependencies.call.logger,
  })
  const callingNumber = byRules(userOf(request.get('From')), caller.numbers.in)
  const origins = { callerOrigin: newOrigin(), calleeOrigin: newOrigin() }
  const attempt = {
    ...options,
    ...origins,
    dependencies,
    request,
    response,
    place,
    callId,
    callingNumber,
    hops,
  }
  let connected: Call | null = null
  try {
    connected = await ring(attempt, trunks)
  } finally {
    if (connected === null) await place.close()
  }
  return connected
}

/** False when the trunk's requests must be proved and this one was not: it has been challenged (RFC 3261 section 22.2). */
function hasProvedItself(
  dependencies: SetUpDependencies,
  caller: Trunk,
  request: SipRequest,
  response: SipResponse,
): boolean {
  const answer = dependencies.secrets.gate(caller)?.check({
    method: request.method,
    uri: request.uri,
    body: Buffer.from(request.body),
    credentials: [request.get('Authorization') ?? ''],
  })
  if (answer === undefined || answer.kind === 'accepted') return true
  // drachtio-srf writes one line for a header; challenges must stand in lines of their own (RFC 3261 section 7.3.1).
  const lines = answer.challenges.join('\r\nWWW-Authenticate: ')
  response.send(401, reasonOf(401), { headers: { 'WWW-Authenticate': lines } })
  return false
}

async function ring(attempt: Attempt, trunks: readonly Trunk[]): Promise<Call | null> {
  const { dependencies, request, response, place, number, callingNumber } = attempt
  const end = new SetUpEnding(attempt)
  try {
    const provisionals = new Provisionals(attempt, end)
    const offers = new OffersByMedia(place)
    const result = await placeLeg(dependencies.leg, {
      trunks,
      number,
      callingNumber: callingNumber === '' ? 'anonymous' : callingNumber,
      headersFor: (trunk) => requestHeaders(attempt, trunk),
      offerFor: (trunk) => offers.of(trunk, () => offerOf(attempt, trunk)),
      signal: end.signal,
      provisional: (provisional) => provisionals.take(provisional),
    })
    if (result.kind === 'rejected') {
      if (end.isOver()) return null
      passRejection(response, end.hasRungTooLong ? { status: 480, response: null } : result)
      return null
    }
    await provisionals.done()
    const shown = await answerOf(attempt, { result, provisionals })
    place.leave()
    if (shown.kind === 'failed' || end.isOver()) {
      hangUp(result.dialog)
      if (shown.kind === 'failed' && !end.isOver()) reject(response, shown.status)
      return null
    }
    const answering = dependencies.sip.answer(request, response, {
      sdp: shown.sdp,
      headers: { ...capabilities(attempt.caller), 'Content-Type': 'application/sdp' },
      credentials: dependencies.leg.secrets.credentials(attempt.caller),
    })
    const over = new AbortWait(end.signal, null)
    const callerDialog = await Promise.race([answering, over.happened])
    over.forget()
    if (callerDialog === null) {
      hangUp(result.dialog)
      void answering.then((late) => late !== null && hangUp(late))
      return null
    }
    const call = connect(attempt, { callerDialog, result })
    // Its rtpengine died while it rang, or while the answer was on its way: both parties are told of another one.
    if (place.isMoved) call.loseMedia()
    return call
  } finally {
    end.forget()
  }
}

/** Trunks that want the same media are shown the same offer: rtpengine is asked again only for another kind. */
class OffersByMedia {
  readonly #place: SetUpPlace
  /** The last one made is the one that rtpengine goes by. */
  #last: { readonly kind: string; readonly media: MediaSession; readonly offered: Offered } | null = null

  constructor(place: SetUpPlace) {
    this.#place = place
  }

  async of(trunk: Trunk, make: () => Promise<Offered>): Promise<Offered> {
    const kind = JSON.stringify(calledMedia(trunk))
    if (this.#last?.kind === kind && this.#last.media === this.#place.media) return this.#last.offered
    const offered = await make()
    this.#last = { kind, media: this.#place.media, offered }
    return offered
  }
}

/** The caller's description through rtpengine, for the callee. */
async function offerOf(attempt: Attempt, callee: Trunk): Promise<Offered> {
  const offered = await attempt.place.offer(callee)
  if (offered.kind === 'failed') return { kind: 'failed', status: offered.code === 'unusable' ? 488 : 503 }
  const sdp = hideOrigin(offered.value, attempt.calleeOrigin)
  return sdp === null ? { kind: 'failed', status: 503 } : { kind: 'ok', sdp }
}

type AnswerParts = { readonly result: Answered; readonly provisionals: Provisionals }

/** What the caller is answered with: the callee's description through rtpengine, through another one when that one dies. */
async function answerOf(attempt: Attempt, parts: AnswerParts): Promise<Offered> {
  for (let tries = 1; ; tries += 1) {
    await attempt.place.settled()
    const shown = await answerIn(attempt, parts)
    if (shown.kind === 'ok' || !attempt.place.isMoving || tries === ANSWER_TRIES) return shown
  }
}

async function answerIn(attempt: Attempt, { result, provisionals }: AnswerParts): Promise<Offered> {
  const { place, caller, callerOrigin, request } = attempt
  const { media } = place
  const told = provisionals.answer
  const answered = provisionals.answerIn(result.response)
  if (answered.isHeard && told !== null && !place.isMoved) return { kind: 'ok', sdp: told }
  const answer = await place.answer(answered.sdp, { live: told !== null })
  const shown = answer.kind === 'ok' && request.body === '' ? await offerToCaller(media, caller) : answer
  if (shown.kind === 'failed') return { kind: 'failed', status: shown.code === 'unusable' ? 488 : 503 }
  // The caller keeps to the answer that it was told first (RFC 3261 section 13.2.1); a re-INVITE says where to send to.
  if (place.isMoved && told !== null) return { kind: 'ok', sdp: told }
  const sdp = hideOrigin(shown.value, callerOrigin)
  return sdp === null ? { kind: 'failed', status: 488 } : { kind: 'ok', sdp }
}

function connect(attempt: Attempt, options: { readonly callerDialog: SipDialog; readonly result: Answered }): Call {
  const { dependencies, request, caller, place, number } = attempt
  const { media, engine } = place
  const { callerDialog, result } = options
  const callee = result.trunk
  const legs = {
    [caller.party]: { party: caller.party, trunk: caller, dialog: callerDialog, origin: attempt.callerOrigin },
    [callee.party]: { party: callee.party, trunk: callee, dialog: result.dialog, origin: attempt.calleeOrigin },
  } as { readonly [Side in Party]: Leg }
  const call = new Call({
    facts: {
      callId: attempt.callId,
      agent: agentName({ caller, callee, request, number, answer: result.response }),
      // A caller whom the agent's side may not know is not shown to the agent either.
      from: identityHeaders({ headers: request.headers, caller, callee }).isAnonymous
        ? 'anonymous'
        : attempt.callingNumber,
      to: number,
      rtpengine: engine.name,
      merchant: callMerchant({
        trunks: dependencies.trunks,
        caller,
        callee,
        number,
        merchant: dependencies.merchant,
      }),
      isEmergency: attempt.isEmergency,
    },
    media,
    payer: legs.payer,
    agent: legs.agent,
    dependencies: dependencies.call,
  })
  dependencies.answered(call)
  hearAfterAck(result.dialog, callerDialog)
  if (request.body === '') hearAnswer(callerDialog, (sdp) => void call.takeAnswer(caller.party, sdp))
  hearRequests(callerDialog)
  call.endIfHungUp()
  return call
}

function requestHeaders(attempt: Attempt, callee: Trunk): SipHeaders {
  const { request, caller, isEmergency, hops } = attempt
  const { headers } = request
  const identity = identityHeaders({ headers, caller, callee })
  return {
    ...passedHeaders({ headers, caller, callee, isEmergency }),
    ...identity.headers,
    ...(identity.isAnonymous ? { From: ANONYMOUS_FROM } : {}),
    'Max-Forwards': String(hops - 1),
    'User-Agent': 'Tonewall',
    ...capabilities(callee),
    'Content-Type': 'application/sdp',
  }
}

function hopsOf(request: SipRequest): number {
  const hops = request.get('Max-Forwards')?.trim() ?? ''
  return /^\d{1,3}$/.test(hops) ? Number(hops) : HOPS_DEFAULT
}

function newOrigin(): Leg['origin'] {
  return { sessionId: randomInt(1, 2 ** 47), version: 1 }
}
