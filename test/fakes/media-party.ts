import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { DtlsKeys } from './dtls-keys.ts'
import { isStun, type IceAgent } from './ice-agent.ts'
import { MASTER_OCTETS, SrtpStream, type SrtpSuite } from './srtp.ts'

const PACKET_MS = 20
const STEP = 160
const HEADER_OCTETS = 12
const EVENT_WAIT_MS = 10_000
const EVENT_TYPE = 101
const EVENT_KEYS = '0123456789*#'
const EVENT_UPDATES = 4
const END_COPIES = 3
const BETWEEN_KEYS_MS = 60
const LOOPBACK = { ipv4: '127.0.0.1', ipv6: '::1' } as const

export type HeardMedia = {
  readonly type: number
  readonly mark: number
  readonly atMs: number
  readonly from: string
  readonly octets: number
}

export type PartyMedia = {
  readonly mark: number
  readonly family?: 'ipv4' | 'ipv6'
  /** SDES: the suites that are offered, or the one that is answered. */
  readonly suites?: readonly SrtpSuite[]
  /** Keys of a DTLS handshake that was made on `port`. */
  readonly dtls?: DtlsKeys
  readonly port?: number
  /** The number of its telephone events, 101 when left out; null: it knows none. */
  readonly events?: number | null
  /** Answers connectivity checks on the port of its media, and sends them with check(). */
  readonly ice?: IceAgent
}

/**
 * A telephone's media over IPv4 or IPv6, in the clear or as real SRTP with keys from SDP (RFC 4568). It sends 20 ms of
 * PCMU whose octets are all its mark, and counts what it cannot decrypt.
 */
export class MediaParty {
  readonly family: 'ipv4' | 'ipv6'
  readonly heard: HeardMedia[] = []
  /** Datagrams that the keys did not fit. */
  failures = 0
  readonly #socket: Socket
  readonly mark: number
  readonly #ice: IceAgent | null
  readonly #events: number | null
  readonly #crypto: readonly { readonly tag: number; readonly suite: SrtpSuite; readonly master: Buffer }[]
  #out: SrtpStream | null = null
  #in: SrtpStream | null = null
  /** The a=crypto line that the other side's stream was made from; another one is another key. */
  #inLine = ''
  /** What it answered with; nothing when it offered. */
  #answered: { readonly tag?: number; readonly suite?: SrtpSuite } = {}
  #timer: NodeJS.Timeout | null = null
  #sequence = Math.floor(Math.random() * 60_000)
  #timestamp = Math.floor(Math.random() * 2 ** 31)
  readonly #ssrc = Math.floor(Math.random() * 2 ** 32)
  #payload: Buffer | null = null

