import assert from 'node:assert/strict'
import { createCipheriv, createHmac, timingSafeEqual } from 'node:crypto'

/** SRTP (RFC 3711) as a telephone speaks it: AES in counter mode, HMAC-SHA1; no MKI, key derivation rate 0. */
export const SRTP_SUITES = { AES_CM_128_HMAC_SHA1_80: 10, AES_CM_128_HMAC_SHA1_32: 4 } as const
export type SrtpSuite = keyof typeof SRTP_SUITES

/** RFC 4568 section 6.2: 16 octets of master key, then 14 of salt. */
export const MASTER_OCTETS = 30
const SALT_AT = 16
const HEADER_OCTETS = 12
/** RFC 3711 section 4.3.1: what a session key is for. */
const LABELS = { cipher: 0, authentication: 1, salt: 2 } as const

/** One direction of one SRTP session. */
export class SrtpStream {
  readonly #cipherKey: Buffer
  readonly #authenticationKey: Buffer
  readonly #salt: Buffer
  readonly #tagOctets: number
  /** Rollover counter and the highest sequence number, a source. */
  readonly #sources = new Map<number, { rollover: number; highest: number }>()

  constructor(options: { readonly suite: SrtpSuite; readonly master: Uint8Array }) {
    assert(options.master.length === MASTER_OCTETS, 'not a master key and salt')
    const master = Buffer.from(options.master)
    this.#cipherKey = derive(master, LABELS.cipher, 16)
    this.#authenticationKey = derive(master, LABELS.authentication, 20)
    this.#salt = derive(master, LABELS.salt, 14)
    this.#tagOctets = SRTP_SUITES[options.suite]
  }

  /** An RTP packet as it goes out. */
  protect(packet: Buffer): Buffer {
    const rollover = this.#rolloverOf(packet)
    const encrypted = Buffer.concat([packet.subarray(0, HEADER_OCTETS), this.#crypt(packet, rollover)])
    this.#advance(packet, rollover)
    return Buffer.concat([encrypted, this.#tag(encrypted, rollover)])
  }

  /** The RTP packet that came, or null when it is none of this session's. */
  unprotect(datagram: Buffer): Buffer | null {
    if (datagram.length < HEADER_OCTETS + this.#tagOctets) return null
    const packet = datagram.subarray(0, datagram.length - this.#tagOctets)
    const rollover = this.#rolloverOf(packet)
    const tag = datagram.subarray(datagram.length - this.#tagOctets)
    if (!timingSafeEqual(tag, this.#tag(packet, rollover))) return null
    this.#advance(packet, rollover)
    return Buffer.concat([packet.subarray(0, HEADER_OCTETS), this.#crypt(packet, rollover)])
  }

  /** RFC 3711 section 4.1.1; its own inverse. */
  #crypt(packet: Buffer, rollover: number): Buffer {
    const counter = Buffer.alloc(16)
    this.#salt.copy(counter)
    exclusiveOr(counter, packet.subarray(8, 12), 4)
    const index = Buffer.alloc(6)
    index.writeUInt32BE(rollover, 0)
    packet.copy(index, 4, 2, 4)
    exclusiveOr(counter, index, 8)
    return createCipheriv('aes-128-ctr', this.#cipherKey, counter).update(packet.subarray(HEADER_OCTETS))
  }

  #tag(packet: Buffer, rollover: number): Buffer {
    const counted = Buffer.alloc(4)
    counted.writeUInt32BE(rollover)
    return createHmac('sha1', this.#authenticationKey)
      .update(packet)
      .update(counted)
      .digest()
      .subarray(0, this.#tagOctets)
  }

  /** RFC 3711 section 3.3.1: the rollover counter that a sequence number belongs to. */
  #rolloverOf(packet: Buffer): number {
    const known = this.#sources.get(packet.readUInt32BE(8))
    if (known === undefined) return 0
    const difference = packet.readUInt16BE(2) - known.highest
    if (difference < -0x8000) return known.rollover + 1
    return difference > 0x8000 ? Math.max(known.rollover - 1, 0) : known.rollover
  }

  #advance(packet: Buffer, rollover: number): void {
    const source = packet.readUInt32BE(8)
    const sequence = packet.readUInt16BE(2)
    const known = this.#sources.get(source)
    if (known === undefined || rollover > known.rollover || (rollover === known.rollover && sequence > known.highest))
      this.#sources.set(source, { rollover, highest: sequence })
  }
}

/** RFC 3711 section 4.3.3, with a key derivation rate of 0. */
export function derive(master: Buffer, label: number, octets: number): Buffer {
  const counter = Buffer.alloc(16)
  master.copy(counter, 0, SALT_AT, MASTER_OCTETS)
  counter[7] = (counter[7] ?? 0) ^ label
  return createCipheriv('aes-128-ctr', master.subarray(0, SALT_AT), counter).update(Buffer.alloc(octets))
}

function exclusiveOr(target: Buffer, octets: Buffer, at: number): void {
  octets.forEach((octet, index) => {
    target[at + index] = (target[at + index] ?? 0) ^ octet
  })
}
