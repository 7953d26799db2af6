import { randomBytes } from 'node:crypto'
import type { Address, WindowCounts } from '../../wire/guard-protocol.ts'
import type { Masking } from '../../wire/window-progress.ts'
import { AgentExit, type MaskingFailure } from './agent-exit.ts'
import { AgentRelay } from './agent-relay.ts'
import type { Sentinel } from './egress-sentinel.ts'
import { PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE } from './g711.ts'
import type { GuardMetrics } from './guard-metrics.ts'
import { Masker, type MaskerOptions } from './masker.ts'
import type { OwnHeaders } from './rtp-header-map.ts'
import { buildRtp, parseRtp, type RtpPacket } from './rtp-packet.ts'

/** Datagrams kept for each side until rtpengine's ports are known: a second at 20 ms, and interposing takes milliseconds. */
const QUEUED_MAX = 50
/** rtpengine drops a call without media after 60 s; both parties may be muted in a window. */
const KEEP_ALIVE_MS = 10_000
/** Without a packet of the payer the line is broken, or the window was never in the path. */
const PAYER_SILENT_MS = 5_000
/** Draining waits this long for the gap after a payer's packet: packets are 60 ms apart at most. */
const DRAIN_WAIT_MS = 80
const KEEP_ALIVE_SAMPLES = 160
/** RFC 3551 table 4. */
const COMFORT_NOISE_PAYLOAD_TYPE = 13

export type WindowMediaOptions = {
  readonly masking: Masking
  readonly lookAheadMs: number
  readonly codec: 'PCMU' | 'PCMA'
  readonly headers: 'same' | 'own'
  readonly nowMs: number
  readonly toPayer: Send
  readonly toAgent: Send
  /** Judges each packet before it leaves for the agent. */
  readonly sentinel: Sentinel
  /** Each good packet of the payer, for the key receiver. */
  readonly heard: (packet: RtpPacket, nowMs: number) => void
  /** The masker let something through: it was not sent, and the window is hard from now on. */
  readonly maskingFailed: (failure: MaskingFailure) => void
  readonly payerSilent: () => void
  /** After payerSilent, a packet came. */
  readonly payerHeard: () => void
  /** A key that is known to be down keeps a drain back. */
  readonly isKeyDown: (nowMs: number) => boolean
  readonly metrics: GuardMetrics
  /** Where noise and headers start; the system's chance, unless a test wants two windows alike. */
  readonly random?: RandomBytes
  /** A test's masker in place of ours, to see what happens when it fails. */
  readonly newMasker?: NewMasker
}

/** What a window needs of a masker. */
export type PayerMasker = Pick<Masker, keyof Masker>
export type NewMasker = (options: MaskerOptions) => PayerMasker

export type RandomBytes = (bytes: number) => Buffer
export type Send = (datagram: Buffer, to: Address) => void
export type DrainResult = 'drained' | 'key_down'

type Side = {
  address: Address | null
  queued: { readonly datagram: Buffer; readonly from: Address; readonly nowMs: number }[]
  lastSentMs: number
}

/**
 * The packets of one window: from the payer through the masker to the agent, from the agent straight to the payer.
 * Nothing of the payer's passes but what the masker gives out and the sentinel lets through.
 */
export class WindowMedia {
  readonly #options: WindowMediaOptions
  readonly #payer: Side
  readonly #agent: Side
  readonly #relay: AgentRelay
  readonly #exit: AgentExit
  readonly #counts = { fromPayer: 0, fromAgent: 0, toPayer: 0, toAgent: 0, dropped: 0 }
  readonly #random: RandomBytes
  readonly #keepAliveSsrc: number
  #keepAliveSequence: number
  #masker: PayerMasker
  #maskedSamplesBefore = 0
  #maskedMsTold = 0
  #drain: { readonly done: (result: DrainResult) => void; readonly untilMs: number } | null = null
  #drained = false
  #lastPayerMs: number
  #lastHeardMs: number
  #payerSilentTold = false
  #payerPauses = false

