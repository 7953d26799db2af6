import { ACCESS_CONTROLS } from './access-controls.ts'
import type { Control } from './control.ts'
import { DATA_CONTROLS } from './data-controls.ts'
import { NETWORK_CONTROLS } from './network-controls.ts'
import { SOFTWARE_CONTROLS } from './software-controls.ts'

/** All rows, in the order of the standard. */
export const CONTROLS: readonly Control[] = [
  ...NETWORK_CONTROLS,
  ...DATA_CONTROLS,
  ...ACCESS_CONTROLS,
  ...SOFTWARE_CONTROLS,
].toSorted((one, other) => compareRequirements(one.requirement, other.requirement))

/** By number, part by part: 3.3.2 comes before 3.10. */
export function compareRequirements(one: string, other: string): number {
  const [first, second] = [one, other].map((text) => text.split('.').map(Number))
  for (let part = 0; part < Math.max(first?.length ?? 0, second?.length ?? 0); part += 1) {
    const difference = (first?.[part] ?? 0) - (second?.[part] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
