import type { Metrics } from '../kit/metrics.ts'
import type { TrunkConfiguration } from '../wire/configuration.ts'

/** Source addresses that are counted; one trunk has a handful. Beyond them the one that was quiet longest is forgotten. */
const SOURCES_MAX = 10_000
/** What a caller is told to wait: calls come and go in seconds. */
const RETRY_AFTER_SECONDS = 2

export type Admission =
  | { readonly kind: 'admitted'; /** The call is over. May be called twice. */ readonly release: () => void }
  | { readonly kind: 'limited'; readonly limit: 'calls_per_second' | 'calls'; readonly retryAfterSeconds: number }

/**
 * How many calls one source address of a trunk may begin in a second, and have at one time. The first is a token bucket
 * that holds one second's worth, so that a burst of that size passes.
 */
export class SourceLimits {
  readonly #sources = new Map<string, Source>()
  readonly #nowMs: () => number
  readonly #limited: { inc(labels: { readonly trunk: string; readonly limit: string }): void }

  constructor(options: { readonly nowMs: () => number; readonly metrics: Metrics }) {
    this.#nowMs = options.nowMs
    this.#limited = options.metrics.counter(
      'tonewall_sbc_limited_total',
      'INVITEs that were refused because their source had reached a limit of its trunk',
      ['trunk', 'limit'],
    )
  }

  admit(trunk: Pick<TrunkConfiguration, 'name' | 'limits'>, address: string): Admission {
    const { callsPerSecond, calls } = trunk.limits
    if (callsPerSecond === null && calls === null) return { kind: 'admitted', release: () => undefined }
    const source = this.#sourceOf(`${trunk.name} ${address}`, callsPerSecond ?? 0)
    if (calls !== null && source.calls >= calls) return this.#refuse(trunk, 'calls')
    if (callsPerSecond !== null) {
      const nowMs = this.#nowMs()
      source.tokens = Math.min(callsPerSecond, source.tokens + ((nowMs - source.filledMs) / 1_000) * callsPerSecond)
      source.filledMs = nowMs
      if (source.tokens < 1) return this.#refuse(trunk, 'calls_per_second')
      source.tokens -= 1
    }
    source.calls += 1
    let isOver = false
    return {
      kind: 'admitted',
      release: () => {
        if (!isOver) source.calls -= 1
        isOver = true
      },
    }
  }

  #sourceOf(key: string, tokens: number): Source {
    const known = this.#sources.get(key) ?? { calls: 0, tokens, filledMs: this.#nowMs() }
    // The last that was heard stands last.
    this.#sources.delete(key)
    this.#sources.set(key, known)
    if (this.#sources.size > SOURCES_MAX) this.#forgetOne()
    return known
  }

  #forgetOne(): void {
    const [oldest] = this.#sources.keys()
    if (oldest !== undefined) this.#sources.delete(oldest)
  }

  #refuse(trunk: Pick<TrunkConfiguration, 'name'>, limit: 'calls_per_second' | 'calls'): Admission {
    this.#limited.inc({ trunk: trunk.name, limit })
    return { kind: 'limited', limit, retryAfterSeconds: RETRY_AFTER_SECONDS }
  }
}

type Source = { calls: number; tokens: number; filledMs: number }
