import { isDeepStrictEqual } from 'node:util'
import type { CallView } from '../wire/call-protocol.ts'

/** An ended call stays this long, so that its token can still be read and copied after the parties hung up. */
const ENDED_KEPT_MS = 600_000
/** Ended calls kept at most; the oldest go first. */
export const ENDED_MAX = 1_000

/** Whether the sbc is telling us about its calls at this moment. */
export type SbcState = 'up' | 'down'

/** What a reader of the book has to be told. 'gone': this agent no longer sees the call. */
export type BookChange =
  | { readonly type: 'call'; readonly call: CallView }
  | { readonly type: 'gone'; readonly callId: string; readonly agent: string }
  | { readonly type: 'sbc'; readonly sbc: SbcState }

/**
 * The calls as the sbc last told them. It decides nothing about a call: a snapshot replaces what is here, a change
 * replaces one call, and a call that a new snapshot does not know has ended. Clocks and sockets are outside.
 */
export class CallBook {
  readonly #calls = new Map<string, CallView>()
  #sbc: SbcState = 'down'
  #synced = false

  get sbc(): SbcState {
    return this.#sbc
  }

  /** True once the sbc has told all calls, though it may be down since. */
  get synced(): boolean {
    return this.#synced
  }

  get(callId: string): CallView | null {
    return this.#calls.get(callId) ?? null
  }

  /** Calls of one agent, or of all for null, the newest first. */
  list(agent: string | null): readonly CallView[] {
    const calls = [...this.#calls.values()].filter((call) => agent === null || call.agent === agent)
    return calls.sort((a, b) => b.startedAtMs - a.startedAtMs)
  }

  /** All calls that the sbc has now. Ended calls are our own memory and stay. */
  replace(calls: readonly CallView[], nowMs: number): readonly BookChange[] {
    const told = new Set(calls.map((call) => call.callId))
    const changes: BookChange[] = []
    if (this.#sbc === 'down') changes.push({ type: 'sbc', sbc: 'up' })
    this.#sbc = 'up'
    this.#synced = true
    for (const call of [...this.#calls.values()]) {
      if (call.state !== 'ended' && !told.has(call.callId)) changes.push(...this.put(endedUnseen(call, nowMs)))
    }
    for (const call of calls) changes.push(...this.put(call))
    return [...changes, ...this.prune(nowMs)]
  }

  /** One call as it now is. A call that is as it was makes no change. */
  put(call: CallView): readonly BookChange[] {
    const before = this.#calls.get(call.callId)
    if (before !== undefined && isDeepStrictEqual(before, call)) return []
    this.#calls.set(call.callId, call)
    const moved = before !== undefined && before.agent !== call.agent
    return [
      ...(moved ? [{ type: 'gone', callId: call.callId, agent: before.agent } as const] : []),
      { type: 'call', call },
    ]
  }

  /** The sbc has not been reachable for too long. The calls stay as they were: nobody knows better. */
  lose(): readonly BookChange[] {
    if (this.#sbc === 'down') return []
    this.#sbc = 'down'
    return [{ type: 'sbc', sbc: 'down' }]
  }

  /** Forgets ended calls that are old or too many. */
  prune(nowMs: number): readonly BookChange[] {
    const ended = [...this.#calls.values()]
      .filter((call) => call.state === 'ended')
      .sort((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0))
    const forgotten = ended.filter((call, index) => index >= ENDED_MAX || nowMs - (call.endedAtMs ?? 0) > ENDED_KEPT_MS)
    for (const call of forgotten) this.#calls.delete(call.callId)
    return forgotten.map((call) => ({ type: 'gone', callId: call.callId, agent: call.agent }))
  }
}

/** A call whose end we did not hear of. A payment that was running in it has failed with the sbc. */
function endedUnseen(call: CallView, nowMs: number): CallView {
  const { payment } = call
  const lost = payment !== null && payment.state !== 'closed'
  return {
    ...call,
    state: 'ended',
    endedAtMs: nowMs,
    payment: lost ? { ...payment, state: 'closed', failure: payment.token === null ? 'sbc_lost' : null } : payment,
  }
}
