import type { SeededRandom } from './seeded-random.ts'

/**
 * Bytes that the guard's noise never has in either law of G.711: u-law noise lies near 0x7f and 0xff, A-law noise near
 * 0x55 and 0xd5. One of them on the agent's side came from the payer.
 */
const MARK_FIRST = 0x80
const MARKS = 0x40
/** Other bytes that noise never has, for audio that may pass in talk-through. */
const VOICE_FIRST = 0x08
const VOICES = 0x38

const RTP_HEADER = 12
const OVERSIZE = 1_600
const SSRC = 0x5eed_0001

export type MarkedDatagram = { readonly datagram: Buffer; readonly kind: string }

/** What a payer, or whoever can send in its name, might throw at a guard. Everything but `voice` is marked. */
export class MarkedPayer {
  readonly #random: SeededRandom
  /** True: G.711 audio is marked too, as in hard masking none of it may pass. */
  readonly #isVoiceMarked: boolean
  #sequence: number
  #timestamp: number
  #ssrc = SSRC
  #last: Buffer = Buffer.alloc(0)

  constructor(random: SeededRandom, options: { readonly isVoiceMarked: boolean }) {
    this.#random = random
    this.#isVoiceMarked = options.isVoiceMarked
    this.#sequence = random.below(65_536)
    this.#timestamp = random.below(2 ** 32)
  }

  next(): MarkedDatagram {
    const kind = KINDS[this.#random.below(KINDS.length)] ?? 'voice'
    const datagram = this.#spoil(kind, this.#make(kind))
    this.#last = Buffer.from(datagram)
    return { datagram, kind }
  }

  #make(kind: (typeof KINDS)[number]): Buffer {
    const random = this.#random
    switch (kind) {
      case 'voice':
      case 'voice-again':
        return this.#rtp(random.below(2) * 8, this.#voice([80, 160, 160, 240, 480, random.below(900)]))
      case 'event':
        return this.#rtp(96 + random.below(32), this.#events(1 + random.below(4)))
      case 'event-anywhere':
        return this.#rtp(random.below(128), this.#events(1 + random.below(12)))
      case 'red':
        return this.#rtp(96 + random.below(32), this.#red())
      case 'comfort-noise':
        return this.#rtp(13, this.#marks(random.below(24)))
      case 'unknown':
        return this.#rtp(random.below(128), this.#marks(random.below(400)), true)
      case 'extension':
        return this.#extended()
      case 'csrc':
        return this.#withSources()
      case 'padded':
        return this.#padded()
      case 'rtcp':
        return this.#rtcp()
      case 'repeated':
        return this.#last
      case 'noise':
        return this.#marks(random.below(OVERSIZE))
    }
  }

