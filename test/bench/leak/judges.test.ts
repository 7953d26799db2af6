import t from 'tap'
import type { HeardCall, Verdict } from '../../../bench/leak/judges/judge.ts'
import { LearnedJudge } from '../../../bench/leak/judges/learned.ts'
import { MatchedFilterJudge } from '../../../bench/leak/judges/matched-filter.ts'
import { multimonJudge } from '../../../bench/leak/judges/multimon.ts'
import { Sighting } from '../../../bench/leak/judges/sight.ts'
import { spandspJudge } from '../../../bench/leak/judges/spandsp.ts'
import { CHANCE, PLAIN, type Scenario } from '../../../bench/leak/scenario.ts'
import { LINEAR, makeStimulus, type KeyPress } from '../../../bench/leak/stimulus.ts'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

const CALLS = 40
const SCENARIO: Scenario = { ...PLAIN, name: 'test', axis: 'crossing', at: 0, gapMs: [60, 120] }

/** Writes noise like the masker's over a stretch. */
type Mask = (samples: Int16Array, press: KeyPress, random: () => number) => void

function noise(samples: Int16Array, from: number, to: number, random: () => number): void {
  for (let n = Math.max(0, from); n < to; n += 1) samples[n] = Math.round((random() * 2 - 1) * 40)
}

const whole: Mask = (samples, press, random) =>
  noise(samples, press.start - 80, press.start + press.samples + 80, random)

function calls(mask: Mask | null, scenario = SCENARIO): readonly HeardCall[] {
  const random = seededRandom(9)
  return Array.from({ length: CALLS }, (_, call) => {
    const { presses, audio } = makeStimulus(scenario, { seed: 100 + call, voices: [] })
    const samples = Int16Array.from(audio, (byte) => LINEAR.ulaw[byte] ?? 0)
    if (mask !== null) for (const press of presses) mask(samples, press, random)
    return { samples, presses }
  })
}

function attack(heard: readonly HeardCall[]): { readonly matchedFilter: Verdict; readonly learned: Verdict } {
  const sighting = new Sighting({ offset: 0 })
  const matchedFilter = new MatchedFilterJudge()
  const learned = new LearnedJudge({ seed: 4 })
  for (const [index, call] of heard.entries()) {
    for (const press of call.presses) {
      const sight = sighting.sightOf(call, press)
      matchedFilter.see(sight, index % 2 === 0 ? 0 : 1)
      learned.see(sight, index % 2 === 0 ? 0 : 1)
    }
  }
  return { matchedFilter: matchedFilter.verdict(), learned: learned.verdict() }
}

const part = ({ hits, keys }: Verdict): number => hits / keys

/** Three deviations above chance: of 800 keys this is what luck does not reach. */
const LUCK = CHANCE + 3 * Math.sqrt((CHANCE * (1 - CHANCE)) / (CALLS * SCENARIO.keysPerCall))

t.test('without a mask the matched filter and the learned attacker name all keys', (t) => {
  const { matchedFilter, learned } = attack(calls(null))
  t.equal(matchedFilter.keys, CALLS * SCENARIO.keysPerCall)
  t.ok(part(matchedFilter) > 0.99)
  t.ok(part(learned) > 0.97)
  t.end()
})

t.test('behind a whole mask both are left to chance', (t) => {
  const { matchedFilter, learned } = attack(calls(whole))
  t.ok(part(matchedFilter) < LUCK)
  t.ok(part(learned) < LUCK)
  t.ok(learned.upper99 > part(learned))
  t.end()
})

t.test('a mask that lets the last fifth of each tone through is found out by both', (t) => {
  const { matchedFilter, learned } = attack(
    calls((samples, press, random) =>
      noise(samples, press.start - 80, press.start + Math.round(0.8 * press.samples), random),
    ),
  )
  t.ok(part(matchedFilter) > 0.95)
  t.ok(part(learned) > 0.9)
  t.end()
})

t.test('a tone 25 dB below what covers it is found by both', (t) => {
  const faint = calls((samples, press, random) => {
    for (let n = press.start; n < press.start + press.samples; n += 1) {
      samples[n] = Math.round((samples[n] ?? 0) * 0.002 + (random() * 2 - 1) * 300)
    }
  })
  const { matchedFilter, learned } = attack(faint)
  t.ok(part(matchedFilter) > 1.4 * LUCK, `matched filter ${part(matchedFilter)}`)
  t.ok(part(learned) > 1.4 * LUCK, `learned ${part(learned)}`)
  t.end()
})

t.test('one key in eight let through is found by both', (t) => {
  const { matchedFilter, learned } = attack(
    calls((samples, press, random) => {
      if (random() > 0.125) whole(samples, press, random)
    }),
  )
  t.ok(part(matchedFilter) > 0.15)
  t.ok(part(learned) > 0.15)
  t.end()
})

t.test('a mask whose length depends on the key is found by the learned attacker alone', (t) => {
  const { matchedFilter, learned } = attack(
    calls((samples, press, random) => {
      samples.fill(0, press.start - 80, press.start + press.samples + 600)
      noise(samples, press.start - 80, press.start + press.samples + 40 * press.key, random)
    }),
  )
  t.ok(part(learned) > 0.3, `learned ${part(learned)}`)
  t.ok(part(matchedFilter) < part(learned))
  t.end()
})

t.test('the matched filter tells keys apart in two milliseconds', (t) => {
  const { matchedFilter, learned } = attack(calls(null, { ...SCENARIO, toneMs: [2.5, 2.5] }))
  t.ok(part(matchedFilter) > 0.25, `matched filter ${part(matchedFilter)}`)
  t.ok(part(learned) > 0.5, `learned ${part(learned)}`)
  t.end()
})

t.test('multimon-ng and spandsp read clear keys, each at its own key, and nothing behind a mask', async (t) => {
  const clear = calls(null).slice(0, 5)
  const masked = calls(whole).slice(0, 5)
  // The keys of every second press only: what is read must not slip to its neighbour.
  const half = clear.map((call) => {
    const samples = call.samples.slice()
    for (const [index, press] of call.presses.entries()) {
      if (index % 2 === 1) samples.fill(0, press.start, press.start + press.samples)
    }
    return { ...call, samples }
  })
  for (const newJudge of [multimonJudge, spandspJudge]) {
    const verdicts: Verdict[] = []
    for (const heard of [clear, masked, half]) {
      const judge = newJudge()
      for (const call of heard) await judge.hear(call)
      verdicts.push(await judge.verdict())
      judge.close()
    }
    t.same(
      verdicts.map(({ hits, keys }) => [hits, keys]),
      [
        [100, 100],
        [0, 100],
        [50, 100],
      ],
      newJudge.name,
    )
  }
})
