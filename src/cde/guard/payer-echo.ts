import { ALAW_TO_LINEAR, ULAW_TO_LINEAR, type G711Law } from './g711.ts'
import { EAR_SAMPLES_MAX, HOP_SAMPLES, TONE_SAMPLES_MIN, TwoSineEar } from './two-sine-ear.ts'

/** Packets of the payer that are remembered: the longest look-ahead, 200 ms, in packets of 10 ms, and some that are late. */
const PACKETS = 32
/** Tones that are remembered; no more can begin within the packets above. */
const SPANS = 8
/** Compared at a time; a shorter rest of a span is not, for in 2.5 ms speech is like a tone now and then. */
const PIECE_SAMPLES = HOP_SAMPLES
/** Of two waves that are the same but for their level; speech and noise do not come near it by chance. */
const SAME_MIN = 0.995
/** A copy 20 dB down is no longer a copy of a key but a remainder, which the sentinel listens to instead. */
const GAIN_MIN = 0.1
/** Mean square of -48 dBm0: below it lies noise, the guard's own too. */
const LOUD_MEAN_SQUARE = 3_900

/**
 * Knows ahead what must not leave: it hears the payer's audio when it arrives, before the look-ahead is over, and where
 * a tone was in it, the same wave must not be in what goes to the agent. So even a gate that lets everything through is
 * noticed at the first fragment, and not after the 20 ms that it takes to hear a tone.
 */
export class PayerEcho {
  readonly #ear = new TwoSineEar((until) => this.#remember(until))
  /** EAR_SAMPLES_MAX for each packet, of which it fills so many; and where it began, by the ear's count. */
  readonly #samples = new Int16Array(PACKETS * EAR_SAMPLES_MAX)
  readonly #lengths = new Uint16Array(PACKETS)
  readonly #froms = new Float64Array(PACKETS)
  #next = 0
  /** Of the packet that would follow the last one. */
  #timestamp = 0
  #restartedAt = 0
  #spans: { from: number; to: number }[] = []

  /** Takes the next audio of the payer, in the order of arrival; a tone is only heard in what belongs together. */
  heard(payload: Uint8Array, law: G711Law, timestamp: number): void {
    const packet = this.#next
    this.#next = (this.#next + 1) % PACKETS
    if (timestamp !== this.#timestamp) {
      this.#ear.restart()
      this.#restartedAt = this.#ear.position
    }
    this.#timestamp = (timestamp + payload.length) >>> 0
    const table = law === 'alaw' ? ALAW_TO_LINEAR : ULAW_TO_LINEAR
    const samples = this.#samples
    const start = packet * EAR_SAMPLES_MAX
    const length = Math.min(payload.length, EAR_SAMPLES_MAX)
    for (let index = 0; index < length; index += 1) samples[start + index] = table[payload[index] ?? 0xff] ?? 0
    this.#froms[packet] = this.#ear.position
    this.#lengths[packet] = length
    this.#ear.hear(samples, start, length)
  }

  /** True when a piece of a packet for the agent, the first `length` of the samples, is the payer's own wave, from where a tone was. */
  repeats(samples: Int16Array, length: number = samples.length): boolean {
    if (this.#spans.length === 0 || isNoise(samples, length)) return false
    const oldest = this.#ear.position - PACKETS * EAR_SAMPLES_MAX
    // They are in the order of time.
    while ((this.#spans[0]?.to ?? Infinity) <= oldest) this.#spans.shift()
    for (let packet = 0; packet < PACKETS; packet += 1) {
      if (this.#lengths[packet] !== length) continue
      const from = this.#froms[packet] ?? 0
      for (const span of this.#spans) {
        const first = Math.max(0, span.from - from)
        const end = Math.min(length, span.to - from)
        for (let start = first; start + PIECE_SAMPLES <= end; start += PIECE_SAMPLES) {
          if (isCopy(this.#samples, packet * EAR_SAMPLES_MAX + start, samples, start)) return true
        }
      }
    }
    return false
  }

  /** Overwrites the payer's audio. Safe to call twice. */
  wipe(): void {
    this.#ear.wipe()
    this.#spans = []
    this.#samples.fill(0)
    this.#lengths.fill(0)
  }

  #remember(toneUntil: number): void {
    const last = this.#spans.at(-1)
    // A tone begins up to a hop before the first frame that it fills; the gate masks that and more.
    const from = Math.max(toneUntil - TONE_SAMPLES_MIN - HOP_SAMPLES, this.#restartedAt)
    if (last !== undefined && from <= last.to) last.to = toneUntil
    else this.#spans.push({ from, to: toneUntil })
    if (this.#spans.length > SPANS) this.#spans.shift()
  }
}

/** Not even one piece of it can be loud: what a masked packet is, so that most need no comparing. */
function isNoise(samples: Int16Array, length: number): boolean {
  let sum = 0
  for (let index = 0; index < length; index += 1) {
    const sample = samples[index] ?? 0
    sum += sample * sample
  }
  return sum < LOUD_MEAN_SQUARE * PIECE_SAMPLES
}

/** The correlation of two pieces, and how loud one is beside the other. */
function isCopy(payer: Int16Array, from: number, agent: Int16Array, start: number): boolean {
  let both = 0
  let came = 0
  let goes = 0
  for (let index = 0; index < PIECE_SAMPLES; index += 1) {
    const one = payer[from + index] ?? 0
    const other = agent[start + index] ?? 0
    both += one * other
    came += one * one
    goes += other * other
  }
  if (came < LOUD_MEAN_SQUARE * PIECE_SAMPLES || goes < LOUD_MEAN_SQUARE * PIECE_SAMPLES) return false
  return both >= SAME_MIN * Math.sqrt(came * goes) && both >= GAIN_MIN * came
}
