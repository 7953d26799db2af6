import { audioPieces, isAudio, type AudioPiece } from '../judge/recording.ts'
import type { LoggedPacket } from '../phone/phone-protocol.ts'
import { AudioAlignment } from './audio-alignment.ts'

/** One received audio packet, and how long what it carries was under way. */
export type PacketDelay = {
  readonly sentUs: number
  readonly receivedUs: number
  readonly delayMs: number
  readonly by: 'timestamp' | 'alignment'
}

/** A delay outside of this is a chance meeting of timestamps, not a match. */
const DELAY_MIN_US = -5_000
const DELAY_MAX_US = 2_000_000

/**
 * The one-way delay of every received audio packet by its RTP timestamp, where the path leaves timestamps alone.
 * Packets whose timestamp was never sent are left out, so the caller can see whether the method holds.
 */
export function delaysByTimestamp(
  sent: readonly LoggedPacket[],
  received: readonly LoggedPacket[],
): readonly PacketDelay[] {
  const sentAt = new Map(sent.filter(isAudio).map(({ timestamp, atUs }) => [timestamp, atUs]))
  return received.filter(isAudio).flatMap((packet) => {
    const sentUs = sentAt.get(packet.timestamp)
    if (sentUs === undefined) return []
    const delayUs = packet.atUs - sentUs
    if (delayUs < DELAY_MIN_US || delayUs > DELAY_MAX_US) return []
    return [{ sentUs, receivedUs: packet.atUs, delayMs: delayUs / 1_000, by: 'timestamp' }]
  })
}

/** Packets that are aligned together: one second of audio. */
const CHUNK_PACKETS = 50

/**
 * The one-way delay of every received audio packet by what is heard in it: stretches of a second are found again in
 * the sent audio by cross-correlation, and packets keep their order in between. This is what a listener feels, also
 * where a transcoder or a masker writes timestamps of its own, and it includes the codec's delay (G.722: 1 to 3 ms).
 * Stretches without sound, or with replaced sound, cannot be found; their packets are left out.
 */
export function delaysByAlignment(
  sent: readonly LoggedPacket[],
  received: readonly LoggedPacket[],
): readonly PacketDelay[] {
  const alignment = new AudioAlignment(audioPieces(sent.filter(isAudio)))
  return chunksOf(audioPieces(received.filter(isAudio))).flatMap((chunk) => {
    const spokenUs = alignment.find(chunk)
    if (spokenUs === undefined) return []
    const firstUs = chunk[0]?.atUs ?? 0
    return chunk.flatMap((piece): readonly PacketDelay[] => {
      const receivedUs = piece.packet.atUs
      const sentUs = alignment.leftUs(spokenUs + (piece.atUs - firstUs))
      if (sentUs === undefined) return []
      return [{ sentUs, receivedUs, delayMs: (receivedUs - sentUs) / 1_000, by: 'alignment' }]
    })
  })
}

/** Cuts into stretches whose pieces follow on one another without a gap. */
function chunksOf(pieces: readonly AudioPiece[]): readonly (readonly AudioPiece[])[] {
  const chunks: AudioPiece[][] = []
  for (const piece of pieces) {
    const chunk = chunks.at(-1)
    const last = chunk?.at(-1)
    const follows = last?.packet.ssrc === piece.packet.ssrc && piece.atUs - last.atUs === last.samples.length * 125
    if (chunk !== undefined && follows && chunk.length < CHUNK_PACKETS) chunk.push(piece)
    else chunks.push([piece])
  }
  return chunks
}
