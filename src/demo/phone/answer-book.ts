import { T1_MS, T2_MS, TRANSACTION_MS } from './client-transaction.ts'

/** Answers kept for requests that are sent again. A phone with one call never has more in 32 s. */
const ANSWERS_MAX = 256

/**
 * The server side of all transactions of one phone: the last answer to every request, given again when the request
 * is heard again (RFC 3261 section 17.2), and final answers to INVITE sent again until the ACK (section 13.3.1.4).
 */
export class AnswerBook {
  readonly #answers = new Map<string, () => void>()
  readonly #unacknowledged = new Map<string, { timer: NodeJS.Timeout; readonly onLost: () => void }>()

  /** True when the request was heard before; the last answer, if any, has then been sent again. */
  heardBefore(transaction: string): boolean {
    const again = this.#answers.get(transaction)
    if (again === undefined) return false
    again()
    return true
  }

  /** Notes a request before it has an answer, so that its repetition is not taken for a new one. */
  note(transaction: string): void {
    this.answer(transaction, () => undefined)
  }

  answer(transaction: string, send: () => void): void {
    if (this.#answers.size >= ANSWERS_MAX) {
      const oldest = this.#answers.keys().next()
      if (oldest.done !== true) this.#answers.delete(oldest.value)
    }
    this.#answers.delete(transaction)
    this.#answers.set(transaction, send)
    send()
  }

  /** Sends a final answer to an INVITE until acknowledged() or 32 s, then tells onLost. */
  answerUntilAcknowledged(
    transaction: string,
    key: string,
    actions: { readonly send: () => void; readonly onLost: () => void },
  ): void {
    this.answer(transaction, actions.send)
    this.acknowledged(key)
    let intervalMs = T1_MS
    let spentMs = 0
    const again = (): void => {
      spentMs += intervalMs
      if (spentMs >= TRANSACTION_MS) {
        this.#unacknowledged.delete(key)
        actions.onLost()
        return
      }
      actions.send()
      intervalMs = Math.min(intervalMs * 2, T2_MS)
      entry.timer = setTimeout(again, intervalMs)
    }
    const entry = { timer: setTimeout(again, intervalMs), onLost: actions.onLost }
    this.#unacknowledged.set(key, entry)
  }

  /** Stops repeating the answer with this key; false when none was waiting. */
  acknowledged(key: string): boolean {
    const entry = this.#unacknowledged.get(key)
    if (entry === undefined) return false
    clearTimeout(entry.timer)
    return this.#unacknowledged.delete(key)
  }

  /** Stops all timers. Safe to call twice. */
  close(): void {
    for (const { timer } of this.#unacknowledged.values()) clearTimeout(timer)
    this.#unacknowledged.clear()
    this.#answers.clear()
  }
}
