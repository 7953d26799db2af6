import { hideCardNumbers } from '../kit/card-shaped.ts'
import { CALLS_MAX } from '../wire/call-protocol.ts'
import type { LiveCall } from '../wire/operator-protocol.ts'
import { CallEntry } from './call-entry.ts'
import { callRecord, type CallRecord } from './call-record.ts'

/** Ended calls that an operator may still ask for, and for how long; sipd keeps their messages as long. */
const ENDED_MAX = 5_000
const ENDED_MS_MAX = 15 * 60_000
/** INVITEs that are looked after at one time: calls, and as many again that are being set up. */
const ENTRIES_MAX = 2 * CALLS_MAX

/** Every call from its INVITE on, and some minutes longer than it lives. */
export class CallJournal {
  readonly #live = new Set<CallEntry>()
  /** In the order in which they ended. */
  readonly #ended: CallEntry[] = []
  readonly #dateMs: () => number
  readonly #finished: (record: CallRecord, entry: CallEntry) => void

  constructor(options: {
    readonly dateMs: () => number
    /** A call, or an attempt, is over. */
    readonly finished: (record: CallRecord, entry: CallEntry) => void
  }) {
    this.#dateMs = options.dateMs
    this.#finished = options.finished
  }

  get size(): number {
    return this.#live.size
  }

  /** Null when there is no room: the call goes on unrecorded. */
  begin(options: Omit<ConstructorParameters<typeof CallEntry>[0], 'dateMs'>): CallEntry | null {
    if (this.#live.size >= ENTRIES_MAX) return null
    const entry = new CallEntry({ ...options, dateMs: this.#dateMs })
    this.#live.add(entry)
    return entry
  }

  /** The entry is over; what was measured of its media has been put into it. Safe to call twice. */
  finish(entry: CallEntry): void {
    if (!this.#live.delete(entry)) return
    this.#finished(callRecord(entry), entry)
    // What is left for an operator needs no call, which holds its dialogs and media.
    entry.call = null
    this.#ended.push(entry)
    const nowMs = this.#dateMs()
    while (this.#ended.length > ENDED_MAX || nowMs - (this.#ended[0]?.endedAtMs ?? nowMs) > ENDED_MS_MAX)
      this.#ended.shift()
  }

  /** By our own id, or the SIP Call-ID of either leg; the newest first. */
  find(id: string): CallEntry | null {
    const fits = ({ callId, sipCallIds }: CallEntry): boolean =>
      callId === id || sipCallIds.payer.has(id) || sipCallIds.agent.has(id)
    return [...this.#live].find(fits) ?? this.#ended.findLast(fits) ?? null
  }

  entries(): readonly CallEntry[] {
    return [...this.#live]
  }

  liveCalls(): readonly LiveCall[] {
    return [...this.#live].filter(({ endedAtMs }) => endedAtMs === null).map(liveCall)
  }
}

function liveCall(entry: CallEntry): LiveCall {
  const view = entry.call?.view() ?? null
  const isInbound = entry.callerParty === 'payer'
  const callee = entry.attempts.at(-1)?.trunk ?? null
  const { payment } = view ?? { payment: null }
  return {
    callId: entry.callId,
    sipCallId: [...entry.sipCallIds[entry.callerParty]][0] ?? '-',
    state: view === null ? 'ringing' : view.state === 'held' ? 'held' : 'talking',
    direction: isInbound ? 'inbound' : 'outbound',
    from: shown(entry.from),
    to: shown(entry.to),
    payerTrunk: view?.payerTrunk ?? (isInbound ? entry.callerTrunk : callee),
    agentTrunk: view?.agentTrunk ?? (isInbound ? callee : entry.callerTrunk),
    merchant: entry.merchant,
    agent: entry.agent,
    startedAtMs: entry.startedAtMs,
    answeredAtMs: entry.answeredAtMs,
    window: payment === null || payment.state === 'closed' ? null : payment.state,
    rtpengine: entry.rtpengine,
    payerCodec: entry.codecs.payer ?? '-',
    agentCodec: entry.codecs.agent ?? '-',
  }
}

function shown(party: string): string {
  return hideCardNumbers(party.replace(/[^\x20-\x7e]/g, '').slice(0, 64))
}
