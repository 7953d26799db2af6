import { upperBound99 } from '../../../src/demo/judge/binomial-bound.ts'
import type { KeyPress } from '../stimulus.ts'
import type { SentPacket } from '../masked-line.ts'

/** What an attacker holds of one call: a recording of the agent's side, and when each key was pressed. */
export type HeardCall = {
  /** 16-bit samples at 8 kHz, on the clock of the presses. */
  readonly samples: Int16Array
  readonly presses: readonly KeyPress[]
  /** 1 where a sample was replaced, if the attacker is to be told even that. */
  readonly changed?: Uint8Array | undefined
  /** What left for the agent and when, if packets were seen. */
  readonly sent?: readonly Pick<SentPacket, 'position' | 'samples' | 'atMs'>[] | undefined
}

/** Names every key of every call. Calls are handed over one by one; nothing of them is kept that is not needed. */
export type Judge = {
  hear(call: HeardCall): Promise<void> | void
  /** After the last call. */
  verdict(): Promise<Verdict> | Verdict
  close(): void
}

export type Verdict = {
  readonly hits: number
  readonly keys: number
  /** One-sided 99 % upper bound of the part of keys rightly named (Clopper and Pearson). */
  readonly upper99: number
  /** How the keys were named, where a judge chose among ways. */
  readonly way?: string
}

export function verdictOf(hits: number, keys: number, way?: string): Verdict {
  const upper99 = upperBound99({ hits, tries: keys })
  return way === undefined ? { hits, keys, upper99 } : { hits, keys, upper99, way }
}

/** A key's stretch of the recording, for a receiver that knows no times: half-way into the gaps, 120 ms at most. */
export function stretchOf(call: HeardCall, index: number): Int16Array {
  const press = call.presses[index]
  if (press === undefined) return new Int16Array(0)
  const before = call.presses[index - 1]
  const after = call.presses[index + 1]
  const end = press.start + press.samples
  const gapBefore = before === undefined ? Infinity : press.start - before.start - before.samples
  const gapAfter = after === undefined ? Infinity : after.start - end
  const from = Math.max(0, press.start - Math.min(CONTEXT_SAMPLES, Math.floor(gapBefore / 2)))
  return call.samples.subarray(from, end + Math.min(CONTEXT_SAMPLES, Math.floor(gapAfter / 2)))
}

const CONTEXT_SAMPLES = 120 * 8
