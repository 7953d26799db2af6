import { G711_RATE_HZ } from './g711.ts'
import type { KeyPress } from './key-press.ts'
import {
  FRAME_HOP_SAMPLES,
  FRAME_POWER_MIN,
  FRAME_SAMPLES,
  FRAME_WEIGHT,
  ToneFrame,
  weightOf,
  type TonePair,
} from './tone-frame.ts'

const MS_PER_SAMPLE = 1000 / G711_RATE_HZ
const FRAME_MS = FRAME_SAMPLES * MS_PER_SAMPLE

/** A frame hits once about this much of it is tone, so a press is longer than its hits by this on either side. */
const EDGE_MS = 4

/** Hits of one key that make a press. ITU-T Q.24: 40 ms must be taken (6 hits and more), 23 ms not (up to 4). */
const HITS_MIN = 5
/**
 * What part of the energy those hits must have had in the two tones, on average. A key of 40 ms has more than 0.9 with noise 12 dB
 * below it, a voice that strays onto two tones has 0.72 to 0.8. With each further hit less is asked, so that a key of
 * 60 ms is taken from someone who talks meanwhile.
 */
const SHARE_AT_HITS_MIN = 0.88
const SHARE_LESS_PER_HIT = 0.06
/** Frames without the tone that end a press. Q.24 annex A: 20 ms do not split a key (up to 6 misses), 30 ms do (7 and more). */
const MISSES_MAX = 7
/** Frames with nothing known in them (loss, silence suppression, events in the tone's place) that end a press. */
const UNKNOWN_MAX = 24

/** Below this share of known samples a frame says nothing, neither tone nor pause. */
const KNOWN_WEIGHT_MIN = 0.5 * FRAME_WEIGHT

/** How long a gap waits for a late packet: more than the longest packet, 60 ms, twice. */
const REORDER_SAMPLES = 130 * 8
/** A jump of more than this is not filled in. */
const GAP_SAMPLES_MAX = 8_000
/** Two seconds, in blocks of a hop. */
const RING_BLOCKS = 400
const RING_SAMPLES = RING_BLOCKS * FRAME_HOP_SAMPLES
/** A frame, and the hop before it: the ring's beginning is kept once more behind its end, so that these always lie in one piece. */
const MIRROR_SAMPLES = FRAME_SAMPLES + FRAME_HOP_SAMPLES
const FRAME_BLOCKS = FRAME_SAMPLES / FRAME_HOP_SAMPLES
/** Nobody has looked at this block since it was written. */
const UNREAD = -1

/**
 * Receives DTMF tones (ITU-T Q.23) for capture, as every administration in annex A of ITU-T Q.24 asks: frequencies within
 * 1.5 % and 4 Hz or 1.8 % taken and beyond 3 % not, twist of 10 dB either way, 0 to -27 dBm0 a tone and fainter, 40 ms on
 * and 30 ms off, 23 ms not taken. It may stay silent when in doubt; masking never depends on it.
 *
 * It works on 8 kHz linear samples at their place in time, so packets may be lost, late, out of order and of any length.
 */
export class ToneReceiver {
  readonly #pressed: (press: KeyPress) => void
  readonly #frame = new ToneFrame()
  /** Samples, 0 where none came, and 1 beside those that came. */
  readonly #ring = new Int16Array(RING_SAMPLES + MIRROR_SAMPLES)
  readonly #known = new Uint8Array(RING_SAMPLES + MIRROR_SAMPLES)
  /** Of each block its energy, or UNREAD, and how many samples came. */
  readonly #energies = new Float64Array(RING_BLOCKS).fill(UNREAD)
  readonly #counts = new Uint8Array(RING_BLOCKS)
  /** Sample positions: where the next frame starts, a whole number of hops, and one past the last sample that came. */
  #next = 0
  #head = 0
  #started = false
  #candidate: Candidate | null = null
  #heardMs = -Infinity

  /** `pressed` is told of each press once, as soon as it is sure; the press is written on until the key is up. */
  constructor(pressed: (press: KeyPress) => void) {
    this.#pressed = pressed
  }

  /** When a tone was last heard, or may have been: one frame of it is enough. -Infinity before that. */
  get heardMs(): number {
    return this.#heardMs
  }

  /** The first `length` samples; `startMs` on the payer's timeline. */
  accept(samples: Int16Array, startMs: number, nowMs: number, length: number = samples.length): void {
    const start = Math.round(startMs / MS_PER_SAMPLE)
    if (!this.#started || start - this.#head > GAP_SAMPLES_MAX) this.#restart(start, nowMs)
    if (start + length > this.#next + RING_SAMPLES - MIRROR_SAMPLES) return
    this.#write(samples, start, start + length)
    this.#head = Math.max(this.#head, start + length)
    this.#run(nowMs)
  }

  /** Overwrites the audio that is held. */
  wipe(): void {
    this.#empty()
    this.#frame.wipe()
    this.#candidate = null
  }

  #restart(start: number, nowMs: number): void {
    this.#up(nowMs)
    this.#empty()
    this.#next = Math.floor(start / FRAME_HOP_SAMPLES) * FRAME_HOP_SAMPLES
    this.#head = start
    this.#started = true
  }

  #empty(): void {
    this.#ring.fill(0)
    this.#known.fill(0)
    this.#energies.fill(UNREAD)
  }

