import { G711_RATE_HZ } from './g711.ts'
import type { KeyPress } from './key-press.ts'
import { analyseTone, FRAME_SAMPLES, silentFrame, type ToneFrame } from './tone-frame.ts'

/** A frame every 5 ms: short enough to time a key to some milliseconds. */
const HOP_SAMPLES = 40
const MS_PER_SAMPLE = 1000 / G711_RATE_HZ
const FRAME_MS = FRAME_SAMPLES * MS_PER_SAMPLE

/** A frame hits once about this much of it is tone, so a press is longer than its hits by this on either side. */
const EDGE_MS = 4

/** Hits of one key that make a press. ITU-T Q.24: 40 ms must be taken (about 8 hits), 20 ms not (about 3). */
const HITS_MIN = 5
/** Frames without the tone that end a press. Q.24: 10 ms do not split a key (about 4 misses), 40 ms do (about 8). */
const MISSES_MAX = 6
/** Frames with nothing known in them (loss, silence suppression, events in the tone's place) that end a press. */
const UNKNOWN_MAX = 24

/** How long a gap waits for a late packet: more than the longest packet, 60 ms, twice. */
const REORDER_SAMPLES = 130 * 8
/** A jump of more than this is not filled in. */
const GAP_SAMPLES_MAX = 8_000
/** One second and more; a power of two. */
const RING_SAMPLES = 16_384

/**
 * Receives DTMF tones (ITU-T Q.23) for capture, within what ITU-T Q.24 asks: frequencies within 1.5 % taken and beyond
 * 3.5 % not, twist -8 to +4 dB and more, 0 to -25 dBm0 a tone and fainter, 40 ms on and 40 ms off. It may stay silent when in
 * doubt; masking never depends on it.
 *
 * It works on 8 kHz linear samples at their place in time, so packets may be lost, late, out of order and of any length.
 */
export class ToneReceiver {
  readonly #pressed: (press: KeyPress) => void
  readonly #ring = new Int16Array(RING_SAMPLES)
  readonly #known = new Uint8Array(RING_SAMPLES)
  readonly #frame = new Int16Array(FRAME_SAMPLES)
  readonly #frameKnown = new Uint8Array(FRAME_SAMPLES)
  /** Sample positions: where the next frame starts, and one past the last sample that came. */
  #next = 0
  #head = 0
  #started = false
  #last: ToneFrame = silentFrame()
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

  /** `startMs` on the payer's timeline. */
  accept(samples: Int16Array, startMs: number, nowMs: number): void {
    const start = Math.round(startMs / MS_PER_SAMPLE)
    if (!this.#started || start - this.#head > GAP_SAMPLES_MAX) this.#restart(start, nowMs)
    if (start + samples.length > this.#next + RING_SAMPLES) return
    for (let index = 0; index < samples.length; index += 1) {
      const position = start + index
      if (position < this.#next) continue
      this.#ring[position & (RING_SAMPLES - 1)] = samples[index] ?? 0
      this.#known[position & (RING_SAMPLES - 1)] = 1
    }
    this.#head = Math.max(this.#head, start + samples.length)
    this.#run(nowMs)
  }

  /** Overwrites the audio that is held. */
  wipe(): void {
    this.#ring.fill(0)
    this.#known.fill(0)
    this.#frame.fill(0)
    this.#candidate = null
  }

  #restart(start: number, nowMs: number): void {
    this.#up(nowMs)
    this.#known.fill(0)
    this.#next = start
    this.#head = start
    this.#started = true
    this.#last = silentFrame()
  }

  #run(nowMs: number): void {
    while (this.#next + FRAME_SAMPLES <= this.#head) {
      let missing = 0
      for (let index = 0; index < FRAME_SAMPLES; index += 1) {
        const slot = (this.#next + index) & (RING_SAMPLES - 1)
        const known = this.#known[slot] ?? 0
        this.#frameKnown[index] = known
        this.#frame[index] = known === 1 ? (this.#ring[slot] ?? 0) : 0
        missing += 1 - known
      }
      if (missing > 0 && this.#head - this.#next < REORDER_SAMPLES) return
      const frame = analyseTone(this.#frame, this.#frameKnown, this.#last)
      this.#judge(frame, nowMs)
      this.#last = frame
      for (let index = 0; index < HOP_SAMPLES; index += 1) this.#known[(this.#next + index) & (RING_SAMPLES - 1)] = 0
      this.#next += HOP_SAMPLES
    }
  }

  #judge(frame: ToneFrame, nowMs: number): void {
    const startMs = this.#next * MS_PER_SAMPLE
    const { key } = frame
    if (key !== null && this.#candidate?.key !== key) {
      this.#up(nowMs)
      this.#candidate = { key, hits: 0, misses: 0, unknown: 0, firstMs: startMs + EDGE_MS, press: null }
    }
    const candidate = this.#candidate
    if (candidate === null) return
    if (key === null) {
      if (frame.isKnown) candidate.misses += 1
      else candidate.unknown += 1
      // A tone that was never sure, and pauses, is chance: speech does that.
      const isOver = candidate.misses >= (candidate.press === null ? MISSES_MAX - 1 : MISSES_MAX)
      if (isOver || candidate.unknown >= UNKNOWN_MAX) this.#up(nowMs)
      return
    }
    this.#heardMs = nowMs
    candidate.hits += 1
    candidate.misses = 0
    candidate.unknown = 0
    const endMs = startMs + FRAME_MS - EDGE_MS
    if (candidate.press !== null) {
      candidate.press.endMs = endMs
      candidate.press.heardMs = nowMs
    } else if (candidate.hits >= HITS_MIN) {
      candidate.press = { key, transport: 'tone', startMs: candidate.firstMs, endMs, isDown: true, heardMs: nowMs }
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
  misses: number
  unknown: number
  readonly firstMs: number
  press: KeyPress | null
}
