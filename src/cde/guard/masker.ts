import assert from 'node:assert/strict'
import { ComfortNoise } from './comfort-noise.ts'
import { PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE, type G711Law } from './g711.ts'
import { newMaskerCounters, type DropCause } from './masker-counters.ts'
import { readPayload, type PayerPayload } from './payer-payload.ts'
import { PassingAudio } from './passing-audio.ts'
import { PayerTimeline } from './payer-timeline.ts'
import { RtpHeaderMap, type Arrival, type HeaderMode, type OwnHeaders } from './rtp-header-map.ts'
import { RTP_HEADER_BYTES, parseRtp, type RtpPacket } from './rtp-packet.ts'
import { GATE_BLOCK_SAMPLES } from './tone-gate.ts'

/** `hard`: no payer sample crosses. `talk-through`: speech crosses, what could be a tone does not. */
export type Masking = 'hard' | 'talk-through'

export type MaskerOptions = {
  readonly masking: Masking
  readonly headers: HeaderMode
  readonly own: OwnHeaders
  /** 32 bits from a good source, new for each window. */
  readonly noiseSeed: number
  /** The law of noise that goes out before any audio came. */
  readonly law: G711Law
  readonly nowMs: number
  readonly lookAheadMs?: number
  /** The payer's audio is overwritten in its own datagram when it has been released. */
  readonly overwrites?: boolean
}

export type Drain = { readonly kind: 'drained'; readonly packets: readonly Buffer[] } | { readonly kind: 'key-down' }

/**
 * One packet of 20 ms and 10 ms of jitter: the gate knows speech from a tone when it has heard the packet that follows. No key leaks with
 * less, even with none; but 6 % of speech would be silenced instead of 0.3 % (bench leak-knee).
 */
export const LOOK_AHEAD_MS = 30

/** More than any sender sends in the longest look-ahead; a flood must not grow memory. */
const HELD_PACKETS_MAX = 256

const SAMPLES_PER_MS = 8

/** Packets of 10 to 60 ms are asked for; some senders go to 100. */
const AUDIO_SAMPLES_MAX = 100 * SAMPLES_PER_MS

/** One packet of noise in place of an event covers at most this. */
const SUBSTITUTE_SAMPLES_MAX = 60 * SAMPLES_PER_MS

/** What an unknown payload is taken to last while no audio has told the packet time. */
const PACKET_SAMPLES_DEFAULT = 20 * SAMPLES_PER_MS

/**
 * Tone audio leads and trails what the event packets say. What is further off, the gate finds by itself, and the band filter stops
 * what it does not: with 30 ms here 61 ms were silenced beside each tone, with 10 it is 25 (attack bench, events, 1,200 keys).
 */
const EVENT_MARGIN_SAMPLES = 10 * SAMPLES_PER_MS

/** RFC 4733 section 2.5.1.2: updates every 50 ms. Five missing in a row, and the key counts as released. */
const EVENT_SILENCE_MS = 250

/** Masked either side of a restart: a tone may be cut in two there. */
const JOINT_SAMPLES = 40 * SAMPLES_PER_MS

/** A timestamp this far from where it should be is a new clock, not a pause. */
const TIMESTAMP_JUMP_MAX = 2000 * SAMPLES_PER_MS

/** Where the timeline starts: so far up that what is earlier than the first packet has a place too. */
export const FIRST_POSITION = 1_000_000 * GATE_BLOCK_SAMPLES

type Held = {
  readonly releaseMs: number
  readonly arrival: Arrival
  readonly timestamp: number
  readonly position: number
  readonly content: PayerPayload
  /** Its time had gone out before it came. */
  readonly late: boolean
}

/**
 * Stands between the payer and the agent while a window is open. Each packet is held for the look-ahead and then
 * leaves once, masked where it must be: the delay is one constant. Pure: time and chance come in as arguments, and
 * nothing that comes in makes it throw.
 */
