import { hasToken, valueOf, type SipResponse } from './message.ts'
import { tagOf } from './name-addr.ts'

/** Lets the reliable provisionals of one INVITE through once and in order, each fork for itself (RFC 3262 section 4). */
export class ProvisionalOrder {
  /** Highest RSeq seen, by fork tag. */
  readonly #rseqs = new Map<string, number>()

  /** True for what is to be passed up: each provisional that is not reliable, and the next one that is. */
  isNew(response: SipResponse): boolean {
    const rseq = valueOf(response, 'rseq')
    if (rseq === undefined || !hasToken(response, 'require', '100rel')) return true
    const number = Number(rseq)
    if (!Number.isInteger(number)) return false
    const tag = tagOf(valueOf(response, 'to') ?? '') ?? ''
    const last = this.#rseqs.get(tag)
    if (last !== undefined && number !== last + 1) return false
    this.#rseqs.set(tag, number)
    return true
  }
}
