import { MediaAnalyser } from '../../src/cde/trunk-check/media-analyser.ts'
import type { CallFigures, PressFigures } from '../../src/wire/trunk-check-protocol.ts'
import type { SentPacket } from './trunk-sender.ts'

/** Where the trunk of these tests sends from. */
export const TRUNK = { host: '127.0.0.9', port: 4_000 }
/** A call does not begin with the process. */
const START_MS = 5_000
const LINGER_MS = 2_000
const LOOK_EVERY_MS = 40

export type CheckedTrunk = { readonly presses: readonly PressFigures[]; readonly figures: Omit<CallFigures, 'rtcp'> }

/** Lets an analyser hear packets at their times, without sockets or a clock. `others` come in between. */
export function checkTrunk(
  packets: readonly SentPacket[],
  options: {
    readonly between?: (analyser: MediaAnalyser, nowMs: number) => void
    readonly events?: readonly number[]
  } = {},
): CheckedTrunk {
  const presses: PressFigures[] = []
  const analyser = new MediaAnalyser({ press: (press) => presses.push(press), hearing: () => undefined })
  analyser.agree({ remote: TRUNK, law: 'ulaw', events: options.events ?? [101] }, START_MS)
  let lookMs = 0
  const sorted = [...packets].sort((a, b) => a.atMs - b.atMs)
  for (const { datagram, atMs } of sorted) {
    for (; lookMs < atMs; lookMs += LOOK_EVERY_MS) analyser.due(START_MS + lookMs)
    options.between?.(analyser, START_MS + atMs)
    analyser.receive(Buffer.from(datagram), TRUNK, START_MS + atMs)
  }
  const endMs = (sorted.at(-1)?.atMs ?? 0) + LINGER_MS
  for (; lookMs < endMs; lookMs += LOOK_EVERY_MS) analyser.due(START_MS + lookMs)
  analyser.finish(START_MS + endMs)
  return { presses, figures: analyser.figures() }
}
