import { NO_HAND_GAP_MS, type KeyPress } from './key-press.ts'

/**
 * Waits before a press is counted, from when it was first heard. An event waits for one before it that is out of order; a
 * tone, for the event of the same press, which a gateway sends up to about 100 ms later; an INFO, for either, since it
 * takes another way.
 */
const HOLD_MS: { readonly [Transport in KeyPress['transport']]: number } = { event: 60, tone: 120, info: 300 }

/** A gateway's event and the tone it was made from are this far apart at most. */
const EVENT_SKEW_MS = 80
/** INFO passes several SIP hops; beyond a lost one, which is sent again after 500 ms (RFC 3261 T1), it is on its own. */
const INFO_SKEW_MS = 500
/** Events whose clock is not the audio's lie about their length, but not about when they come; a packet may come early by this. */
const NO_HAND_ARRIVAL_MS = NO_HAND_GAP_MS + 15
/** Presses remembered to find the second telling of one. */
const REMEMBERED_MS = 3_000
const REMEMBERED_MAX = 64
/** A key whose packets stopped is up: the longest usual update interval is 60 ms, and several may be lost. */
const SILENT_KEY_MS = 400

type Entry = {
  readonly press: KeyPress
  readonly takenMs: number
  counted: boolean
  /** The press of another transport that was found to be this one. */
  pairedRtp: boolean
  pairedInfo: boolean
}

/** `doubled`: the same key again sooner than a hand can, so a line or gateway has probably made two of one press. */
export type CountedKey = { readonly press: KeyPress; readonly doubled: boolean }

/**
 * Makes one key of what several transports tell of one press, in the order in which keys were pressed. Events win: a tone that overlaps one is its
 * echo, whatever it was read as. A press told twice is counted once; two presses of one key are two.
 */
export class KeyMerge {
  readonly #counted: (key: CountedKey) => void
  #waiting: Entry[] = []
  #remembered: Entry[] = []
  /** None of what is remembered was last heard before this. */
  #oldestMs = Infinity
  #last: KeyPress | null = null

  constructor(counted: (key: CountedKey) => void) {
    this.#counted = counted
  }

  /** A press that a receiver has just found; the receiver goes on writing it. */
  take(press: KeyPress, nowMs: number): void {
    this.#waiting.push({ press, takenMs: nowMs, counted: false, pairedRtp: false, pairedInfo: false })
    this.#waiting.sort((a, b) => a.press.startMs - b.press.startMs)
  }

  /** Counts what has waited long enough. */
  due(nowMs: number): void {
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || dueOf(first) > nowMs) break
      this.#decide(first)
      this.#waiting.shift()
      this.#remembered.push(first)
      this.#oldestMs = Math.min(this.#oldestMs, first.press.heardMs)
    }
    // This is asked with each packet, so nothing is looked through while nothing can be forgotten.
    if (this.#remembered.length <= REMEMBERED_MAX && nowMs - this.#oldestMs < REMEMBERED_MS) return
    this.#remembered = this.#remembered
      .filter((entry) => nowMs - entry.press.heardMs < REMEMBERED_MS)
      .slice(-REMEMBERED_MAX)
    this.#oldestMs = Math.min(...this.#remembered.map((entry) => entry.press.heardMs))
  }

  /** Overwrites all keys that wait or are remembered. */
  wipe(): void {
    for (const { press } of [...this.#waiting, ...this.#remembered]) press.key = 0
    if (this.#last !== null) this.#last.key = 0
    this.#waiting = []
    this.#remembered = []
    this.#last = null
  }

  /** The next time at which due() could count something, or null. */
  dueMs(): number | null {
    const [first] = this.#waiting
    return first === undefined ? null : dueOf(first)
  }

  /** True while a key is held, or one that was pressed is not counted yet. */
  isKeyDown(nowMs: number): boolean {
    const held = ({ press }: Entry) => press.isDown && nowMs - press.heardMs < SILENT_KEY_MS
    return this.#waiting.length > 0 || this.#remembered.some(held)
  }

  #decide(entry: Entry): void {
    if (this.#isToldAlready(entry)) return
    entry.counted = true
    const { press } = entry
    const last = this.#last
    const doubled =
      last !== null &&
      last.key === press.key &&
      last.transport !== 'info' &&
      press.transport !== 'info' &&
      press.startMs - last.endMs < NO_HAND_GAP_MS &&
      (press.transport === 'tone' || last.transport === 'tone' || entry.takenMs - last.heardMs < NO_HAND_ARRIVAL_MS)
    this.#last = press
    this.#counted({ press, doubled })
  }

  #isToldAlready(entry: Entry): boolean {
    const { press } = entry
    switch (press.transport) {
      case 'tone':
        return this.#isEchoOfEvent(press) || this.#pair(entry, 'info', INFO_SKEW_MS)
      case 'event':
        return this.#pair(entry, 'tone', EVENT_SKEW_MS) || this.#pair(entry, 'info', INFO_SKEW_MS)
      case 'info':
        return this.#pair(entry, 'event', INFO_SKEW_MS) || this.#pair(entry, 'tone', INFO_SKEW_MS)
    }
  }

  /** Also of an event that still waits, or that was itself found to be an earlier tone. */
  #isEchoOfEvent(tone: KeyPress): boolean {
    const isOrigin = ({ press }: Entry) => press.transport === 'event' && overlaps(tone, press, EVENT_SKEW_MS)
    return this.#waiting.some(isOrigin) || this.#remembered.some(isOrigin)
  }

  /** Finds the counted press of the other transport that this one repeats; each can be repeated once. */
  #pair(entry: Entry, transport: KeyPress['transport'], skewMs: number): boolean {
    const isInfo = entry.press.transport === 'info' || transport === 'info'
    const first = this.#remembered.find(
      (other) =>
        other.counted &&
        other.press.transport === transport &&
        other.press.key === entry.press.key &&
        !(isInfo ? other.pairedInfo : other.pairedRtp) &&
        overlaps(other.press, entry.press, skewMs),
    )
    if (first === undefined) return false
    if (isInfo) first.pairedInfo = true
    else first.pairedRtp = true
    return true
  }
}

function dueOf(entry: Entry): number {
  return entry.takenMs + HOLD_MS[entry.press.transport]
}

function overlaps(a: KeyPress, b: KeyPress, skewMs: number): boolean {
  return a.startMs <= b.endMs + skewMs && b.startMs <= a.endMs + skewMs
}