  constructor(options: WindowMediaOptions) {
    this.#options = options
    this.#random = options.random ?? randomBytes
    this.#keepAliveSsrc = this.#random(4).readUInt32BE(0)
    this.#keepAliveSequence = this.#random(2).readUInt16BE(0) >> 1
    const side = (): Side => ({ address: null, queued: [], lastSentMs: options.nowMs })
    this.#payer = side()
    this.#agent = side()
    this.#relay = new AgentRelay({ headers: options.headers, own: this.#ownHeaders() })
    this.#masker = this.#newMasker(options.masking, options.nowMs)
    this.#exit = new AgentExit({
      sentinel: options.sentinel,
      noiseSeed: this.#random(4).readUInt32BE(0),
      failed: (failure) => this.#fail(failure),
    })
    this.#lastPayerMs = options.nowMs
    this.#lastHeardMs = options.nowMs
  }

  get isConnected(): boolean {
    return this.#payer.address !== null
  }

  get isDrained(): boolean {
    return this.#drained
  }

  get isDraining(): boolean {
    return this.#drain !== null
  }

  get masking(): Masking {
    return this.#masker.masking
  }

  /** When a packet of either side last came, milliseconds of the guard's clock. */
  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  get counts(): WindowCounts {
    return { ...this.#counts, maskedMs: this.#maskedMs() }
  }

  /** When a packet of the payer last came, or could have first. */
  get lastPayerMs(): number {
    return this.#lastPayerMs
  }

  /** The payer's telephone has sent nothing before and came back, or sends comfort noise (RFC 3389): its silence says little. */
  get payerPauses(): boolean {
    return this.#payerPauses
  }

  /** How long the masker has suspected nothing. */
  quietForMs(nowMs: number): number {
    return this.#masker.quietForMs(nowMs)
  }

  /** From now on packets go to rtpengine, and only its packets are taken. Those that came before are judged now. May be repeated. */
  connect(addresses: { readonly payer: Address; readonly agent: Address }, nowMs: number): void {
    this.#payer.address = addresses.payer
    this.#agent.address = addresses.agent
    this.#lastPayerMs = nowMs
    for (const { datagram, from, nowMs: thenMs } of this.#payer.queued.splice(0)) this.fromPayer(datagram, from, thenMs)
    for (const { datagram, from, nowMs: thenMs } of this.#agent.queued.splice(0)) this.fromAgent(datagram, from, thenMs)
    this.tick(nowMs)
  }

  fromPayer(datagram: Buffer, from: Address, nowMs: number): void {
    if (!this.#admit(this.#payer, datagram, from, nowMs)) return
    this.#counts.fromPayer += 1
    this.#options.metrics.packet('from_payer')
    this.#lastPayerMs = nowMs
    if (this.#payerSilentTold) this.#payerIsBack()
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'refused') this.#masker.accept(datagram, nowMs)
    else {
      this.#exit.heard(parsed.packet)
      this.#masker.acceptPacket(parsed.packet, nowMs)
      this.#options.heard(parsed.packet, nowMs)
      if (parsed.packet.payloadType === COMFORT_NOISE_PAYLOAD_TYPE) this.#payerPauses = true
      // What is no audio is a key in plain bytes, and nobody needs it any more.
      if (!isAudio(parsed.packet)) datagram.fill(0)
    }
    if (this.#drain !== null) this.#drainNow(nowMs)
  }

  fromAgent(datagram: Buffer, from: Address, nowMs: number): void {
    if (!this.#admit(this.#agent, datagram, from, nowMs)) return
    this.#counts.fromAgent += 1
    this.#options.metrics.packet('from_agent')
    const parsed = parseRtp(datagram)
    const out = parsed.kind === 'refused' ? null : this.#relay.relay(parsed.packet, datagram, nowMs)
    if (out === null) this.#dropped('dropped')
    else this.#sendToPayer(out, nowMs)
  }

  /** Sends what is due, and keeps rtpengine's call alive. */
  tick(nowMs: number): void {
    if (!this.isConnected) return
    const dueMs = this.#masker.nextDueMs
    for (const packet of this.#masker.due(nowMs)) this.#sendToAgent(packet, nowMs)
    if (dueMs !== undefined && dueMs <= nowMs) this.#options.metrics.late(nowMs - dueMs)
    if (this.#drain !== null && nowMs >= this.#drain.untilMs) this.#drainNow(nowMs)
    if (this.#drained) return
    if (nowMs - this.#agent.lastSentMs >= KEEP_ALIVE_MS) this.#sendToAgent(this.#keepAlive(nowMs), nowMs)
    if (nowMs - this.#payer.lastSentMs >= KEEP_ALIVE_MS) this.#sendToPayer(this.#keepAlive(nowMs), nowMs)
    if (nowMs - this.#lastPayerMs < PAYER_SILENT_MS || this.#payerSilentTold) return
    this.#payerSilentTold = true
    this.#options.payerSilent()
  }

  /** When tick() has something to do. */
  dueMs(): number {
    if (!this.isConnected) return Infinity
    const keepAliveMs = Math.min(this.#agent.lastSentMs, this.#payer.lastSentMs) + KEEP_ALIVE_MS
    const silentMs = this.#payerSilentTold ? Infinity : this.#lastPayerMs + PAYER_SILENT_MS
    return Math.min(
      this.#masker.nextDueMs ?? Infinity,
      this.#drain?.untilMs ?? Infinity,
      this.#drained ? Infinity : Math.min(keepAliveMs, silentMs),
    )
  }

  /** A field is open: keys may come at any moment. */
  expectKeys(): void {
    this.#masker.expectKeys()
  }

  /** From now on no payer sample crosses. */
  toHard(): void {
    this.#masker.toHard()
  }

  /** Overwrites what is held of the payer. Safe to call twice. */
  wipe(): void {
    this.#exit.wipe()
    this.#masker.wipe()
    for (const { datagram } of this.#payer.queued.splice(0)) datagram.fill(0)
  }

  /**
   * Waits for the gap after the payer's next packet, sends what is held, and is silent towards the agent from then on. With a
   * key down nothing changes. `done` is called once; a drain asked for in between replaces the one before, which gets key_down.
   */
  drain(nowMs: number, done: (result: DrainResult) => void): void {
    this.#drain?.done('key_down')
    this.#drain = { done, untilMs: this.isConnected ? nowMs + DRAIN_WAIT_MS : nowMs }
    if (!this.isConnected) this.#drainNow(nowMs)
  }

  /** Masks on after a drain. */
  resume(nowMs: number): void {
    if (!this.#drained) return
    const { masking } = this.#masker
    this.#maskedSamplesBefore += this.#masker.counters.samplesMasked
    this.#masker = this.#newMasker(masking, nowMs)
    this.#drained = false
  }

  #payerIsBack(): void {
    this.#payerSilentTold = false
    this.#payerPauses = true
    this.#options.payerHeard()
  }

  #drainNow(nowMs: number): void {
    const drain = this.#drain
    if (drain === null) return
    this.#drain = null
    const result = this.#options.isKeyDown(nowMs) ? { kind: 'key-down' as const } : this.#masker.drain(nowMs)
    if (result.kind === 'key-down') {
      drain.done('key_down')
      return
    }
    this.#drained = true
    let passed = true
    for (const packet of result.packets) passed = this.#sendToAgent(packet, nowMs) && passed
    if (!passed) this.resume(nowMs)
    drain.done(passed ? 'drained' : 'key_down')
  }

  /** Only rtpengine is listened to: anybody else who finds the port could put words into the call. */
  #admit(side: Side, datagram: Buffer, from: Address, nowMs: number): boolean {
    if (side.address === null) {
      if (side.queued.length === QUEUED_MAX) {
        side.queued.shift()
        this.#dropped('dropped')
      }
      side.queued.push({ datagram, from, nowMs })
      return false
    }
    if (from.port !== side.address.port || from.host !== side.address.host) {
      this.#dropped('wrong_source')
      return false
    }
    this.#lastHeardMs = Math.max(this.#lastHeardMs, nowMs)
    return true
  }

  /** Returns false when the sentinel kept the packet back. */
  #sendToAgent(packet: Buffer, nowMs: number): boolean {
    const to = this.#agent.address
    if (to === null) return true
    if (!this.#exit.admits(packet)) {
      this.#dropped('dropped')
      return false
    }
    this.#options.toAgent(packet, to)
    this.#agent.lastSentMs = nowMs
    this.#counts.toAgent += 1
    this.#options.metrics.packet('to_agent')
    const maskedMs = this.#maskedMs()
    if (maskedMs > this.#maskedMsTold) this.#options.metrics.masked(maskedMs - this.#maskedMsTold)
    this.#maskedMsTold = maskedMs
    return true
  }

  #sendToPayer(packet: Buffer, nowMs: number): void {
    const to = this.#payer.address
    if (to === null) return
    this.#options.toPayer(packet, to)
    this.#payer.lastSentMs = nowMs
    this.#counts.toPayer += 1
    this.#options.metrics.packet('to_payer')
  }

  #fail(failure: MaskingFailure): void {
    this.#masker.toHard()
    this.#options.maskingFailed(failure)
  }

  #dropped(direction: 'dropped' | 'wrong_source'): void {
    this.#counts.dropped += 1
    this.#options.metrics.packet(direction)
  }

  #maskedMs(): number {
    return Math.floor((this.#maskedSamplesBefore + this.#masker.counters.samplesMasked) / 8)
  }

  #newMasker(masking: Masking, nowMs: number): PayerMasker {
    const { headers, lookAheadMs, codec } = this.#options
    const noiseSeed = this.#random(4).readUInt32BE(0)
    const law = codec === 'PCMU' ? 'ulaw' : 'alaw'
    const options = {
      masking,
      headers,
      own: this.#ownHeaders(),
      noiseSeed,
      law,
      nowMs,
      lookAheadMs,
      overwrites: true,
    } as const
    return this.#options.newMasker?.(options) ?? new Masker(options)
  }

  /** Silence from a source of its own: a number of the payer's stream is never used twice (RFC 3711 section 9.1). */
  #keepAlive(nowMs: number): Buffer {
    const isUlaw = this.#options.codec === 'PCMU'
    this.#keepAliveSequence = (this.#keepAliveSequence + 1) & 0xffff
    return buildRtp({
      marker: true,
      payloadType: isUlaw ? PCMU_PAYLOAD_TYPE : PCMA_PAYLOAD_TYPE,
      sequence: this.#keepAliveSequence,
      timestamp: Math.floor(nowMs * 8) % 2 ** 32,
      ssrc: this.#keepAliveSsrc,
      payload: Buffer.alloc(KEEP_ALIVE_SAMPLES, isUlaw ? 0xff : 0xd5),
    })
  }

  /** RFC 3550 section 5.1: random starts. */
  #ownHeaders(): OwnHeaders {
    const bytes = this.#random(10)
    return { ssrc: bytes.readUInt32BE(0), sequence: bytes.readUInt16BE(4), timestamp: bytes.readUInt32BE(6) }
  }
}

function isAudio(packet: RtpPacket): boolean {
  return packet.payloadType === PCMU_PAYLOAD_TYPE || packet.payloadType === PCMA_PAYLOAD_TYPE
}
