import type { ForcedChoice } from './matched-filter.ts'

/** How rarely pure guessing may exceed the limit: once in a million runs. */
const ALLOWED = 1e-6

/** The hits of a forced choice that pure guessing exceeds less than once in a million runs. */
export function chanceLimit({ tries, chance }: Pick<ForcedChoice, 'tries' | 'chance'>): number {
  let mass = (1 - chance) ** tries
  let below = mass
  let hits = 0
  while (1 - below > ALLOWED && hits < tries) {
    hits += 1
    mass *= ((tries - hits + 1) / hits) * (chance / (1 - chance))
    below += mass
  }
  return hits
}