  private constructor(socket: Socket, options: PartyMedia) {
    this.#socket = socket
    this.family = options.family ?? 'ipv4'
    this.mark = options.mark
    this.#ice = options.ice ?? null
    this.#events = options.events === undefined ? EVENT_TYPE : options.events
    this.#crypto = (options.suites ?? []).map((suite, index) => ({
      tag: index + 1,
      suite,
      master: randomBytes(MASTER_OCTETS),
    }))
    if (options.dtls !== undefined) {
      this.#in = new SrtpStream({ suite: 'AES_CM_128_HMAC_SHA1_80', master: options.dtls.in })
      this.#out = new SrtpStream({ suite: 'AES_CM_128_HMAC_SHA1_80', master: options.dtls.out })
    }
    socket.on('message', (datagram, from) => {
      if (!isStun(datagram)) return this.#take(datagram, from.port)
      const answer = this.#ice?.take(datagram, from) ?? null
      if (answer !== null) socket.send(answer, from.port, from.address)
    })
  }

  static async open(options: PartyMedia): Promise<MediaParty> {
    const family = options.family ?? 'ipv4'
    const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6')
    socket.bind(options.port ?? 0, LOOPBACK[family])
    await once(socket, 'listening')
    return new MediaParty(socket, options)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Its answer to an offer, with the strongest key that both have. */
  answer(offer: string): string {
    const offered = [...offer.matchAll(/^a=crypto:(\d+) (\S+) /gm)]
    const taken = offered.find(([, , suite]) => this.#crypto.some((key) => key.suite === suite))
    this.#answered = taken === undefined ? {} : { tag: Number(taken[1]), suite: taken[2] as SrtpSuite }
    if (this.#crypto.length > 0 && taken === undefined) throw new Error('no suite that this party has')
    return this.sdp(this.#answered)
  }

  /** Its description once more, on the same port and with the same key. */
  again(
    options: { readonly direction?: string; readonly host?: string; readonly lines?: readonly string[] } = {},
  ): string {
    return this.sdp({ ...this.#answered, ...options })
  }

  /** Its description. `tag`: as an answer, with the one a=crypto of the offer's tag. */
  sdp(
    options: {
      readonly tag?: number
      readonly suite?: SrtpSuite
      readonly direction?: string
      readonly host?: string
      readonly lines?: readonly string[]
    } = {},
  ): string {
    const ip = this.family === 'ipv4' ? 'IP4' : 'IP6'
    const own = LOOPBACK[this.family]
    const keys = this.#crypto.filter(({ suite }) => options.suite === undefined || suite === options.suite)
    const shown = options.tag === undefined ? keys : keys.slice(0, 1).map((key) => ({ ...key, tag: options.tag ?? 1 }))
    return [
      'v=0',
      `o=alice 2890844526 2890844526 IN ${ip} ${own}`,
      's=A telephone of Example',
      `c=IN ${ip} ${options.host ?? own}`,
      't=0 0',
      `m=audio ${this.port} ${shown.length > 0 ? 'RTP/SAVP' : 'RTP/AVP'} 0${this.#events === null ? '' : ` ${this.#events}`}`,
      'a=rtpmap:0 PCMU/8000',
      ...(this.#events === null
        ? []
        : [`a=rtpmap:${this.#events} telephone-event/8000`, `a=fmtp:${this.#events} 0-15`]),
      ...shown.map(({ tag, suite, master }) => `a=crypto:${tag} ${suite} inline:${master.toString('base64')}`),
      `a=${options.direction ?? 'sendrecv'}`,
      'a=ptime:20',
      ...(options.lines ?? []),
      '',
    ].join('\r\n')
  }

  /** Learns the other side's key from what it was told, and sends on and on to the port in it. */
  talk(told: string): void {
    this.stop()
    this.learn(told)
    const target = endpointOf(told)
    this.sendOne(target)
    this.#timer = setInterval(() => this.sendOne(target), PACKET_MS)
  }

  /** The keys in a description of the other side; throws when it has none for a party that demands them. */
  learn(told: string): void {
    if (this.#crypto.length === 0) return
    const lines = [...told.matchAll(/^a=crypto:(\d+) (\S+) inline:([^|\s]+)/gm)]
    const line = lines.find(([, tag]) => this.#answered.tag === undefined || this.#answered.tag === Number(tag))
    if (line === undefined) throw new Error('the other side has no key')
    const [whole, tag, suite, master] = line
    const isOffered = (key: { readonly tag: number }) => this.#answered.tag !== undefined || key.tag === Number(tag)
    const own = this.#crypto.find((key) => key.suite === suite && isOffered(key))
    if (own === undefined) throw new Error('a suite that was not offered')
    if (whole === this.#inLine) return
    this.#inLine = whole
    this.#in = new SrtpStream({ suite: own.suite, master: Buffer.from(master ?? '', 'base64') })
    this.#out ??= new SrtpStream({ suite: own.suite, master: own.master })
  }

  sendOne(target: { readonly host: string; readonly port: number }): void {
    this.#send(this.nextPacket(), target)
  }

  /** Sends a connectivity check. */
  check(told: string): void {
    const { host, port } = endpointOf(told)
    if (this.#ice !== null) this.#socket.send(this.#ice.check(), port, host)
  }

  /** What the next packets hold in place of the mark; null: the mark again. */
  says(payload: Buffer | null): void {
    this.#payload = payload
  }

  /**
   * Presses keys as RFC 4733 events beside the audio: an update every 20 ms, the end three times. Their number is the one
   * that the other side names (RFC 3264 section 5.1), 101 when it names none.
   */
  async press(keys: string, told: string): Promise<void> {
    const target = endpointOf(told)
    const type = Number(/^a=rtpmap:(\d+) telephone-event/im.exec(told)?.[1] ?? EVENT_TYPE)
    for (const key of keys) {
      const timestamp = this.#timestamp
      for (let update = 1; update <= EVENT_UPDATES + END_COPIES; update += 1) {
        const duration = Math.min(update, EVENT_UPDATES) * STEP
        const packet = this.nextPacket().subarray(0, HEADER_OCTETS + 4)
        this.#timestamp = (this.#timestamp - STEP) >>> 0
        packet[1] = type | (update === 1 ? 0x80 : 0)
        packet.writeUInt32BE(timestamp >>> 0, 4)
        packet.set(
          Uint8Array.of(EVENT_KEYS.indexOf(key), update > EVENT_UPDATES ? 0x8a : 0x0a, duration >> 8, duration & 0xff),
          HEADER_OCTETS,
        )
        this.#send(packet, target)
        if (update <= EVENT_UPDATES) await delay(PACKET_MS)
      }
      await delay(BETWEEN_KEYS_MS)
    }
  }

  nextPacket(): Buffer {
    const packet = Buffer.alloc(HEADER_OCTETS + STEP, this.mark)
    this.#payload?.copy(packet, HEADER_OCTETS)
    packet[0] = 0x80
    packet[1] = 0
    packet.writeUInt16BE(this.#sequence, 2)
    packet.writeUInt32BE(this.#timestamp >>> 0, 4)
    packet.writeUInt32BE(this.#ssrc, 8)
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#timestamp = (this.#timestamp + STEP) >>> 0
    return packet
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Waits until a packet with a mark came, from now on; throws when none came in time. */
  async hears(mark: number): Promise<void> {
    const from = this.heard.length
    const untilMs = performance.now() + EVENT_WAIT_MS
    while (!this.heard.slice(from).some((heard) => heard.mark === mark)) {
      if (performance.now() > untilMs) throw new Error('the party did not hear it')
      await delay(5)
    }
  }

  marksSince(sinceMs: number): ReadonlySet<number> {
    return new Set(this.heard.filter((heard) => heard.atMs >= sinceMs).map((heard) => heard.mark))
  }

  /** Safe to call twice. */
  close(): void {
    this.stop()
    try {
      this.#socket.close()
    } catch {
      // It was closed already.
    }
  }

  #send(packet: Buffer, target: { readonly host: string; readonly port: number }): void {
    this.#socket.send(this.#out === null ? packet : this.#out.protect(packet), target.port, target.host)
  }

  #take(datagram: Buffer, fromPort: number): void {
    const isSecure = this.#crypto.length > 0 || this.#in !== null
    const packet = isSecure ? (this.#in?.unprotect(datagram) ?? null) : datagram
    if (packet === null) this.failures += 1
    else if (packet.length > HEADER_OCTETS)
      this.heard.push({
        type: (packet[1] ?? 0) & 0x7f,
        mark: packet[HEADER_OCTETS] ?? 0,
        atMs: performance.now(),
        from: String(fromPort),
        octets: packet.length - HEADER_OCTETS,
      })
  }
}

/** Where the audio of a description is. */
export function endpointOf(sdp: string): { readonly host: string; readonly port: number } {
  const host = /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1] ?? ''
  return { host, port: Number(/^m=audio (\d+)/m.exec(sdp)?.[1] ?? 0) }
}
