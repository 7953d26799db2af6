/** One thing to measure; a measurement gives named numbers and, if it likes, all single values behind them. */
export type Arm = { readonly name: string; readonly measure: () => Promise<Measurement> }
export type Measurement = { readonly figures: Readonly<Record<string, number>>; readonly values?: readonly number[] }
export type ArmRounds = ReadonlyMap<string, readonly Measurement[]>

/** Which arm runs when: forwards and backwards in turn (ABBA), so that a drift of the machine meets all arms alike. */
export function abbaOrder(arms: number, rounds: number): readonly (readonly number[])[] {
  const forwards = Array.from({ length: arms }, (_unused, index) => index)
  return Array.from({ length: rounds }, (_unused, round) => (round % 2 === 0 ? forwards : forwards.toReversed()))
}

/**
 * Runs all arms in each round. The first `warmUp` rounds are run and dropped. A round in which an arm fails is dropped
 * for all arms, and counted: ratios compare within a round.
 */
export async function runArms(
  arms: readonly Arm[],
  options: { readonly rounds: number; readonly warmUp: number; readonly say: (line: string) => void },
): Promise<{ readonly rounds: ArmRounds; readonly dropped: number }> {
  const kept = new Map(arms.map((arm) => [arm.name, [] as Measurement[]]))
  let dropped = 0
  for (const [round, order] of abbaOrder(arms.length, options.rounds + options.warmUp).entries()) {
    const measured = new Map<string, Measurement>()
    try {
      for (const index of order) {
        const arm = arms[index]
        if (arm !== undefined) measured.set(arm.name, await arm.measure())
      }
    } catch (error) {
      dropped += 1
      options.say(`round ${round + 1} dropped: ${error instanceof Error ? error.message : 'an arm failed'}`)
      continue
    }
    const isWarmUp = round < options.warmUp
    options.say(`round ${round + 1} of ${options.rounds + options.warmUp}${isWarmUp ? ' (warm-up)' : ''}`)
    if (!isWarmUp) for (const [name, measurement] of measured) kept.get(name)?.push(measurement)
  }
  return { rounds: kept, dropped }
}

/** One figure of an arm over all rounds. */
export function figureOf(rounds: ArmRounds, arm: string, figure: string): readonly number[] {
  return (rounds.get(arm) ?? []).map((measurement) => measurement.figures[figure] ?? Number.NaN)
}
