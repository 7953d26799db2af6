const MINUTE_MS = 60_000

export type Taken =
  | { readonly kind: 'taken' }
  /** `isNews`: nobody was told of it within the last minute, so that a flood has one record a minute. */
  | { readonly kind: 'limited'; readonly retryAfterS: number; readonly isNews: boolean }

/** So many a minute, of which those that were not used are saved for a minute at most. Counts in this process alone. */
export class RateLimit {
  readonly #perMinute: number
  readonly #nowMs: () => number
  #left: number
  #atMs: number
  #toldMs = -Infinity

  /** `nowMs` never goes back. */
  constructor(perMinute: number, nowMs: () => number) {
    this.#perMinute = perMinute
    this.#nowMs = nowMs
    this.#left = perMinute
    this.#atMs = nowMs()
  }

  take(): Taken {
    const nowMs = this.#nowMs()
    this.#left = Math.min(this.#perMinute, this.#left + ((nowMs - this.#atMs) * this.#perMinute) / MINUTE_MS)
    this.#atMs = nowMs
    if (this.#left >= 1) {
      this.#left -= 1
      return { kind: 'taken' }
    }
    const retryAfterS = Math.ceil(((1 - this.#left) * MINUTE_MS) / this.#perMinute / 1_000)
    const isNews = nowMs - this.#toldMs >= MINUTE_MS
    if (isNews) this.#toldMs = nowMs
    return { kind: 'limited', retryAfterS, isNews }
  }
}
