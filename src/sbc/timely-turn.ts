import { within } from '../kit/within.ts'

/**
 * Waits for a turn on something that one at a time uses, but not past a time: whoever has it may take long. `late` when
 * that time came first, or when `isOver` says at the turn that it is no longer wanted; then the action never runs. What
 * has begun is waited for.
 */
export async function timelyTurn<Value>(options: {
  readonly exclusive: (action: () => Promise<Value>) => Promise<Value>
  /** As performance.now() counts. */
  readonly untilMs: number
  readonly isOver: () => boolean
  readonly action: () => Promise<Value>
  readonly late: Value
}): Promise<Value> {
  const { exclusive, untilMs, isOver, action, late } = options
  const state = { hasBegun: false, hasGivenUp: false }
  const turn = exclusive(() => {
    // A timer may go off a little before the clock says so.
    if (state.hasGivenUp || isOver() || performance.now() >= untilMs) return Promise.resolve(late)
    state.hasBegun = true
    return action()
  })
  const done = turn.then((value) => ({ value }))
  const inTime = await within(done, Math.max(untilMs - performance.now(), 0), null)
  if (inTime === null && !state.hasBegun) {
    state.hasGivenUp = true
    return late
  }
  return (inTime ?? (await done)).value
}
