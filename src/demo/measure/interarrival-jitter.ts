import { isAudio, signed32, streamsOf } from '../judge/recording.ts'
import type { LoggedPacket } from '../phone/phone-protocol.ts'

/**
 * Interarrival jitter in ms (RFC 3550 section 6.4.1 and appendix A.8): the estimate after the last audio packet of
 * the longest stream. Undefined with fewer than two packets.
 */
export function interarrivalJitterMs(received: readonly LoggedPacket[]): number | undefined {
  const streams = [...streamsOf(received.filter(isAudio)).values()]
  const stream = streams.reduce<readonly LoggedPacket[]>((most, some) => (some.length > most.length ? some : most), [])
  let jitterUs = 0
  for (const [index, packet] of stream.entries()) {
    const before = stream[index - 1]
    if (before === undefined) continue
    const spacingUs = packet.atUs - before.atUs
    const statedUs = signed32(packet.timestamp - before.timestamp) * 125
    // A jump of the sender's clock is not jitter of the path.
    if (Math.abs(spacingUs - statedUs) > CLOCK_JUMP_US) continue
    jitterUs += (Math.abs(spacingUs - statedUs) - jitterUs) / 16
  }
  return stream.length < 2 ? undefined : jitterUs / 1_000
}

const CLOCK_JUMP_US = 1_000_000