export class Masker {
  readonly counters = newMaskerCounters()
  readonly #lookAheadMs: number
  readonly #overwrites: boolean
  readonly #headers: RtpHeaderMap
  readonly #noise: ComfortNoise
  readonly #timeline = new PayerTimeline()
  readonly #passing = new PassingAudio({ timeline: this.#timeline, from: FIRST_POSITION })
  readonly #held: Held[] = []
  #masking: Masking
  #law: G711Law
  #drained = false
  #lastSuspectMs: number
  /** The payer's clock: this timestamp is at this position. */
  #anchor: { timestamp: number; position: number } | undefined
  #lastArrivalMs: number
  #packetSamples = PACKET_SAMPLES_DEFAULT
  /** The end of what came in, and of what went out. */
  #heardUntil = FIRST_POSITION
  #sentUntil = FIRST_POSITION
  #lastSequence = -1
  #markNext: boolean
  /** While a key is held down by events: from when on to mask, and when its last packet came. */
  #key: { from: number; lastMs: number } | undefined

  constructor(options: MaskerOptions) {
    this.#lookAheadMs = options.lookAheadMs ?? LOOK_AHEAD_MS
    assert(this.#lookAheadMs >= 0 && this.#lookAheadMs <= 400, 'look-ahead beyond the timeline')
    this.#overwrites = options.overwrites ?? false
    this.#headers = new RtpHeaderMap({ mode: options.headers, own: options.own })
    this.#noise = new ComfortNoise(options.noiseSeed)
    this.#masking = options.masking
    this.#law = options.law
    this.#lastSuspectMs = options.nowMs
    this.#lastArrivalMs = options.nowMs
    this.#markNext = options.headers === 'own'
  }

  /** Takes one datagram of the payer's. The buffer must not be changed until it has been released. */
  accept(datagram: Buffer, nowMs: number): void {
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'rtp') this.acceptPacket(parsed.packet, nowMs)
    else {
      this.counters.packetsIn += 1
      this.#drop(parsed.code === 'rtcp' ? 'rtcp' : 'malformed')
    }
  }

  /** The same for a packet that somebody has parsed already. */
  acceptPacket(packet: RtpPacket, nowMs: number): void {
    this.counters.packetsIn += 1
    if (this.#drained) return this.#drop('drained')
    if (this.#held.length === HELD_PACKETS_MAX) return this.#drop('held_full')
    const content = readPayload(packet)
    if (content.kind === 'audio' && content.payload.length > AUDIO_SAMPLES_MAX) return this.#drop('payload_length')
    const arrival = this.#headers.arrive(packet)
    if (arrival.kind === 'refused') return this.#drop(arrival.code)

    const position = this.#place({ packet, content, restarted: arrival.restarted, nowMs })
    const samples = content.kind === 'audio' ? content.payload.length : this.#packetSamples
    const late = position < this.#sentUntil
    if (content.kind === 'audio') {
      this.#timeline.write({ position, payload: content.payload, law: content.law })
      this.#packetSamples = Math.max(samples, GATE_BLOCK_SAMPLES)
      this.#law = content.law
    }
    if (content.kind === 'event') this.#noteEvent({ content, position, nowMs })
    else this.#heardUntil = Math.max(this.#heardUntil, position + samples)
    this.#lastArrivalMs = nowMs
    this.#held.push({
      releaseMs: nowMs + this.#lookAheadMs,
      arrival,
      timestamp: packet.timestamp,
      position,
      content,
      late,
    })
  }

  /** When due() has something to give; undefined while nothing is held. */
  get nextDueMs(): number | undefined {
    return this.#held[0]?.releaseMs
  }

  /** The packets to send now, in order. */
  due(nowMs: number): readonly Buffer[] {
    const packets: Buffer[] = []
    for (;;) {
      const first = this.#held[0]
      if (first === undefined || first.releaseMs > nowMs) return packets
      this.#held.shift()
      const packet = this.#release(first, nowMs)
      if (packet !== undefined) packets.push(packet)
    }
  }

  /** From now on, and for all that is held, no payer sample crosses. There is no way back. */
  toHard(): void {
    this.#masking = 'hard'
  }

  /** Keys are awaited: for the next ten seconds less evidence makes a tone. */
  expectKeys(): void {
    this.#timeline.expectKeys(this.#heardUntil)
  }

  get masking(): Masking {
    return this.#masking
  }

  /** How long neither an event nor a suspected tone was there, as of what has been released. */
  quietForMs(nowMs: number): number {
    return this.#keyIsDown(nowMs) ? 0 : Math.max(0, nowMs - this.#lastSuspectMs)
  }

