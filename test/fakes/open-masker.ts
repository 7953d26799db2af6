import type { MaskerOptions, Drain } from '../../src/cde/guard/masker.ts'
import { newMaskerCounters } from '../../src/cde/guard/masker-counters.ts'
import { buildRtp, parseRtp, type RtpPacket } from '../../src/cde/guard/rtp-packet.ts'
import type { PayerMasker } from '../../src/cde/guard/window-media.ts'

export type OpenMaskerOptions = {
  /** Whether it obeys `hard`; the worst does not. */
  readonly obeysHard: boolean
  /** What is done to each packet on its way, besides letting it through. */
  readonly change?: (packet: RtpPacket) => RtpPacket
}

/** The worst masker there can be: gate and filter are out of order, and everything goes through after the look-ahead. */
export function openMasker(broken: OpenMaskerOptions): (options: MaskerOptions) => PayerMasker {
  return (options) => new OpenMasker(options, broken)
}

class OpenMasker implements PayerMasker {
  readonly counters = newMaskerCounters()
  readonly #held: { readonly dueMs: number; readonly packet: RtpPacket }[] = []
  readonly #lookAheadMs: number
  readonly #broken: OpenMaskerOptions
  #masking: MaskerOptions['masking']
  #drained = false

  constructor(options: MaskerOptions, broken: OpenMaskerOptions) {
    this.#lookAheadMs = options.lookAheadMs ?? 40
    this.#masking = options.masking
    this.#broken = broken
  }

  get masking(): MaskerOptions['masking'] {
    return this.#masking
  }

  get nextDueMs(): number | undefined {
    return this.#held[0]?.dueMs
  }

  accept(datagram: Buffer, nowMs: number): void {
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'rtp') this.acceptPacket(parsed.packet, nowMs)
  }

  acceptPacket(packet: RtpPacket, nowMs: number): void {
    if (!this.#drained) this.#held.push({ dueMs: nowMs + this.#lookAheadMs, packet })
  }

  due(nowMs: number): readonly Buffer[] {
    const packets: Buffer[] = []
    while (this.#held[0] !== undefined && this.#held[0].dueMs <= nowMs) {
      const held = this.#held.shift()
      if (held !== undefined) packets.push(this.#out(held.packet))
    }
    return packets
  }

  toHard(): void {
    this.#masking = 'hard'
  }

  wipe(): void {
    this.#held.length = 0
  }

  expectKeys(): void {
    // It expects nothing.
  }

  quietForMs(): number {
    return Infinity
  }

  drain(): Drain {
    this.#drained = true
    return { kind: 'drained', packets: this.#held.splice(0).map(({ packet }) => this.#out(packet)) }
  }

  #out(packet: RtpPacket): Buffer {
    if (this.#masking === 'hard' && this.#broken.obeysHard)
      return buildRtp({ ...packet, payloadType: 0, payload: Buffer.alloc(packet.payload.length, 0xff) })
    return buildRtp(this.#broken.change?.(packet) ?? packet)
  }
}
