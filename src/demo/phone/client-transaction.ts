import type { SipRequest, SipResponse } from './sip-text.ts'

/** Timers of RFC 3261 table 4, in ms. */
export const T1_MS = 500
export const T2_MS = 4_000
export const TRANSACTION_MS = 64 * T1_MS

/**
 * One request until its final response, sent again over UDP until it is heard
 * (RFC 3261 sections 17.1.1.2 and 17.1.2.2).
 *
 * onFinal is called once: with the response, or with undefined when nothing came in time.
 */
export class ClientTransaction {
  readonly request: SipRequest
  readonly #send: () => void
  readonly #onProvisional: (response: SipResponse) => void
  readonly #onFinal: (response: SipResponse | undefined) => void
  readonly #provisionalMs: number
  #resend: NodeJS.Timeout | undefined
  #limit: NodeJS.Timeout | undefined
  #intervalMs = T1_MS
  #heard = false
  #done = false

  constructor(options: {
    readonly request: SipRequest
    readonly send: () => void
    readonly onProvisional: (response: SipResponse) => void
    readonly onFinal: (response: SipResponse | undefined) => void
    /** How long to wait once a provisional response was heard (a telephone may ring for long). */
    readonly provisionalMs?: number
  }) {
    this.request = options.request
    this.#send = options.send
    this.#onProvisional = options.onProvisional
    this.#onFinal = options.onFinal
    this.#provisionalMs = options.provisionalMs ?? TRANSACTION_MS
    this.#limit = setTimeout(() => this.#finish(undefined), TRANSACTION_MS)
    this.#sendAndArm()
  }

  /** True once any response was heard; only then may an INVITE be cancelled (RFC 3261 section 9.1). */
  get heard(): boolean {
    return this.#heard
  }

  receive(response: SipResponse): void {
    if (this.#done) return
    if (response.status >= 200) {
      this.#finish(response)
      return
    }
    if (!this.#heard) {
      this.#heard = true
      clearTimeout(this.#limit)
      this.#limit = setTimeout(() => this.#finish(undefined), this.#provisionalMs)
      clearTimeout(this.#resend)
      this.#intervalMs = T2_MS
      if (this.request.method !== 'INVITE') this.#arm()
    }
    this.#onProvisional(response)
  }

  /** Ends the transaction without a word. Safe to call twice. */
  close(): void {
    this.#done = true
    clearTimeout(this.#resend)
    clearTimeout(this.#limit)
  }

  #finish(response: SipResponse | undefined): void {
    if (this.#done) return
    this.close()
    this.#onFinal(response)
  }

  #sendAndArm(): void {
    this.#send()
    this.#arm()
  }

  #arm(): void {
    this.#resend = setTimeout(() => {
      this.#intervalMs = this.request.method === 'INVITE' ? this.#intervalMs * 2 : Math.min(this.#intervalMs * 2, T2_MS)
      this.#sendAndArm()
    }, this.#intervalMs)
  }
}
