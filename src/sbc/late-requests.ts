import type { SipDialog } from './sip-server.ts'

/**
 * How long after a window's close a request can arrive that the payer sent inside of it. A sender repeats one that got
 * no answer for 32 s (64*T1, RFC 3261 section 17.1.2.2, Timer F), and the SIP server may hold one back so that keys
 * arrive in their order, for T1 and a little more: less than a second. test/sbc/late-requests.test.ts compares the two.
 */
export const LATE_REQUEST_MS_MAX = 33_000

/**
 * Dialogs of payers whose window has closed just now: a key that was lost on its way and sent again is none of the
 * agent's. By dialog and not by call, since a leg can go from one call to another.
 */
export class LateRequests {
  readonly #untilMs = new WeakMap<SipDialog, number>()
  readonly #nowMs: () => number

  /** `nowMs`: a clock that never runs backwards. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** The payer's window has closed now. */
  expect(payer: SipDialog): void {
    this.#untilMs.set(payer, this.#nowMs() + LATE_REQUEST_MS_MAX)
  }

  /** Whether a request in this dialog may have been sent inside of a window. */
  mayCome(dialog: SipDialog): boolean {
    const untilMs = this.#untilMs.get(dialog)
    return untilMs !== undefined && this.#nowMs() < untilMs
  }
}
