import { G711_RATE_HZ } from '../guard/g711.ts'
import type { AudioTape } from './audio-tape.ts'
import {
  fitTones,
  levelsOf,
  pairOf,
  refineFrequencies,
  toneAt,
  type Pair,
  type Span,
  type ToneFit,
} from './tone-fit.ts'

/** One stretch of a key's tone: sample positions, and the tones that were fitted to it. */
export type ToneSpan = Span & { readonly fit: ToneFit }

const SAMPLES_PER_MS = G711_RATE_HZ / 1000

/** A seed is short enough to lie inside a fragment of 10 ms, and long enough that two sines do not fit anything. */
const SEED_SAMPLES = 8 * SAMPLES_PER_MS
const SEED_STEP = 2 * SAMPLES_PER_MS
const SEED_KNOWN_MIN = 6 * SAMPLES_PER_MS
/** What a frequency can be off by (ITU-T Q.24: 3.5 % must not be taken), in steps that 8 ms cannot tell apart. */
const SEED_OFFSETS = [0, -0.025, 0.025] as const
/** Share of the energy that the two tones have: speech that strays onto both has more beside them. */
const SEED_SHARE_MIN = 0.85
const SPAN_SHARE_MIN = 0.8
/** Fainter than any receiver takes (ITU-T Q.24: -25 dBm0 and below). */
const LEVEL_DBM0_MIN = -45
const TWIST_DB_MAX = 20
const SPAN_SAMPLES_MIN = 4 * SAMPLES_PER_MS
/** Silence of this length ends a tone; a hand's pause is longer (ITU-T Q.24: 40 ms, and 10 ms does not split a key). */
const GAP_SAMPLES = 20 * SAMPLES_PER_MS
/** The longest usual packet. */
const HOLE_SAMPLES = 30 * SAMPLES_PER_MS
/** What is near an edge tells where the edge is; more only adds what the sender's clock drifts. */
const FIT_SAMPLES_MAX = 300 * SAMPLES_PER_MS
/** Below this length a frequency cannot be refined. */
const REFINE_SAMPLES_MIN = 16 * SAMPLES_PER_MS
/** The edge of one tone alone is good to this: the other beats against it. */
const SHARED_SAMPLES_MIN = 6 * SAMPLES_PER_MS
const SPANS_MAX = 4
const GROWTHS_MAX = 24

/**
 * Finds where one key's tone sounds inside a stretch of the tape, to the sample. The key is known before: an event
 * named it, or a scan found it. So a fragment of 10 ms, which no receiver would take, can be measured too.
 */
export function findSpans(tape: AudioTape, key: number, within: Span): readonly ToneSpan[] {
  const nominal = pairOf(key)
  let seeds = findSeeds(tape, nominal, within)
  const spans: ToneSpan[] = []
  while (seeds.length > 0 && spans.length < SPANS_MAX) {
    const best = seeds.reduce((one, other) => (other.fit.explained > one.fit.explained ? other : one))
    const grown = grow(tape, best, nominal, within)
    if (isTone(grown)) add(spans, grown)
    const start = Math.min(grown.start, best.start)
    const end = Math.max(grown.end, best.end)
    seeds = seeds.filter((seed) => seed.end <= start || seed.start >= end)
  }
  return spans.sort((a, b) => a.start - b.start)
}

/** Two seeds on either side of a lost packet can grow into the same tone. */
function add(spans: ToneSpan[], grown: ToneSpan): void {
  const same = spans.findIndex((span) => span.start < grown.end && grown.start < span.end)
  const other = spans[same]
  if (other === undefined) spans.push(grown)
  else {
    const { fit } = grown.end - grown.start > other.end - other.start ? grown : other
    spans[same] = { start: Math.min(other.start, grown.start), end: Math.max(other.end, grown.end), fit }
  }
}

function isTone(span: ToneSpan): boolean {
  if (span.end - span.start < SPAN_SAMPLES_MIN) return false
  return span.fit.explained >= SPAN_SHARE_MIN * span.fit.energy && isLoud(span.fit)
}

function isLoud(fit: ToneFit): boolean {
  const { lowDbm0, highDbm0 } = levelsOf(fit)
  return Math.min(lowDbm0, highDbm0) >= LEVEL_DBM0_MIN && Math.abs(highDbm0 - lowDbm0) <= TWIST_DB_MAX
}