  /**
   * Ends the window: everything held is judged at once and handed out, and nothing leaves ever after. With a key down
   * in what is held nothing changes.
   */
  drain(nowMs: number): Drain {
    if (this.#drained) return { kind: 'drained', packets: [] }
    if (this.#keyIsDown(nowMs) || this.#held.some((held) => this.#isSuspect(held))) return { kind: 'key-down' }
    const packets: Buffer[] = []
    for (const held of this.#held.splice(0)) {
      const packet = this.#release(held, nowMs)
      if (packet !== undefined) packets.push(packet)
    }
    this.#drained = true
    return { kind: 'drained', packets }
  }

  /** Overwrites the payer's audio; nothing leaves ever after. Safe to call twice. */
  wipe(): void {
    this.#drained = true
    for (const { content } of this.#held.splice(0)) if (content.kind === 'audio') content.payload.fill(0)
    this.#timeline.wipe()
    this.#passing.wipe()
  }

  #isSuspect(held: Held): boolean {
    if (held.content.kind === 'event') return true
    if (held.content.kind !== 'audio') return false
    const last = Math.floor((held.position + held.content.payload.length - 1) / GATE_BLOCK_SAMPLES)
    for (let block = Math.floor(held.position / GATE_BLOCK_SAMPLES); block <= last; block += 1) {
      if (this.#timeline.inMaskedSpan(block) || this.#timeline.verdict(block) === 'tone') return true
    }
    return false
  }

  #release(held: Held, nowMs: number): Buffer | undefined {
    if (held.content.kind !== 'audio') return this.#releaseOther(held)
    const packet = this.#releaseAudio(held, held.content, nowMs)
    // A tone is a digit too: it is not left to the collector.
    if (this.#overwrites) held.content.payload.fill(0)
    return packet
  }

  #releaseAudio(held: Held, audio: PayerPayload & { kind: 'audio' }, nowMs: number): Buffer | undefined {
    const samples = audio.payload.length
    const to = held.position + samples
    if (this.#timeline.isSubstituted({ from: held.position, to })) return this.#withhold(held, 'already_sent')
    const sequence = this.#headers.send(held.arrival)
    if (sequence === undefined) return this.#drop('unplaceable')
    const packet = this.#build({ held, sequence, position: held.position, samples, law: audio.law })
    this.#mask({ packet, from: held.position, to, position: held.position, law: audio.law })
    if (held.late) return packet
    const isDown = this.#keyIsDown(nowMs)
    if (this.#passing.advance(to, isDown ? (this.#key?.from ?? 0) : Infinity)) this.#lastSuspectMs = nowMs
    if (this.#masking === 'hard') return packet
    const passed = this.#passing.copy({
      target: packet,
      start: RTP_HEADER_BYTES,
      position: held.position,
      length: samples,
      law: audio.law,
    })
    this.counters.samplesMasked -= passed
    return packet
  }

  /** An event or a payload that is not read: noise for the time that no audio covers, or nothing. */
  #releaseOther(held: Held): Buffer | undefined {
    const samples = held.content.kind === 'event' ? held.content.duration : this.#packetSamples
    const end = held.position + samples
    const from = Math.max(this.#sentUntil, end - SUBSTITUTE_SAMPLES_MAX)
    let to = from
    while (to < end && !this.#timeline.holdsAudio(to)) to = Math.min(to + GATE_BLOCK_SAMPLES, end)
    const cause = held.content.kind === 'event' ? 'event' : 'not_audio'
    if (to - from < GATE_BLOCK_SAMPLES || end - this.#heardUntil > TIMESTAMP_JUMP_MAX)
      return this.#withhold(held, cause)
    const sequence = this.#headers.send(held.arrival)
    if (sequence === undefined) return this.#drop('unplaceable')
    this.#timeline.substitute({ from, to })
    const packet = this.#build({ held, sequence, position: from, samples: to - from, law: this.#law })
    this.#mask({ packet, from, to, position: from, law: this.#law })
    return packet
  }

  /** The packet with its header, its payload still unwritten, and the books that go with sending it. */
  #build(out: {
    readonly held: Held
    readonly sequence: number
    readonly position: number
    readonly samples: number
    readonly law: G711Law
  }): Buffer {
    const { held, sequence, position, samples } = out
    const packet = Buffer.allocUnsafe(RTP_HEADER_BYTES + samples)
    // A talk spurt begins where time jumps and the sequence does not (RFC 3551 section 4.1).
    const spurt = position > this.#sentUntil && sequence === ((this.#lastSequence + 1) & 0xffff)
    const marker = this.#markNext || spurt ? 0x80 : 0
    packet[0] = 0x80
    packet[1] = marker | (out.law === 'ulaw' ? PCMU_PAYLOAD_TYPE : PCMA_PAYLOAD_TYPE)
    packet.writeUInt16BE(sequence, 2)
    const payer = (held.timestamp + position - held.position) >>> 0
    packet.writeUInt32BE(this.#headers.timestamp({ payer, position }), 4)
    packet.writeUInt32BE(this.#headers.ssrc(held.arrival), 8)
    this.#markNext = false
    this.#lastSequence = sequence
    this.#sentUntil = Math.max(this.#sentUntil, position + samples)
    this.counters.packetsOut += 1
    this.counters.samplesOut += samples
    return packet
  }

  #mask(span: {
    readonly packet: Buffer
    readonly from: number
    readonly to: number
    /** Of the packet's first sample. */
    readonly position: number
    readonly law: G711Law
  }): void {
    const length = span.to - span.from
    this.#noise.fill({
      target: span.packet,
      start: RTP_HEADER_BYTES + span.from - span.position,
      length,
      position: span.from,
      law: span.law,
    })
    this.counters.samplesMasked += length
  }

  /** The packet's place on the timeline; a clock that jumps is set anew, and the joint masked. */
  #place(arrived: {
    readonly packet: RtpPacket
    readonly content: PayerPayload
    readonly restarted: boolean
    readonly nowMs: number
  }): number {
    const { timestamp } = arrived.packet
    const anchor = this.#anchor
    if (anchor === undefined) {
      this.#anchor = { timestamp, position: FIRST_POSITION }
      return FIRST_POSITION
    }
    const elapsed = Math.max(0, arrived.nowMs - this.#lastArrivalMs) * SAMPLES_PER_MS
    const position = anchor.position + ((timestamp - anchor.timestamp) | 0)
    const ahead = position - this.#heardUntil
    const jumped = ahead > elapsed + TIMESTAMP_JUMP_MAX || ahead < -TIMESTAMP_JUMP_MAX
    if (!jumped && !arrived.restarted) {
      if (position > anchor.position && arrived.content.kind === 'audio') this.#anchor = { timestamp, position }
      return position
    }
    // Events of an odd clock are masked from where audio stands, but do not set the clock.
    if (arrived.content.kind === 'event' && !arrived.restarted) return this.#heardUntil
    const pause = Math.floor(elapsed / GATE_BLOCK_SAMPLES) * GATE_BLOCK_SAMPLES
    const start = Math.ceil(this.#heardUntil / GATE_BLOCK_SAMPLES) * GATE_BLOCK_SAMPLES
    const joint = start + (pause > TIMESTAMP_JUMP_MAX / 10 ? pause : 0)
    this.#timeline.maskSpan({ from: start - JOINT_SAMPLES, to: joint + JOINT_SAMPLES })
    this.#anchor = { timestamp, position: joint }
    this.#markNext = true
    this.counters.resyncs += 1
    return joint
  }

  #noteEvent(noted: {
    readonly content: PayerPayload & { kind: 'event' }
    readonly position: number
    readonly nowMs: number
  }): void {
    const { content, position, nowMs } = noted
    this.counters.events += 1
    this.#lastSuspectMs = nowMs
    const from = position - content.lead - EVENT_MARGIN_SAMPLES
    this.#timeline.maskSpan({ from, to: position + content.duration + EVENT_MARGIN_SAMPLES })
    if (content.end) this.#key = undefined
    else this.#key = { from: Math.min(from, this.#key?.from ?? from), lastMs: nowMs }
  }

  /** A key whose packets stop coming counts as released, but what was heard until then stays masked. */
  #keyIsDown(nowMs: number): boolean {
    if (this.#key === undefined) return false
    if (nowMs - this.#key.lastMs <= EVENT_SILENCE_MS) return true
    this.#timeline.maskSpan({ from: this.#key.from, to: this.#heardUntil + EVENT_MARGIN_SAMPLES })
    this.#lastSuspectMs = nowMs
    this.#key = undefined
    return false
  }

  #withhold(held: Held, cause: DropCause): undefined {
    this.#headers.drop(held.arrival)
    return this.#drop(cause)
  }

  #drop(cause: DropCause): undefined {
    this.counters.dropped[cause] += 1
  }
}
