import { ALAW_TO_LINEAR, PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE, ULAW_TO_LINEAR, type G711Law } from './g711.ts'
import { PayerEcho } from './payer-echo.ts'
import { RTP_HEADER_BYTES, type RtpPacket } from './rtp-packet.ts'
import { EAR_SAMPLES_MAX, TwoSineEar } from './two-sine-ear.ts'

/**
 * Why a packet must not leave for the agent. tone: a key's tone is heard in it. repeated: it repeats the payer's own wave
 * from where a tone was. not_audio: it is no G.711, an event packet for one. header: it carries more than a plain header.
 * too_long: it holds more than any packet that the payer sent, or than noise in place of an event.
 */
export type SentinelCause = 'tone' | 'repeated' | 'not_audio' | 'header' | 'too_long'

/** The second belt, as a window sees it. */
export type Sentinel = {
  /** Each packet of the payer, when it arrives. */
  readonly heard: (packet: RtpPacket) => void
  /** Each packet for the agent, when it is due; null: it may leave. */
  readonly judge: (datagram: Buffer) => SentinelCause | null
  /** Overwrites what it holds of the payer. */
  readonly wipe: () => void
}

/** Noise in place of an event packet lasts 60 ms at most, and the guard's own silence 20. */
const SUBSTITUTE_BYTES_MAX = 480
/** Version 2, no padding, no extension, no contributing sources (RFC 3550 section 5.1): what the guard builds. */
const PLAIN_FIRST_BYTE = 0x80

/**
 * Judges each packet about to leave for the agent, and knows nothing of the gate that was to mask it. It is there for a
 * gate that has failed, not for one that was unsure.
 */
export class EgressSentinel implements Sentinel {
  readonly #ear = new TwoSineEar()
  readonly #echo = new PayerEcho()
  #bytesMax = SUBSTITUTE_BYTES_MAX

  heard(packet: RtpPacket): void {
    const law = lawOf(packet.payloadType)
    if (law === null || packet.payload.length > EAR_SAMPLES_MAX) return
    this.#bytesMax = Math.max(this.#bytesMax, packet.payload.length)
    this.#echo.heard(packet.payload, law, packet.timestamp)
  }

  judge(datagram: Uint8Array): SentinelCause | null {
    if (datagram[0] !== PLAIN_FIRST_BYTE || datagram.length < RTP_HEADER_BYTES) return 'header'
    const law = lawOf((datagram[1] ?? 0) & 0x7f)
    if (law === null) return 'not_audio'
    const length = datagram.length - RTP_HEADER_BYTES
    if (length > this.#bytesMax) return 'too_long'
    const table = law === 'alaw' ? ALAW_TO_LINEAR : ULAW_TO_LINEAR
    for (let index = 0; index < length; index += 1) {
      samples[index] = table[datagram[RTP_HEADER_BYTES + index] ?? 0xff] ?? 0
    }
    const heard = this.#ear.hear(samples, 0, length)
    if (this.#echo.repeats(samples, length)) return 'repeated'
    return heard ? 'tone' : null
  }

  /** True when the packet must not leave. */
  hearsTone(datagram: Uint8Array): boolean {
    return this.judge(datagram) !== null
  }

  /** Overwrites what it holds of the payer. Safe to call twice. */
  wipe(): void {
    this.#ear.wipe()
    this.#echo.wipe()
    samples.fill(0)
  }
}

/** The packet being judged: written and read within one call. */
const samples = new Int16Array(EAR_SAMPLES_MAX)

function lawOf(payloadType: number): G711Law | null {
  if (payloadType === PCMU_PAYLOAD_TYPE) return 'ulaw'
  return payloadType === PCMA_PAYLOAD_TYPE ? 'alaw' : null
}
