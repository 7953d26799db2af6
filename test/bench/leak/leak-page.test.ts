import t from 'tap'
import { page } from '../../../bench/harness/page.ts'
import { verdictOf } from '../../../bench/leak/judges/judge.ts'
import { BOUND_MAX, goalsOf, worstBound } from '../../../bench/leak/leak-goals.ts'
import type { LeakResult, ScenarioOutcome } from '../../../bench/leak/leak-result.ts'
import { CHANCE } from '../../../bench/leak/scenario.ts'

const KEYS = 20_000

function outcome(name: string, told: Partial<ScenarioOutcome>, learnedHits: number): ScenarioOutcome {
  const seen = { ...verdictOf(2_000, 2_000), blind: false }
  return {
    name,
    axis: 'level',
    at: -10,
    keys: KEYS,
    chance: CHANCE,
    judges: {
      multimon: verdictOf(0, KEYS),
      spandsp: verdictOf(0, KEYS),
      matchedFilter: verdictOf(Math.round(KEYS * CHANCE), KEYS),
      learned: verdictOf(learnedHits, KEYS),
    },
    control: { multimon: { ...verdictOf(0, 2_000), blind: true }, spandsp: seen, matchedFilter: seen, learned: seen },
    silencedMsPerKey: 12,
    silencedSpeechMsPerKey: 3,
    passedToneMsPerKey: 0,
    leakedDb: -60,
    delayMs: 40,
    lookAheadMs: 40,
    alarms: 0,
    foreign: 0,
    audioSeconds: 1,
    cpuSeconds: 1,
    ...told,
  }
}

function result(scenarios: readonly ScenarioOutcome[]): LeakResult {
  const figures = { scenarios, realPath: null, speech: null, capture: null }
  return {
    bench: 'leak',
    question: 'Who hears?',
    method: 'A method.',
    at: '2026-01-01T00:00:00Z',
    machine: { cpu: 'CPU', cores: 2, memoryGiB: 4, kernel: 'Linux', versions: {} },
    data: {},
    goals: goalsOf(figures),
    plots: [],
    notes: [],
    seed: 1,
    peer: [],
    peerSettings: [],
    ...figures,
  }
}

const good = outcome('good & quiet', {}, Math.round(KEYS * CHANCE))
const bad = outcome('bad', { at: -20, silencedMsPerKey: 45 }, 4_000)

t.test('20,000 keys at chance are within the bound, and a fifth named is not', (t) => {
  t.ok(worstBound(good.judges).upper99 < BOUND_MAX)
  t.equal(worstBound(bad.judges).judge, 'learned')
  t.same(
    goalsOf(result([good])).map(({ met }) => met),
    [true, true, true, true],
  )
  const [attacker, silenced] = goalsOf(result([good, bad]))
  t.equal(attacker?.met, false)
  t.match(attacker?.measured, /missed in 1 of 2; worst 20\.\d\d %, 11\.\d\d points over \(bad\)/)
  t.equal(silenced?.met, false)
  t.end()
})

t.test('the page says the verdict, draws the axis, and calls a judge blind that cannot read at all', (t) => {
  const html = page([result([good])])
  t.match(html, /no attacker does better than guessing/)
  t.match(html, /good &amp; quiet/)
  t.match(html, /<td class="number blind" title="control 0 %">blind</)
  t.match(html, /<figcaption>Level of the tones</)
  t.notMatch(html, /<script|https?:/)
  t.end()
})

t.test('what is missed stands first, and by how much', (t) => {
  const html = page([result([good, bad])])
  t.match(html, /Not in 1 of 2 scenarios/)
  t.match(html, /class="number missed">20\.\d\d % \(\+11\.\d\d\)</)
  t.match(html, /class="over"/)
  t.end()
})