  /** Only from the next frame on: what lies before was judged without it. */
  #write(samples: Int16Array, start: number, end: number): void {
    let at = Math.max(start, this.#next)
    while (at < end) {
      const slot = slotOf(at)
      const block = Math.floor(slot / FRAME_HOP_SAMPLES)
      const count = Math.min(end - at, (block + 1) * FRAME_HOP_SAMPLES - slot)
      const energy = this.#copy(samples, at - start, count, slot)
      if (slot < MIRROR_SAMPLES) this.#copy(samples, at - start, count, slot + RING_SAMPLES)
      // What fills a block, as most does, is read while it is at hand.
      this.#energies[block] = count === FRAME_HOP_SAMPLES ? energy : UNREAD
      this.#counts[block] = count
      at += count
    }
  }

  /** Returns the energy of what was copied. */
  #copy(samples: Int16Array, from: number, count: number, slot: number): number {
    const ring = this.#ring
    const known = this.#known
    let energy = 0
    for (let index = 0; index < count; index += 1) {
      const sample = samples[from + index] ?? 0
      energy += sample * sample
      ring[slot + index] = sample
      known[slot + index] = 1
    }
    return energy
  }

  #run(nowMs: number): void {
    while (this.#next + FRAME_SAMPLES <= this.#head) {
      const slot = slotOf(this.#next)
      let [energy, count] = [0, 0]
      for (let index = 0; index < FRAME_BLOCKS; index += 1) {
        const block = (slot / FRAME_HOP_SAMPLES + index) % RING_BLOCKS
        if (this.#energies[block] === UNREAD) this.#read(block)
        energy += this.#energies[block] ?? 0
        count += this.#counts[block] ?? 0
      }
      if (count < FRAME_SAMPLES && this.#head - this.#next < REORDER_SAMPLES) return
      // The block before is the ring's last one then.
      const at = slot === 0 ? RING_SAMPLES : slot
      const weight = count === FRAME_SAMPLES ? FRAME_WEIGHT : weightOf(this.#known, at)
      const isKnown = weight >= KNOWN_WEIGHT_MIN
      // No sample weighs more than 1, so with less energy than this there can be no tone.
      const isLoud = isKnown && energy >= FRAME_POWER_MIN * weight
      this.#judge(isLoud ? this.#frame.pairOf(this.#ring, at, weight) : null, isKnown, nowMs)
      this.#forget(this.#next - FRAME_HOP_SAMPLES)
      this.#next += FRAME_HOP_SAMPLES
    }
  }

  #read(block: number): void {
    const first = block * FRAME_HOP_SAMPLES
    let [energy, count] = [0, 0]
    for (let slot = first; slot < first + FRAME_HOP_SAMPLES; slot += 1) {
      const sample = this.#ring[slot] ?? 0
      energy += sample * sample
      count += this.#known[slot] ?? 0
    }
    this.#energies[block] = energy
    this.#counts[block] = count
  }

  /** Overwrites a block that no frame needs any more, so that what never comes in its place reads as nothing. */
  #forget(position: number): void {
    const slot = slotOf(position)
    this.#ring.fill(0, slot, slot + FRAME_HOP_SAMPLES)
    this.#known.fill(0, slot, slot + FRAME_HOP_SAMPLES)
    this.#energies[slot / FRAME_HOP_SAMPLES] = UNREAD
    if (slot >= MIRROR_SAMPLES) return
    this.#ring.fill(0, RING_SAMPLES + slot, RING_SAMPLES + slot + FRAME_HOP_SAMPLES)
    this.#known.fill(0, RING_SAMPLES + slot, RING_SAMPLES + slot + FRAME_HOP_SAMPLES)
  }

  #judge(pair: TonePair | null, isKnown: boolean, nowMs: number): void {
    const startMs = this.#next * MS_PER_SAMPLE
    if (pair !== null && this.#candidate?.key !== pair.key) {
      this.#up(nowMs)
      this.#candidate = {
        key: pair.key,
        hits: 0,
        shares: 0,
        misses: 0,
        unknown: 0,
        firstMs: startMs + EDGE_MS,
        press: null,
      }
    }
    const candidate = this.#candidate
    if (candidate === null) return
    if (pair === null) {
      if (isKnown) candidate.misses += 1
      else candidate.unknown += 1
      // A tone that was never sure, and pauses, is chance: speech does that.
      const isOver = candidate.misses >= (candidate.press === null ? MISSES_MAX - 1 : MISSES_MAX)
      if (isOver || candidate.unknown >= UNKNOWN_MAX) this.#up(nowMs)
      return
    }
    this.#heardMs = nowMs
    candidate.hits += 1
    candidate.shares += pair.share
    candidate.misses = 0
    candidate.unknown = 0
    const endMs = startMs + FRAME_MS - EDGE_MS
    if (candidate.press !== null) {
      candidate.press.endMs = endMs
      candidate.press.heardMs = nowMs
    } else if (isSure(candidate)) {
      candidate.press = {
        key: pair.key,
        transport: 'tone',
        startMs: candidate.firstMs,
        endMs,
        isDown: true,
        heardMs: nowMs,
      }
      this.#pressed(candidate.press)
    }
  }

  #up(nowMs: number): void {
    const press = this.#candidate?.press
    if (press !== null && press !== undefined) {
      press.isDown = false
      press.heardMs = nowMs
    }
    this.#candidate = null
  }
}

type Candidate = {
  readonly key: number
  hits: number
  shares: number
  misses: number
  unknown: number
  readonly firstMs: number
  press: KeyPress | null
}

function isSure({ hits, shares }: Candidate): boolean {
  return hits >= HITS_MIN && shares >= hits * (SHARE_AT_HITS_MIN - SHARE_LESS_PER_HIT * (hits - HITS_MIN))
}

/** Where a position lies in the ring. */
function slotOf(position: number): number {
  const slot = position % RING_SAMPLES
  return slot < 0 ? slot + RING_SAMPLES : slot
}
