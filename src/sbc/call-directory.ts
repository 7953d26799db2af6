import { CALLS_MAX, type CallView } from '../wire/call-protocol.ts'
import type { Call } from './call.ts'
import type { Leg } from './leg.ts'
import type { DialogName } from './refer-target.ts'

/** The answered calls of this sbc. A call that ended is out of it at once; the desk remembers it a while. */
export class CallDirectory {
  readonly #calls = new Map<string, Call>()

  get size(): number {
    return this.#calls.size
  }

  get isFull(): boolean {
    return this.#calls.size >= CALLS_MAX
  }

  add(call: Call): void {
    this.#calls.set(call.facts.callId, call)
  }

  remove(call: Call): void {
    this.#calls.delete(call.facts.callId)
  }

  find(callId: string): Call | null {
    return this.#calls.get(callId) ?? null
  }

  /** The call and leg of a dialog, by its Call-ID and both tags (RFC 3891 section 3). */
  findLeg(dialog: DialogName): { readonly call: Call; readonly leg: Leg } | null {
    for (const call of this.#calls.values()) {
      const leg = call.legOf(dialog)
      if (leg !== null) return { call, leg }
    }
    return null
  }

  all(): readonly Call[] {
    return [...this.#calls.values()]
  }

  views(): readonly CallView[] {
    return this.all().map((call) => call.view())
  }
}
