import { createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** STUN (RFC 8489) as ICE connectivity checks use it (RFC 8445 section 7): one component, IPv4; the controlling side until it is told otherwise. */
const MAGIC = 0x2112a442
const HEADER_OCTETS = 20
const REQUEST = 0x0001
const SUCCESS = 0x0101
const ERROR = 0x0111
const ERROR_CODE = 0x0009
const ROLE_CONFLICT = 487
const USERNAME = 0x0006
const INTEGRITY = 0x0008
const XOR_ADDRESS = 0x0020
const PRIORITY = 0x0024
const USE_CANDIDATE = 0x0025
const FINGERPRINT = 0x8028
const CONTROLLED = 0x8029
const CONTROLLING = 0x802a
const INTEGRITY_OCTETS = 24
const FINGERPRINT_OCTETS = 8
const FINGERPRINT_MASK = 0x5354554e
/** RFC 8445 section 5.1.2: a peer-reflexive candidate of the first component. */
const CHECK_PRIORITY = 0x6e0001ff

type Credentials = { readonly ufrag: string; readonly pwd: string }

/** Does the checks of one telephone: sends them, answers those of the other side, and counts what came of them. */
export class IceAgent {
  #own = newCredentials()
  /** Checks of ours that were answered with success under the password of the other side. */
  succeeded = 0
  /** Checks of the other side under our password. */
  answered = 0
  refused = 0
  #peer: Credentials = { ufrag: '', pwd: '' }
  #isControlling = true

  get own(): Credentials {
    return this.#own
  }

  /** New passwords, as whoever answers an offer with new ones must have (RFC 8839 section 4.4.1.1.1). */
  restart(): void {
    this.#own = newCredentials()
  }

  /** The lines of its description. */
  lines(port: number): readonly string[] {
    return [
      `a=ice-ufrag:${this.own.ufrag}`,
      `a=ice-pwd:${this.own.pwd}`,
      `a=candidate:1 1 UDP 2130706431 127.0.0.1 ${port} typ host`,
      'a=rtcp-mux',
    ]
  }

  /** Learns the other side's password; false when the description has no ICE. */
  learn(sdp: string): boolean {
    const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1]
    const pwd = /^a=ice-pwd:(\S+)/m.exec(sdp)?.[1]
    if (ufrag === undefined || pwd === undefined) return false
    this.#peer = { ufrag, pwd }
    return true
  }

  /** A check; the controlling side nominates the pair that it is sent on. */
  check(): Buffer {
    const priority = Buffer.alloc(4)
    priority.writeUInt32BE(CHECK_PRIORITY)
    const attributes = [
      attribute(USERNAME, Buffer.from(`${this.#peer.ufrag}:${this.own.ufrag}`)),
      attribute(PRIORITY, priority),
      attribute(this.#isControlling ? CONTROLLING : CONTROLLED, Buffer.alloc(8, 0x7f)),
      ...(this.#isControlling ? [attribute(USE_CANDIDATE, Buffer.alloc(0))] : []),
    ]
    return sealed({ type: REQUEST, id: randomBytes(12), attributes, pwd: this.#peer.pwd })
  }

  /** Takes a datagram that is STUN; what it is to be answered with, or null. */
  take(datagram: Buffer, from: { readonly address: string; readonly port: number }): Buffer | null {
    const type = datagram.readUInt16BE(0)
    if (type === SUCCESS && isSealed(datagram, this.#peer.pwd)) this.succeeded += 1
    // Both want the same role, and the other side keeps it (RFC 8445 section 7.2.5.1); its errors are not always sealed.
    else if (type === ERROR && errorOf(datagram) === ROLE_CONFLICT) this.#isControlling = !this.#isControlling
    else if (type === REQUEST && isSealed(datagram, this.own.pwd)) {
      this.answered += 1
      const mapped = Buffer.alloc(8)
      mapped.set([0, 1])
      mapped.writeUInt16BE(from.port ^ (MAGIC >>> 16), 2)
      const octets = Buffer.from(from.address.split('.').map(Number))
      mapped.writeUInt32BE((octets.readUInt32BE(0) ^ MAGIC) >>> 0, 4)
      const attributes = [attribute(XOR_ADDRESS, mapped)]
      return sealed({ type: SUCCESS, id: datagram.subarray(8, HEADER_OCTETS), attributes, pwd: this.own.pwd })
    } else this.refused += 1
    return null
  }
}

function newCredentials(): Credentials {
  return { ufrag: randomBytes(4).toString('hex'), pwd: randomBytes(12).toString('hex') }
}

/** RFC 7983: what begins with 0 or 1 is STUN, RTP begins with 128 to 191. */
export function isStun(datagram: Buffer): boolean {
  return datagram.length >= HEADER_OCTETS && (datagram[0] ?? 0xff) < 2 && datagram.readUInt32BE(4) === MAGIC
}

function sealed(message: {
  readonly type: number
  readonly id: Buffer
  readonly attributes: readonly Buffer[]
  readonly pwd: string
}): Buffer {
  const body = Buffer.concat(message.attributes)
  const header = Buffer.alloc(HEADER_OCTETS)
  header.writeUInt16BE(message.type)
  header.writeUInt32BE(MAGIC, 4)
  message.id.copy(header, 8)
  header.writeUInt16BE(body.length + INTEGRITY_OCTETS, 2)
  const signed = Buffer.concat([header, body])
  const integrity = attribute(INTEGRITY, createHmac('sha1', message.pwd).update(signed).digest())
  signed.writeUInt16BE(body.length + INTEGRITY_OCTETS + FINGERPRINT_OCTETS, 2)
  const whole = Buffer.concat([signed, integrity])
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE((crc32(whole) ^ FINGERPRINT_MASK) >>> 0)
  return Buffer.concat([whole, attribute(FINGERPRINT, sum)])
}

function isSealed(datagram: Buffer, pwd: string): boolean {
  for (let at = HEADER_OCTETS; at + 4 <= datagram.length;) {
    const length = datagram.readUInt16BE(at + 2)
    if (datagram.readUInt16BE(at) === INTEGRITY) {
      const signed = Buffer.from(datagram.subarray(0, at))
      signed.writeUInt16BE(at - HEADER_OCTETS + INTEGRITY_OCTETS, 2)
      return createHmac('sha1', pwd)
        .update(signed)
        .digest()
        .equals(datagram.subarray(at + 4, at + 4 + length))
    }
    at += 4 + Math.ceil(length / 4) * 4
  }
  return false
}

/** RFC 8489 section 14.8: a class of hundreds, and the rest; 0 without one. */
function errorOf(datagram: Buffer): number {
  for (let at = HEADER_OCTETS; at + 8 <= datagram.length;) {
    if (datagram.readUInt16BE(at) === ERROR_CODE) return ((datagram[at + 6] ?? 0) & 7) * 100 + (datagram[at + 7] ?? 0)
    at += 4 + Math.ceil(datagram.readUInt16BE(at + 2) / 4) * 4
  }
  return 0
}

function attribute(type: number, value: Buffer): Buffer {
  const whole = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  whole.writeUInt16BE(type)
  whole.writeUInt16BE(value.length, 2)
  value.copy(whole, 4)
  return whole
}
