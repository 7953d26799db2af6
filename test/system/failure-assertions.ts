import type { Test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { chanceLimit } from '../../src/demo/judge/chance-limit.ts'
import type { SiteLine } from '../fakes/site-line.ts'

const HEAR_EVERY_MS = 250
const HEARD_MS_MAX = 3_000
const PACKETS_MIN = 5
/** It misses a key of 60 ms when the machine stands still while the key is sent. */
const MULTIMON_MISSES_MAX = 0.03

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
  t.same(
    { events: Math.min(payer.events, told), matchedFilter: payer.matchedFilter },
    { events: told, matchedFilter: keys },
    'the control: events and the matched filter read every key on the side of the payer',
  )
  t.ok(payer.multimon >= keys - Math.ceil(keys * MULTIMON_MISSES_MAX), 'the control: multimon-ng reads all but a few')
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
