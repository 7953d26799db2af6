/** A repeatable source of chance for tests and benches (mulberry32): the same seed gives the same run everywhere. */
export type SeededRandom = {
  /** 0 up to, not including, 1. */
  readonly next: () => number
  /** A whole number from 0 up to, not including, the limit. */
  readonly below: (limit: number) => number
  /** Normally distributed, mean 0, deviation 1. */
  readonly gaussian: () => number
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return {
    next,
    below: (limit) => Math.floor(next() * limit),
    gaussian: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  }
}
