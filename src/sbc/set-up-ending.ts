import { reject, unavailable } from './rejection.ts'
import type { Attempt } from './set-up-attempt.ts'

/** The longest that a called party may ring; carriers give up between two and three minutes. */
const RING_MS_MAX = 180_000
/** rtpengines are asked anew every second or so. */
export const ENGINE_RETRY_SECONDS = 5

type SetUp = Pick<Attempt, 'request' | 'response' | 'signal'> & { readonly place: Pick<Attempt['place'], 'gone'> }

/** Why an attempt may end before it is answered: the caller cancels, it rings too long, no rtpengine is left, the sbc gives it up. */
export class SetUpEnding {
  readonly #attempt: SetUp
  readonly #ringing: NodeJS.Timeout
  readonly #stop = new AbortController()
  #isCancelled = false
  #hasRungTooLong = false

  constructor(attempt: SetUp) {
    this.#attempt = attempt
    this.#ringing = setTimeout(() => {
      this.#hasRungTooLong = true
      this.#stop.abort()
    }, RING_MS_MAX)
    attempt.request.on('cancel', () => {
      this.#isCancelled = true
      this.#stop.abort()
    })
    attempt.place.gone.addEventListener('abort', this.#noMedia)
    attempt.signal.addEventListener('abort', this.#abort)
    if (attempt.signal.aborted) this.#abort()
  }

  /** Aborted when nobody is to be called any more: what rings is cancelled, what answers is hung up. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get hasRungTooLong(): boolean {
    return this.#hasRungTooLong
  }

  /**
   * No response of ours goes to the caller any more; the SIP server answers a cancelled INVITE with 487 itself. A
   * method, because it can change while something is waited for.
   */
  isOver(): boolean {
    return this.#isCancelled || this.#attempt.response.finalResponseSent
  }

  forget(): void {
    clearTimeout(this.#ringing)
    this.#attempt.signal.removeEventListener('abort', this.#abort)
    this.#attempt.place.gone.removeEventListener('abort', this.#noMedia)
  }

  readonly #noMedia = (): void => {
    if (!this.isOver()) unavailable(this.#attempt.response, ENGINE_RETRY_SECONDS)
    this.#stop.abort()
  }

  readonly #abort = (): void => {
    if (!this.isOver()) reject(this.#attempt.response, 503)
    this.#stop.abort()
  }
}
