import { CALLS_MAX, type CallView } from '../wire/call-protocol.ts'
import type { Call } from './call.ts'

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

  all(): readonly Call[] {
    return [...this.#calls.values()]
  }

  views(): readonly CallView[] {
    return this.all().map((call) => call.view())
  }
}
