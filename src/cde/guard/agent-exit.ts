import { ComfortNoise } from './comfort-noise.ts'
import type { Sentinel, SentinelCause } from './egress-sentinel.ts'
import { PCMA_PAYLOAD_TYPE } from './g711.ts'
import { RTP_HEADER_BYTES, type RtpPacket } from './rtp-packet.ts'

/** What the sentinel kept back, or that the masker goes on letting it through after it was told to let nothing through. */
export type MaskingFailure = SentinelCause | 'hard_not_obeyed'

export type AgentExitOptions = {
  readonly sentinel: Sentinel
  /** 32 bits from a good source, new for each window. */
  readonly noiseSeed: number
  /** Told at the first packet that was kept back, and once more with hard_not_obeyed. */
  readonly failed: (failure: MaskingFailure) => void
}

/**
 * The last thing before the socket. Once the sentinel has kept a packet back, the masker is no longer believed: what it
 * gives out from then on is overwritten here whatever it holds, so the window can go on without a sample of the payer's.
 */
export class AgentExit {
  readonly #options: AgentExitOptions
  #noise: ComfortNoise | null = null
  #position = 0
  #failures = 0

  constructor(options: AgentExitOptions) {
    this.#options = options
  }

  /** Each packet of the payer, when it arrives. */
  heard(packet: RtpPacket): void {
    this.#options.sentinel.heard(packet)
  }

  /** True when the packet, which may have been overwritten, is to be sent. */
  admits(packet: Buffer): boolean {
    const cause = this.#options.sentinel.judge(packet)
    if (cause !== null) {
      this.#failures += 1
      if (this.#failures === 1) this.#options.failed(cause)
      else if (this.#failures === 2) this.#options.failed('hard_not_obeyed')
      return false
    }
    if (this.#failures === 0) return true
    const length = packet.length - RTP_HEADER_BYTES
    // Made when it is needed: its table takes a millisecond.
    this.#noise ??= new ComfortNoise(this.#options.noiseSeed)
    this.#noise.fill({
      target: packet,
      start: RTP_HEADER_BYTES,
      length,
      position: this.#position,
      law: ((packet[1] ?? 0) & 0x7f) === PCMA_PAYLOAD_TYPE ? 'alaw' : 'ulaw',
    })
    this.#position += length
    return true
  }

  /** Overwrites what the sentinel holds of the payer. Safe to call twice. */
  wipe(): void {
    this.#options.sentinel.wipe()
  }
}
