import { randomInt } from 'node:crypto'
import { agentName } from './agent-name.ts'
import { Call } from './call.ts'
import type { Leg } from './leg.ts'
import { randomLetters } from './letters.ts'
import { MediaSession } from './media-session.ts'
import { escapeUser, userOf } from './name-address.ts'
import { hangUp, placeLeg, type LegResult, type Offered } from './outgoing-leg.ts'
import type { Party } from './party.ts'
import { Provisionals } from './provisionals.ts'
import { passRejection, reject } from './rejection.ts'
import { hideOrigin, readAudio } from './sdp.ts'
import type { Attempt, SetUpDependencies } from './set-up-attempt.ts'
import { SetUpEnding } from './set-up-ending.ts'
import { reasonOf } from './sip-reason.ts'
import {
  hearAfterAck,
  hearRequests,
  type SipDialog,
  type SipHeaders,
  type SipRequest,
  type SipResponse,
} from './sip-server.ts'
import type { Trunk } from './trunks.ts'

export type { SetUpDependencies } from './set-up-attempt.ts'

const CALL_ID_LETTERS = 20
const HOPS_DEFAULT = 70

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
    engine,
    media,
    callId,
    number,
    hops,
    callerOrigin: newOrigin(),
    calleeOrigin: newOrigin(),
  }
  let connected: Call | null = null
  try {
    connected = await ring(attempt, [callee])
  } finally {
    if (connected === null) await media.delete()
  }
}

async function ring(attempt: Attempt, trunks: readonly [Trunk, ...Trunk[]]): Promise<Call | null> {
  const { dependencies, request, response, engine, number } = attempt
  const { lives } = engine
  const end = new SetUpEnding(attempt)
  try {
    const provisionals = new Provisionals(attempt, end)
    const result = await placeLeg(dependencies.sip, {
      trunks,
      number,
      callingNumber: escapeUser(userOf(request.get('From'))) || 'anonymous',
      headersFor: () => requestHeaders(attempt.hops),
      offerFor: () => offerOf(attempt),
      signal: end.signal,
      provisional: (provisional) => provisionals.take(provisional),
    })
    if (result.kind === 'rejected') {
      if (end.isOver()) return null
      passRejection(response, end.hasRungTooLong ? { status: 480, response: null } : result)
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
    const callerDialog = await Promise.race([answering, aborted(end.signal)])
    if (callerDialog === null) {
      hangUp(result.dialog)
      void answering.then((late) => late !== null && hangUp(late))
      return null
    }
    return connect(attempt, { callerDialog, result })
  } finally {
    end.forget()
  }
}

/** The caller's description through rtpengine, for the callee. */
async function offerOf(attempt: Attempt): Promise<Offered> {
  const { media, caller, request, calleeOrigin } = attempt
  const offered = await media.offer(caller.party, request.body, { live: false })
  if (offered.kind === 'failed') return { kind: 'failed', status: offered.code === 'unusable' ? 488 : 503 }
  const sdp = hideOrigin(offered.value, calleeOrigin)
  return sdp === null ? { kind: 'failed', status: 503 } : { kind: 'ok', sdp }
}

/** What the caller is answered with: the callee's description through rtpengine. */
async function answerOf(
  attempt: Attempt,
  options: { readonly result: Answered; readonly provisionals: Provisionals },
): Promise<Offered> {
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

function connect(attempt: Attempt, options: { readonly callerDialog: SipDialog; readonly result: Answered }): Call {
  const { dependencies, request, caller, media, engine, number } = attempt
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

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null)
    else signal.addEventListener('abort', () => resolve(null), { once: true })
  })
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