  /** Cuts, stretches or bends some, and lets the stream jump now and then. */
  #spoil(kind: string, datagram: Buffer): Buffer {
    const random = this.#random
    if (random.next() < 0.02) this.#sequence = random.below(65_536)
    if (random.next() < 0.02) this.#timestamp = random.below(2 ** 32)
    if (random.next() < 0.01) this.#ssrc = SSRC + random.below(4)
    if (kind === 'voice' || kind === 'repeated') return datagram
    if (random.next() < 0.1) return datagram.subarray(0, random.below(datagram.length + 1))
    if (random.next() < 0.03) return Buffer.concat([datagram, this.#marks(random.below(OVERSIZE))])
    return datagram
  }

  #rtp(payloadType: number, payload: Buffer, isMarker = false): Buffer {
    const random = this.#random
    const header = Buffer.alloc(RTP_HEADER)
    header[0] = 0x80
    header[1] = (isMarker ? 0x80 : 0) | payloadType
    // Now and then late or out of order, by little.
    const back = random.next() < 0.1 ? random.below(6) : 0
    header.writeUInt16BE((this.#sequence - back) & 0xffff, 2)
    header.writeUInt32BE((this.#timestamp - back * 160) >>> 0, 4)
    header.writeUInt32BE(this.#ssrc, 8)
    this.#sequence = (this.#sequence + 1) & 0xffff
    if (payloadType === 0 || payloadType === 8) this.#timestamp = (this.#timestamp + payload.length) >>> 0
    return Buffer.concat([header, payload])
  }

  /** RFC 4733: a key code, flags, a duration. The code alone is a digit, so all four bytes are marked but for the end bit. */
  #events(count: number): Buffer {
    return Buffer.concat(Array.from({ length: count }, () => this.#marks(4)))
  }

  /** RFC 2198, well formed or with lengths that lie; blocks of audio, events, comfort noise and RED itself. */
  #red(): Buffer {
    const random = this.#random
    const count = random.below(10)
    const blocks = Array.from({ length: count }, () => ({
      type: [0, 8, 13, 101, 102, random.below(128)][random.below(6)] ?? 0,
      offset: random.below(16_384),
      bytes: this.#marks([4, 4, 8, 160, random.below(400)][random.below(5)] ?? 4),
    }))
    const headers = blocks.map(({ type, offset, bytes }) => {
      const header = Buffer.alloc(4)
      header[0] = 0x80 | type
      const length = random.next() < 0.1 ? random.below(1_024) : bytes.length
      header.writeUIntBE((offset << 10) | length, 1, 3)
      return header
    })
    const primary = Buffer.of([101, 0, 8, 13, random.below(128)][random.below(5)] ?? 0)
    const data = this.#marks([4, 160, random.below(200)][random.below(3)] ?? 4)
    return Buffer.concat([...headers, primary, ...blocks.map(({ bytes }) => bytes), data])
  }

  /** RFC 8285: the one-byte and the two-byte form, and lengths that lie. */
  #extended(): Buffer {
    const random = this.#random
    const packet = this.#rtp(random.below(2) * 8, this.#voice([160]))
    const words = random.below(20)
    const extension = Buffer.alloc(4 + words * 4, this.#mark())
    extension.writeUInt16BE(random.below(2) === 0 ? 0xbede : 0x1000, 0)
    extension.writeUInt16BE(random.next() < 0.1 ? random.below(65_536) : words, 2)
    packet[0] = 0x90
    return Buffer.concat([packet.subarray(0, RTP_HEADER), extension, packet.subarray(RTP_HEADER)])
  }

  #withSources(): Buffer {
    const random = this.#random
    const packet = this.#rtp(random.below(2) * 8, this.#voice([160]))
    const count = random.below(16)
    packet[0] = 0x80 | count
    // All of them there, or fewer: then the first bytes of the payload would be taken for the rest.
    const sources = this.#marks(count * 4)
    const short = random.next() < 0.1 ? random.below(count + 1) * 4 : 0
    const body = short > 0 ? this.#marks(packet.length - RTP_HEADER) : packet.subarray(RTP_HEADER)
    return Buffer.concat([packet.subarray(0, RTP_HEADER), sources.subarray(short), body])
  }

  #padded(): Buffer {
    const random = this.#random
    const packet = this.#rtp(random.below(2) * 8, this.#voice([160]))
    packet[0] = 0xa0
    const padding = this.#marks(1 + random.below(60))
    padding[padding.length - 1] = padding.length
    // A count that lies would make a part of the padding payload, or the whole packet padding.
    if (random.next() < 0.2) return Buffer.concat([packet, Buffer.of(random.below(2) === 0 ? 0 : 255)])
    return Buffer.concat([packet, padding])
  }

  /** RFC 3550 and 3611 on the port of RTP: SR, RR, SDES, BYE, APP, feedback, XR. */
  #rtcp(): Buffer {
    const random = this.#random
    const packets = Array.from({ length: 1 + random.below(4) }, () => {
      const body = this.#marks(4 * (1 + random.below(20)))
      const header = Buffer.of(0x80 | random.below(32), 200 + random.below(8), 0, 0)
      header.writeUInt16BE(body.length / 4, 2)
      return Buffer.concat([header, body])
    })
    return Buffer.concat(packets)
  }

  #voice(lengths: readonly number[]): Buffer {
    const length = lengths[this.#random.below(lengths.length)] ?? 160
    if (this.#isVoiceMarked) return this.#marks(length)
    return Buffer.from(Array.from({ length }, () => VOICE_FIRST + this.#random.below(VOICES)))
  }

  #marks(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#mark()))
  }

  #mark(): number {
    return MARK_FIRST + this.#random.below(MARKS)
  }
}

/** How many bytes of a packet to the agent, after its twelve of header, are the payer's marks. */
export function marksIn(packet: Buffer): number {
  let marks = 0
  for (const byte of packet.subarray(RTP_HEADER)) if (byte >= MARK_FIRST && byte < MARK_FIRST + MARKS) marks += 1
  return marks
}

/** What the guard may send to the agent: G.711, twelve bytes of header, no extension, no sources, no padding. */
export function isPlainAudio(packet: Buffer): boolean {
  const type = (packet[1] ?? 0) & 0x7f
  return packet.length > RTP_HEADER && packet[0] === 0x80 && (type === 0 || type === 8)
}

const KINDS = [
  'voice',
  'voice',
  'voice',
  'voice-again',
  'event',
  'event-anywhere',
  'red',
  'red',
  'comfort-noise',
  'unknown',
  'extension',
  'csrc',
  'padded',
  'rtcp',
  'repeated',
  'noise',
] as const
