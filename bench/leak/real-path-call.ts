import type { LoggedInfo, LoggedPacket } from '../../src/demo/phone/phone-protocol.ts'
import { parseRtp } from '../../src/demo/phone/rtp-bytes.ts'
import type { HeardCall } from './judges/judge.ts'
import type { Sent } from './real-path-clock.ts'
import type { Happened, OpenSpan } from './real-path-moments.ts'
import { recordCall, type SideRecording } from './real-path-recording.ts'
import type { KeyPress } from './stimulus.ts'

/** A call that was played, as judges take it. */
export type JudgeableCall = {
  /** What the agent's side has, and what the payer's side sent: the same presses. */
  readonly agent: HeardCall
  readonly payer: HeardCall
  /** One-way delay in ms of each audio packet in the window. */
  readonly delaysMs: readonly number[]
  /**
   * In windows: what came, what of it did not reach the agent as it was, and all presses, near a change or not; null where a
   * codec changes all.
   */
  readonly exact: ExactCall | null
  readonly openMs: number | null
  /** Keys that the agent's side was told by events or INFO. */
  readonly told: number
  /** Audio packets of the agent's for which no place on the payer's clock was found. */
  readonly unplaced: number
  /** The agent's side at presses far from any window: what a judge must read there, or it would read nowhere. */
  readonly clear: HeardCall
  /** Audio packets of the agent's whose place was told by arrival alone. */
  readonly guessed: number
  /** Presses that fell outside of a window, or far from what happened, and are not judged. */
  readonly notJudged: number
  /** Changes of the call that were refused or not answered. */
  readonly refused: number
  /** Part of the agent's packets that the payer heard. */
  readonly payerHeard: number
  /** The sentinel raised an alarm: from then on nothing of the payer's passed. */
  readonly turnedHard: boolean
}

export type ExactCall = {
  readonly came: Uint8Array
  readonly changed: Uint8Array
  readonly heard: Int16Array
  readonly presses: readonly KeyPress[]
}

export type PlayedCall = {
  readonly presses: readonly KeyPress[]
  /** What the payer's audio is on its own clock. */
  readonly spoken: Int16Array
  /** What passes, passes bit by bit: a sample that differs was replaced. A masker that filters, and a codec, change all. */
  readonly isExact: boolean
  readonly startUs: number
  readonly happened: Happened
  readonly sent: readonly Sent[]
  readonly received: readonly LoggedPacket[]
  readonly infosSent: readonly LoggedInfo[]
  readonly infosReceived: readonly LoggedInfo[]
  readonly payerHeard: number
  readonly turnedHard: boolean
  /** Set where a relay's timestamps may slip by whole packets of so many ms, so that arrival must say what belongs where. */
  readonly slipMs?: number
}

const SAMPLE_US = 125

/** Lays both sides out on the payer's clock and picks the presses to be judged. */
export function judgeable(call: PlayedCall): JudgeableCall {
  const sent = call.sent.flatMap(({ atUs, datagram }): readonly LoggedPacket[] => {
    const packet = parseRtp(datagram)
    return packet === undefined ? [] : [{ atUs, ...packet }]
  })
  const { spoken } = call
  const payer = recordCall({ sent, received: sent, infos: call.infosSent, spoken })
  const agent = recordCall({ sent, received: call.received, infos: call.infosReceived, spoken, slipMs: call.slipMs })
  const masked = call.presses.filter((press) => isIn(call.happened.spans, call.startUs + press.start * SAMPLE_US))
  const { near } = call.happened
  const presses = near === null ? masked : masked.filter((press) => isIn(near, call.startUs + press.start * SAMPLE_US))
  const exact = call.isExact ? exactCall(agent, payer, { call, masked }) : null
  return {
    agent: {
      samples: agent.samples,
      presses,
      sent: sentTo(agent, call),
      ...(exact === null ? {} : { changed: exact.changed }),
    },
    payer: { samples: payer.samples, presses },
    delaysMs: delaysOf(agent, payer, call),
    exact,
    clear: { samples: agent.samples, presses: call.presses.filter((press) => isClear(press, call)) },
    guessed: agent.guessed,
    openMs: call.happened.openMs,
    told: agent.told,
    unplaced: agent.unplaced,
    notJudged: call.presses.length - presses.length,
    refused: call.happened.refused,
    payerHeard: call.payerHeard,
    turnedHard: call.turnedHard,
  }
}

/** While a window is being opened or closed nobody can say who hears what. */
const UNSURE_US = 250_000

function isClear(press: KeyPress, { startUs, happened }: PlayedCall): boolean {
  const from = startUs + press.start * SAMPLE_US
  const to = from + press.samples * SAMPLE_US
  return happened.spans.every(({ fromUs, toUs }) => to < fromUs - UNSURE_US || from > toUs + UNSURE_US)
}

function isIn(spans: readonly OpenSpan[], atUs: number): boolean {
  return spans.some(({ fromUs, toUs }) => atUs >= fromUs && atUs < toUs)
}

function delaysOf(agent: SideRecording, payer: SideRecording, { happened }: PlayedCall): readonly number[] {
  const sentUs = new Map<number, number>()
  for (const { packet, position } of payer.placed) sentUs.set(position, packet.atUs)
  // A codec moves audio by part of a packet: what left with the samples in question is what counts.
  const starts = [...sentUs.keys()].sort((first, second) => first - second)
  return agent.placed.flatMap(({ packet, position }) => {
    const atUs = sentUs.get(position) ?? sentUs.get(lastAtOrBefore(starts, position) ?? Number.NaN)
    if (atUs === undefined || !happened.spans.some(({ fromUs, toUs }) => atUs >= fromUs && packet.atUs < toUs))
      return []
    return [(packet.atUs - atUs) / 1_000]
  })
}

function lastAtOrBefore(starts: readonly number[], position: number): number | undefined {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= position) low = middle + 1
    else high = middle
  }
  return starts[low - 1]
}

/** The packets that an attacker on the agent's side sees, as judges take them. */
function sentTo(agent: SideRecording, { startUs }: PlayedCall): NonNullable<HeardCall['sent']> {
  return agent.placed.map(({ packet, position, samples }) => ({
    position,
    samples,
    atMs: (packet.atUs - startUs) / 1_000,
    delayMs: null,
  }))
}

function exactCall(
  agent: SideRecording,
  payer: SideRecording,
  about: { readonly call: PlayedCall; readonly masked: readonly KeyPress[] },
): ExactCall {
  const { startUs, happened, spoken } = about.call
  const came = new Uint8Array(spoken.length)
  const changed = new Uint8Array(spoken.length)
  for (const { fromUs, toUs } of happened.spans) {
    const from = Math.max(0, Math.ceil((fromUs - startUs) / SAMPLE_US))
    const to = Math.min(spoken.length, Math.floor((toUs - startUs) / SAMPLE_US))
    for (let n = from; n < to; n += 1) {
      if (payer.held[n] === 0) continue
      came[n] = 1
      if (agent.held[n] === 0 || agent.audio[n] !== payer.audio[n]) changed[n] = 1
    }
  }
  return { came, changed, heard: agent.audio, presses: about.masked }
}
