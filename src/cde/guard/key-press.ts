/** Keys are numbered as RFC 4733 section 3.2 numbers their events: 0 to 9, star, pound, A to D. */
export const STAR_KEY = 10
export const POUND_KEY = 11
export const KEY_MAX = 15

/** One key held down once, as one transport told it. The receiver goes on writing end and state while it lasts. */
export type KeyPress = {
  /** Overwritten when the press is forgotten. */
  key: number
  readonly transport: 'event' | 'tone' | 'info'
  /** Milliseconds of the guard's clock, by the sender's timestamps. */
  startMs: number
  endMs: number
  /** False once the end was heard, or nothing was heard for too long. */
  isDown: boolean
  /** When the receiver last heard of it, milliseconds of the guard's clock. */
  heardMs: number
}

/** No hand lets go of a key and has it down again this soon. ITU-T Q.24 asks senders for pauses of 40 ms; timing is good to 5 ms. */
export const NO_HAND_GAP_MS = 30