function findSeeds(tape: AudioTape, nominal: Pair, within: Span): readonly ToneSpan[] {
  const seeds: ToneSpan[] = []
  for (let start = within.start; start + SEED_SAMPLES <= within.end; start += SEED_STEP) {
    const span = { start, end: start + SEED_SAMPLES }
    let best: ToneFit | null = null
    for (const offset of SEED_OFFSETS) {
      const fit = fitTones(tape, span, {
        lowHz: nominal.lowHz * (1 + offset),
        highHz: nominal.highHz * (1 + offset),
      })
      if (fit === null || fit.known < SEED_KNOWN_MIN) break
      if (best === null || fit.explained > best.explained) best = fit
    }
    if (best === null || best.explained < SEED_SHARE_MIN * best.energy || !isLoud(best)) continue
    seeds.push({ ...span, fit: best })
  }
  return seeds
}

/** Moves both edges to where the fitted tones cease to explain the samples, and fits again, until nothing moves. */
function grow(tape: AudioTape, seed: ToneSpan, nominal: Pair, within: Span): ToneSpan {
  let span = seed
  for (let growth = 0; growth < GROWTHS_MAX; growth += 1) {
    const head = { start: span.start, end: Math.min(span.end, span.start + FIT_SAMPLES_MAX) }
    const tail = { start: Math.max(span.start, span.end - FIT_SAMPLES_MAX), end: span.end }
    const headFit = fitAround(tape, head, span.fit, nominal)
    const tailFit = tail.start === head.start ? headFit : fitAround(tape, tail, span.fit, nominal)
    const start = pairEdge(tape, headFit, { from: middle(head), step: -1, limit: reach(span, -1, within) })
    const end = pairEdge(tape, tailFit, { from: middle(tail), step: 1, limit: reach(span, 1, within) })
    if (start === span.start && end === span.end) return { start, end, fit: headFit }
    if (end - start < SPAN_SAMPLES_MIN) return { start, end, fit: headFit }
    span = { start, end, fit: headFit }
  }
  return span
}

function fitAround(tape: AudioTape, span: Span, from: ToneFit, nominal: Pair): ToneFit {
  const fit = fitTones(tape, span, from) ?? from
  return span.end - span.start < REFINE_SAMPLES_MIN ? fit : refineFrequencies(tape, span, fit, nominal)
}

function middle(span: Span): number {
  return (span.start + span.end) >> 1
}

/** A fit is good for about as far again as it was made from; beyond that it may look past one lost packet. */
function reach(span: Span, step: 1 | -1, within: Span): number {
  const length = Math.min(span.end - span.start, FIT_SAMPLES_MAX) + HOLE_SAMPLES
  return step < 0 ? Math.max(within.start, span.start - length) : Math.min(within.end, span.end + length)
}

type Search = { readonly from: number; readonly step: 1 | -1; readonly limit: number }

/** Where both tones end. The next key may follow at once and share a row or column: then one tone of the two goes on. */
function pairEdge(tape: AudioTape, fit: ToneFit, search: Search): number {
  const [a, b, c, d] = fit.weights
  const both = edge(tape, fit, search)
  const alone = [
    edge(tape, { ...fit, weights: [a, b, 0, 0] }, search),
    edge(tape, { ...fit, weights: [0, 0, c, d] }, search),
  ]
  const nearest = search.step > 0 ? Math.min(...alone) : Math.max(...alone)
  return (both - nearest) * search.step > SHARED_SAMPLES_MIN ? nearest : both
}

/**
 * The edge that explains most: each sample counts by how much the tone explains of it, less than nothing where there is
 * no tone. `limit` and the result are exclusive ends going up, and starts going down.
 */
function edge(tape: AudioTape, fit: ToneFit, options: Search): number {
  const { from, step, limit } = options
  const [a, b, c, d] = fit.weights
  const give = ((a * a + b * b + c * c + d * d) / 2) * GAP_SAMPLES
  let sum = 0
  let best = 0
  let bestAt = from
  for (let position = step > 0 ? from : from - 1; step > 0 ? position < limit : position >= limit; position += step) {
    if (!tape.isKnown(position)) continue
    const tone = toneAt(fit, position)
    sum += 2 * tape.sample(position) * tone - tone * tone
    if (sum > best) {
      best = sum
      bestAt = step > 0 ? position + 1 : position
    }
    if (sum < best - give) break
  }
  return bestAt
}
