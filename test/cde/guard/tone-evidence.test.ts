import t from 'tap'
import { BAND_LINES, keyEvidence, LINES_HZ, SPACINGS_HZ, type Halves } from '../../../src/cde/guard/tone-evidence.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const HALF = 160

/** The two halves of a window, measured the slow way. */
function halvesOf(samples: Float64Array, blocks: Halves['blocks'] = 8): Halves {
  const length = samples.length / 2
  const spectra = new Float32Array(4 * LINES_HZ.length)
  const powers = [
    new Float64Array(LINES_HZ.length),
    new Float64Array(LINES_HZ.length),
    new Float64Array(LINES_HZ.length),
  ]
  for (const [line, hz] of LINES_HZ.entries()) {
    const sums = [0, 1].map((half) => {
      let re = 0
      let im = 0
      for (let n = half * length; n < (half + 1) * length; n += 1) {
        re += (samples[n] ?? 0) * Math.cos((2 * Math.PI * hz * n) / 8000)
        im -= (samples[n] ?? 0) * Math.sin((2 * Math.PI * hz * n) / 8000)
      }
      spectra.set([re, im], half * 2 * LINES_HZ.length + line * 2)
      return { re, im }
    })
    const [a, b] = sums
    if (a === undefined || b === undefined) throw new Error('two halves')
    powers[0]?.set([a.re ** 2 + a.im ** 2], line)
    powers[1]?.set([b.re ** 2 + b.im ** 2], line)
    powers[2]?.set([(a.re + b.re) ** 2 + (a.im + b.im) ** 2], line)
  }
  const band = (from: number) =>
    [0, 1].reduce(
      (sum, half) =>
        sum +
        (powers[half] ?? new Float64Array())
          .subarray(from, from + BAND_LINES)
          .reduce((part, power, line) => part + power * (SPACINGS_HZ[from + line] ?? 0), 0),
      0,
    )
  const strongest = (from: number) => {
    const whole = (powers[2] ?? new Float64Array()).subarray(from, from + BAND_LINES)
    return from + whole.indexOf(Math.max(...whole))
  }
  return {
    blocks,
    spectra,
    first: 0,
    second: 2 * LINES_HZ.length,
    energy: samples.reduce((sum, sample) => sum + sample * sample, 0),
    lowBand: band(0),
    highBand: band(BAND_LINES),
    low: strongest(0),
    high: strongest(BAND_LINES),
  }
}

function evidence(lines: readonly { readonly hz: number; readonly peak: number }[], noise = 100): number {
  const random = seededRandom(1)
  return keyEvidence(
    halvesOf(
      Float64Array.from({ length: 2 * HALF }, (_, n) =>
        lines.reduce(
          (sum, { hz, peak }) => sum + peak * Math.sin((2 * Math.PI * hz * n) / 8000),
          random.gaussian() * noise,
        ),
      ),
    ),
  )
}

const pair = (low: number, high: number) => [
  { hz: low, peak: 1000 },
  { hz: high, peak: 1000 },
]

t.test('a key is much more likely than not, also with as much noise as tone', (t) => {
  t.ok(evidence(pair(770, 1336)) > 6)
  t.ok(evidence(pair(770, 1336), 1000) > 2)
  t.end()
})

t.test('the further off its frequencies, and the less alike, the less likely', (t) => {
  const exact = evidence(pair(770, 1336))
  const both = evidence(pair(770 * 1.025, 1336 * 1.025))
  const apart = evidence(pair(770 * 1.025, 1336 * 0.975))
  t.ok(exact > both + 0.3)
  t.ok(both > apart + 1)
  t.end()
})

t.test('noise, silence, and a voice of 110 Hz are no key', (t) => {
  t.ok(evidence([]) < 0)
  t.ok(evidence([], 0) < 0)
  const voice = Array.from({ length: 30 }, (_, index) => ({ hz: 110 * (index + 1), peak: 3000 / (index + 1) }))
  t.ok(evidence(voice) < 0)
  t.end()
})

const PHASES = 40

/** Natural logarithms. Before the ends of the bands were made up for, it was 0.3 at nominal frequencies, 0.6 to 1.3 beside them. */
const APART_MAX = 0.4

/** Over the phases, and as much noise as leaves the tones 12 dB above it. */
function meanEvidence(low: number, high: number, blocks: Halves['blocks']): number {
  const random = seededRandom(7)
  let sum = 0
  for (let time = 0; time < PHASES; time += 1) {
    const phases = [random.next() * 2 * Math.PI, random.next() * 2 * Math.PI] as const
    const samples = Float64Array.from(
      { length: blocks * 40 },
      (_, n) =>
        1000 * Math.sin((2 * Math.PI * low * n) / 8000 + phases[0]) +
        1000 * Math.sin((2 * Math.PI * high * n) / 8000 + phases[1]) +
        250 * random.gaussian(),
    )
    sum += keyEvidence(halvesOf(samples, blocks))
  }
  return sum / PHASES
}

t.test('no key is more evident than another, however far off, lest what is masked tell them apart', (t) => {
  for (const blocks of [4, 8] as const) {
    for (const off of [-0.035, 0, 0.035]) {
      const evident = [697, 770, 852, 941].flatMap((low) =>
        [1209, 1336, 1477].map((high) => meanEvidence(low * (1 + off), high * (1 + off), blocks)),
      )
      const apart = Math.max(...evident) - Math.min(...evident)
      t.ok(apart < APART_MAX, apart.toFixed(2))
    }
  }
  t.end()
})
