import { seededRandom } from '../../src/demo/audio/seeded-random.ts'

/** Statistics of the benches: medians of ratios within one run, with a bootstrap interval. */

/** The value below which this share of the values lies (nearest rank). NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((first, second) => first - second)
  return ordered[Math.min(ordered.length - 1, Math.max(0, Math.ceil(share * ordered.length) - 1))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const ordered = [...values].sort((first, second) => first - second)
  const middle = Math.floor(ordered.length / 2)
  const upper = ordered[middle] ?? Number.NaN
  return ordered.length % 2 === 1 ? upper : ((ordered[middle - 1] ?? Number.NaN) + upper) / 2
}

export type RatioEstimate = {
  readonly ratio: number
  readonly low95: number
  readonly high95: number
  readonly rounds: number
}

const RESAMPLES = 2_000

/**
 * The median of the per-round ratios of two arms, and its 95 % bootstrap interval. Rounds are compared with their own
 * round only, so that a machine that slows down half-way slows both.
 */
export function ratioOfRounds(
  measured: readonly number[],
  baseline: readonly number[],
  options: { readonly seed: number },
): RatioEstimate {
  const ratios = measured
    .map((value, round) => value / (baseline[round] ?? Number.NaN))
    .filter((ratio) => Number.isFinite(ratio))
  const random = seededRandom(options.seed)
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] ?? Number.NaN)),
  )
  return {
    ratio: median(ratios),
    low95: quantile(medians, 0.025),
    high95: quantile(medians, 0.975),
    rounds: ratios.length,
  }
}
