/** Hours of a call; more is not counted. */
const PACKETS_MAX = 1_000_000
/** Room for packets that came before the first one but were sent earlier. */
const BEFORE_FIRST = 64
/** RFC 3550 section A.1: a larger jump is a sender that began anew, once two packets in a row say so. */
const JUMP_MAX = 3_000

export type SequenceFigures = {
  readonly packets: number
  readonly lost: number
  readonly lostRunMax: number
  readonly duplicates: number
  readonly reordered: number
}

/** Counts what of one RTP source arrived, by its sequence numbers (RFC 3550 section A.3): exactly, repetitions apart. */
export class SequenceCounter {
  #seen = new Uint8Array(1_024)
  #base: number
  #highest: number
  #lowest: number
  #jump: number | null = null
  #packets = 0
  #duplicates = 0
  #reordered = 0
  #lostBefore = 0
  #runBefore = 0

  constructor(first: number) {
    this.#base = first - BEFORE_FIRST
    this.#highest = first
    this.#lowest = first
  }

  /** False for a repetition, or a number that fits nothing yet. */
  take(sequence: number): boolean {
    const step = ((sequence - this.#highest) << 16) >> 16
    if (Math.abs(step) > JUMP_MAX) {
      if (this.#jump === null || sequence !== ((this.#jump + 1) & 0xffff)) {
        this.#jump = sequence
        return false
      }
      this.#beginAnew(this.#jump)
      this.#note(this.#highest)
      return this.take(sequence)
    }
    this.#jump = null
    const extended = this.#highest + step
    const slot = extended - this.#base
    if (slot < 0 || slot >= PACKETS_MAX) return false
    if (this.#seen[slot] === 1) {
      this.#duplicates += 1
      return false
    }
    if (step < 0) this.#reordered += 1
    this.#highest = Math.max(this.#highest, extended)
    this.#lowest = Math.min(this.#lowest, extended)
    this.#note(extended)
    return true
  }

  figures(): SequenceFigures {
    const { lost, run } = this.#missing()
    return {
      packets: this.#packets,
      lost: this.#lostBefore + lost,
      lostRunMax: Math.max(this.#runBefore, run),
      duplicates: this.#duplicates,
      reordered: this.#reordered,
    }
  }

  #note(extended: number): void {
    const slot = extended - this.#base
    if (slot >= this.#seen.length) {
      const larger = new Uint8Array(Math.min(PACKETS_MAX, Math.max(slot + 1, this.#seen.length * 2)))
      larger.set(this.#seen)
      this.#seen = larger
    }
    this.#seen[slot] = 1
    this.#packets += 1
  }

  #beginAnew(first: number): void {
    const { lost, run } = this.#missing()
    this.#lostBefore += lost
    this.#runBefore = Math.max(this.#runBefore, run)
    this.#seen.fill(0)
    this.#base = first - BEFORE_FIRST
    this.#highest = first
    this.#lowest = first
    this.#jump = null
  }

  #missing(): { readonly lost: number; readonly run: number } {
    let lost = 0
    let run = 0
    let longest = 0
    for (let extended = this.#lowest; extended <= this.#highest; extended += 1) {
      if (this.#seen[extended - this.#base] === 1) run = 0
      else {
        lost += 1
        run += 1
        longest = Math.max(longest, run)
      }
    }
    return { lost, run: longest }
  }
}
