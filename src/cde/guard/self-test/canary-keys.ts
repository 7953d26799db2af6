import { timingSafeEqual } from 'node:crypto'

/** A public Visa test number that belongs to nobody, in keys: what a self-test types, and what must come back. */
const CANARY = [4, 2, 6, 3, 9, 8, 2, 6, 4, 0, 2, 6, 9, 2, 9, 9] as const

export type KeyTransport = 'tone' | 'event' | 'both'

/** Where a key lies in the payer's audio, in samples of 8 kHz. */
export type PlannedKey = {
  readonly key: number
  readonly start: number
  readonly samples: number
  readonly transport: KeyTransport
}

/** 60 ms down and 50 up: brisk, and every phase against 20 ms packets occurs. ITU-T Q.24 asks for 40 and 40. */
export const KEY_SAMPLES = 480
const KEY_EVERY_SAMPLES = 880
/** A line that changes from tones to events takes some time for it; a tone that near to an event would be its echo. */
const PAUSE_SAMPLES = 1_600
const TONES = 6
const EVENTS = 5

/** The canary card from a place on: some keys by tones, some by events, the last by both. */
export function planCanary(start: number): readonly PlannedKey[] {
  return CANARY.map((key, index) => ({
    key,
    start: start + index * KEY_EVERY_SAMPLES + (index < TONES ? 0 : PAUSE_SAMPLES),
    samples: KEY_SAMPLES,
    transport: index < TONES ? 'tone' : index < TONES + EVENTS ? 'event' : 'both',
  }))
}

/** Compares in constant time. */
export function isCanary(digits: Uint8Array): boolean {
  return digits.length === CANARY.length && timingSafeEqual(digits, Uint8Array.from(CANARY))
}
