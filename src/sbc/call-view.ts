import type { CallView, Payment } from '../wire/call-protocol.ts'
import type { Leg } from './leg.ts'
import type { CallMedia } from './call-core.ts'
import { isHeld } from './sdp.ts'

/** Call-IDs are the peers' own words, which RFC 3261 does not limit; a desk is shown no more than this of one. */
const SIP_CALL_ID_LENGTH_MAX = 200

/** What desks are shown of a call. */
export function callView(call: {
  readonly facts: { readonly callId: string; readonly from: string; readonly to: string; readonly merchant: string }
  /** Who is the agent now. */
  readonly agent: string
  readonly legs: { readonly payer: Leg; readonly agent: Leg }
  readonly media: Pick<CallMedia, 'audioOf'>
  readonly startedAtMs: number
  readonly endedAtMs: number | null
  readonly forms: readonly { readonly name: string }[]
  readonly payment: Payment | null
}): CallView {
  const { payer, agent } = call.legs
  const audios = [call.media.audioOf('payer'), call.media.audioOf('agent')]
  const held = audios.some((audio) => audio !== null && isHeld(audio))
  return {
    callId: call.facts.callId,
    agent: call.agent,
    payerSipCallId: shownCallId(payer.dialog.sip.callId),
    agentSipCallId: shownCallId(agent.dialog.sip.callId),
    from: call.facts.from,
    to: call.facts.to,
    payerTrunk: payer.trunk.name,
    agentTrunk: agent.trunk.name,
    merchant: call.facts.merchant,
    state: call.endedAtMs !== null ? 'ended' : held ? 'held' : 'talking',
    startedAtMs: call.startedAtMs,
    endedAtMs: call.endedAtMs,
    forms: call.forms.map((form) => form.name),
    payment: call.payment,
  }
}

function shownCallId(callId: string): string {
  return callId.replace(/[^\x21-\x7e]/g, '').slice(0, SIP_CALL_ID_LENGTH_MAX) || '-'
}
