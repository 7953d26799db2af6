import type { Test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { chanceLimit } from '../../src/demo/judge/chance-limit.ts'
import type { SiteLine } from '../fakes/site-line.ts'

const HEAR_EVERY_MS = 250
/** A report carries every packet of a call, and takes seconds on a machine that is busy. */
const HEARD_MS_MAX = 12_000
const PACKETS_MIN = 5
/** A judge by ear misses a key of 60 ms when the machine stands still while the key is sent. */
const CONTROL_MISSES_MAX = 0.03

/** The agent's side has nothing of all keys that were pressed on the line, and the same judges read them at the payer's. */
export async function nothingRecovered(t: Test, line: SiteLine): Promise<void> {
  const { keys, told, agent, payer, forcedChoice } = await line.judge()
  t.comment(
    JSON.stringify({
      keyedAgain: line.keyedAgain,
      keys,
      told,
      agent,
      payer,
      hits: forcedChoice.hits,
      tries: forcedChoice.tries,
    }),
  )
  t.ok(keys > 0, 'keys were pressed')
  t.same(agent, { events: 0, multimon: 0, matchedFilter: 0 }, 'no judge reads a key on the side of the agent')
  t.ok(forcedChoice.hits <= chanceLimit(forcedChoice), 'the matched filter guesses no better than chance')
  t.equal(Math.min(payer.events, told), told, 'the control: every event is there on the side of the payer')
  const readMin = keys - Math.ceil(keys * CONTROL_MISSES_MAX)
  t.ok(payer.matchedFilter >= readMin, 'the control: the matched filter reads all but a few')
  t.ok(payer.multimon >= readMin, 'the control: multimon-ng reads all but a few')
}

/** The agent hears the payer again: packets arrive, a second's worth within a few seconds. */
export async function heardFromPayer(t: Test, line: SiteLine, sinceUs: number): Promise<void> {
  const untilMs = performance.now() + HEARD_MS_MAX
  let packets = 0
  while (packets < PACKETS_MIN && performance.now() < untilMs) {
    const { received } = await line.agent.report()
    packets = received.filter(({ atUs }) => atUs >= sinceUs).length
    if (packets < PACKETS_MIN) await delay(HEAR_EVERY_MS)
  }
  t.ok(packets >= PACKETS_MIN, 'the agent hears the payer again')
}
