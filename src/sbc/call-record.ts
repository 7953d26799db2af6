import { hideCardNumbers } from '../kit/card-shaped.ts'
import type { CallEntry } from './call-entry.ts'
import type { LegQuality } from './media-quality.ts'

/**
 * One finished call, or attempt at one, as a line of the call records. Times are ISO 8601 in UTC, durations whole
 * milliseconds. A number that could be a card's is dots: somebody may have keyed one where a telephone number belongs.
 */
export type CallRecord = {
  /** null: refused before it had one. */
  readonly callId: string | null
  readonly direction: 'inbound' | 'outbound'
  readonly from: string
  readonly to: string
  readonly isEmergency: boolean
  readonly agent: string | null
  readonly payerTrunk: string | null
  readonly agentTrunk: string | null
  /** Whose cards could be taken; null: it was not answered. */
  readonly merchant: string | null
  /** More than one when a leg was replaced. */
  readonly payerSipCallIds: readonly string[]
  readonly agentSipCallIds: readonly string[]
  readonly startedAt: string
  readonly ringingAt: string | null
  readonly answeredAt: string | null
  readonly endedAt: string
  /** From the answer to the end. */
  readonly talkMs: number
  /** From the INVITE to the first sign of the called telephone. */
  readonly postDialDelayMs: number | null
  /** What the caller was answered with; 487 when it cancelled. */
  readonly status: number
  readonly endedBy: 'payer' | 'agent' | 'tonewall'
  /** party_hung_up, cancelled, refused, or why we ended it. */
  readonly reason: string
  /** From a Reason header (RFC 3326) of whoever ended it. */
  readonly q850Cause: number | null
  readonly sipCause: number | null
  /** Every INVITE that was sent for it, the last one answered. */
  readonly attempts: readonly {
    readonly target: string
    readonly trunk: string | null
    readonly status: number | null
    readonly ms: number | null
  }[]
  readonly rtpengine: string | null
  readonly codecs: { readonly payer: string | null; readonly agent: string | null }
  /** null: rtpengine could not be asked, or there was no media. */
  readonly media: { readonly payer: LegQuality; readonly agent: LegQuality } | null
  /** Payment windows. `outcome`: token, or why there is none. */
  readonly windows: readonly { readonly openedAt: string; readonly ms: number; readonly outcome: string }[]
}

/** `endedAtMs` is when the entry was settled. */
export function callRecord(entry: CallEntry): CallRecord {
  const endedAtMs = entry.endedAtMs ?? entry.startedAtMs
  const { ending } = entry
  const payerIsCaller = entry.callerParty === 'payer'
  const lastTrunk = entry.attempts.at(-1)?.trunk ?? null
  return {
    callId: entry.callId,
    direction: payerIsCaller ? 'inbound' : 'outbound',
    from: hideCardNumbers(entry.from),
    to: hideCardNumbers(entry.to),
    isEmergency: entry.isEmergency,
    agent: entry.agent === null ? null : hideCardNumbers(entry.agent),
    payerTrunk: payerIsCaller ? entry.callerTrunk : lastTrunk,
    agentTrunk: payerIsCaller ? lastTrunk : entry.callerTrunk,
    merchant: entry.merchant,
    payerSipCallIds: [...entry.sipCallIds.payer].map(hideCardNumbers),
    agentSipCallIds: [...entry.sipCallIds.agent].map(hideCardNumbers),
    startedAt: isoTime(entry.startedAtMs),
    ringingAt: isoTimeOrNull(entry.ringingAtMs),
    answeredAt: isoTimeOrNull(entry.answeredAtMs),
    endedAt: isoTime(endedAtMs),
    talkMs: entry.answeredAtMs === null ? 0 : endedAtMs - entry.answeredAtMs,
    postDialDelayMs: postDialDelayMs(entry),
    status: entry.status,
    endedBy: ending.by ?? 'tonewall',
    reason: ending.reason,
    q850Cause: ending.q850Cause,
    sipCause: ending.sipCause,
    attempts: entry.attempts.map(({ target, trunk, status, startedAtMs, endedAtMs: attemptEndedAtMs }) => ({
      target,
      trunk,
      status,
      ms: attemptEndedAtMs === null ? null : attemptEndedAtMs - startedAtMs,
    })),
    rtpengine: entry.rtpengine,
    codecs: entry.codecs,
    media: entry.quality,
    windows: entry.windows.map(({ openedAtMs, closedAtMs, outcome }) => ({
      openedAt: isoTime(openedAtMs),
      ms: (closedAtMs ?? endedAtMs) - openedAtMs,
      outcome: outcome ?? 'call_ended',
    })),
  }
}

function postDialDelayMs(entry: CallEntry): number | null {
  const heardAtMs = entry.ringingAtMs ?? entry.answeredAtMs
  return heardAtMs === null ? null : heardAtMs - entry.startedAtMs
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms)
}
