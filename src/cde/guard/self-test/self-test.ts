import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../../../kit/log.ts'
import type { Address } from '../../../wire/guard-protocol.ts'
import type { SelfTestCode } from '../../../wire/self-test-protocol.ts'
import type { TokenizeAnswer } from '../../vault-client.ts'
import type { CaptureVault } from '../capture.ts'
import { decodeUlaw, PCMU_PAYLOAD_TYPE } from '../g711.ts'
import { isCanary, planCanary, type PlannedKey } from './canary-keys.ts'
import { isLeak, readLeak } from './leak-judge.ts'
import { TestLine } from './test-line.ts'
import { PACKET_SAMPLES, TestVoice } from './test-voice.ts'

/** Both telephones are heard before the first key, so that the key is not what opens the path. */
const LEAD_PACKETS = 8
/** After the last key its packets are still on their way: the look-ahead, and a busy machine. */
const TRAIL_MS = 300
/** The part of the packets that must come through: the gap of a switch and some that a busy machine lost are no failure. */
const THROUGH_MIN = 0.6
/** After the window, this much is listened to, to hear that the parties are connected. */
const DIRECT_PACKETS = 10
const PACKET_MS = 20

export type SelfTestVerdict = {
  readonly code: SelfTestCode
  readonly keysRead: number
  readonly delayMs: number | null
}

/**
 * One test call, as both of its telephones and as the vault of its window. It keys the canary card as the payer, records
 * what the agent's telephone hears, and judges both here in the CDE: only a code leaves.
 */
export class SelfTest {
  readonly #payer: TestLine
  readonly #agent: TestLine
  readonly #payerVoice = new TestVoice(randomBytes(4).readUInt32BE(0))
  readonly #agentVoice = new TestVoice(randomBytes(4).readUInt32BE(0))
  #keys: readonly PlannedKey[] = []
  #captured: 'nothing' | 'exactly' | 'otherwise' = 'nothing'
  #alarmed = false
  #closed = false

  private constructor(payer: TestLine, agent: TestLine) {
    this.#payer = payer
    this.#agent = agent
  }

  /** Null when the system has no port left. */
  static async open(options: {
    readonly host: string
    readonly clockMs: () => number
    readonly logger: Logger
  }): Promise<SelfTest | null> {
    const payer = await TestLine.open(options)
    if (payer === null) return null
    const agent = await TestLine.open(options)
    if (agent !== null) return new SelfTest(payer, agent)
    payer.close()
    return null
  }

  get addresses(): { readonly payer: Address; readonly agent: Address } {
    return { payer: this.#payer.address, agent: this.#agent.address }
  }

  /** In place of the vault for the test's window: the canary card is compared, and goes nowhere. */
  readonly vault: CaptureVault = {
    tokenize: (_request, card) => {
      this.#captured = isCanary(card.pan) ? 'exactly' : 'otherwise'
      return Promise.resolve(this.#captured === 'exactly' ? TEST_TOKEN : TEST_REFUSAL)
    },
  }

  /** The sentinel kept something back in the test's window. */
  alarmed(): void {
    this.#alarmed = true
  }

  /** Both telephones talk from now on, to rtpengine's ports. */
  connect(to: { readonly payer: Address; readonly agent: Address }): void {
    this.#payer.talk(this.#payerVoice, to.payer)
    this.#agent.talk(this.#agentVoice, to.agent)
  }

  /** Keys the canary card; resolves when its last key must have gone through the guard. */
  async play(): Promise<void> {
    const first = this.#payer.sentCount + LEAD_PACKETS
    this.#keys = planCanary(first * PACKET_SAMPLES)
    this.#payerVoice.plan(this.#keys)
    const end = this.#keys.at(-1)
    if (end === undefined) return
    const packets = (end.start + end.samples) / PACKET_SAMPLES - this.#payer.sentCount
    await delay(packets * PACKET_MS + TRAIL_MS)
  }

  /** Call it after the window was closed; it listens for some packet times more. */
  async judge(options: { readonly delayMsMax: number }): Promise<SelfTestVerdict> {
    const from = this.#payer.sentCount
    const agentFrom = this.#agent.sentCount
    await delay(DIRECT_PACKETS * PACKET_MS + TRAIL_MS)
    const reading = readLeak(this.#recording(), this.#keys)
    const delayMs = this.#delayMs()
    const verdict = (code: SelfTestCode) => ({ code, keysRead: reading.read, delayMs })
    const hasEvents = this.#agent.heard.some(({ packet }) => packet.payloadType !== PCMU_PAYLOAD_TYPE)
    if (this.#alarmed || hasEvents || isLeak(reading)) return verdict('leaked')
    if (this.#captured === 'otherwise') return verdict('key_lost')
    if (!this.#mediaCame()) return verdict('no_media')
    if (this.#captured === 'nothing') return verdict('key_lost')
    if (delayMs === null || delayMs > options.delayMsMax) return verdict('delay')
    const direct =
      sameFrom(this.#payer, this.#payerVoice, this.#agent, from) &&
      sameFrom(this.#agent, this.#agentVoice, this.#payer, agentFrom)
    return verdict(direct ? 'ok' : 'not_direct')
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#payer.close()
    this.#agent.close()
    this.#payerVoice.plan([])
    this.#keys = []
    for (const line of [this.#payer, this.#agent]) line.heard.length = 0
  }

  /** What the agent's telephone heard of the payer, each sample at its place in the payer's audio. */
  #recording(): Float64Array {
    const recording = new Float64Array((this.#payer.sentCount + 1) * PACKET_SAMPLES)
    for (const { packet } of this.#agent.heard) {
      const place = this.#agent.placeOf(packet, this.#payer)
      if (place === null || place < 0 || packet.payloadType !== PCMU_PAYLOAD_TYPE) continue
      const samples = decodeUlaw(packet.payload)
      for (let index = 0; index < samples.length && place + index < recording.length; index += 1)
        recording[place + index] = samples[index] ?? 0
    }
    return recording
  }

  /** From telephone to telephone, at the median of the packets of the keys' time. */
  #delayMs(): number | null {
    const delays: number[] = []
    const { from, to } = this.#keyTime()
    for (const { packet, atMs } of this.#agent.heard) {
      const place = this.#agent.placeOf(packet, this.#payer)
      if (place === null || place < from || place >= to || place % PACKET_SAMPLES !== 0) continue
      const sentMs = this.#payer.sentMs(place / PACKET_SAMPLES)
      if (sentMs !== undefined) delays.push(atMs - sentMs)
    }
    delays.sort((a, b) => a - b)
    const median = delays[Math.floor(delays.length / 2)]
    return median === undefined ? null : Math.min(60_000, Math.max(0, Math.round(median)))
  }

  /** Whether both heard the other while the keys were pressed. */
  #mediaCame(): boolean {
    const { from, to } = this.#keyTime()
    const samples = (listener: TestLine, sender: TestLine) =>
      listener.heard.reduce((sum, { packet }) => {
        const place = listener.placeOf(packet, sender)
        return place !== null && place >= from && place < to ? sum + packet.payload.length : sum
      }, 0)
    // Both began to talk at one time, so the agent's places are the payer's but for a packet or two.
    return (
      samples(this.#agent, this.#payer) >= THROUGH_MIN * (to - from) &&
      samples(this.#payer, this.#agent) >= THROUGH_MIN * (to - from)
    )
  }

  #keyTime(): { readonly from: number; readonly to: number } {
    const last = this.#keys.at(-1)
    return { from: this.#keys[0]?.start ?? 0, to: last === undefined ? 0 : last.start + last.samples }
  }
}

/** Whether a line heard the other's very bytes since a packet time, most of them at least. */
function sameFrom(sender: TestLine, voice: TestVoice, listener: TestLine, from: number): boolean {
  let same = 0
  for (const { packet } of listener.heard) {
    const place = listener.placeOf(packet, sender)
    if (place === null || place < from * PACKET_SAMPLES || place % PACKET_SAMPLES !== 0) continue
    if (packet.payload.equals(voice.audio(place / PACKET_SAMPLES))) same += 1
  }
  return same >= THROUGH_MIN * DIRECT_PACKETS
}

/** The canary's token: no vault has given it out, and none will. */
const TEST_TOKEN: TokenizeAnswer = {
  type: 'tokenized',
  token: 'tok_selftestselftestself0_9299',
  lastFour: '9299',
  brand: 'visa',
}
const TEST_REFUSAL: TokenizeAnswer = { type: 'refused', code: 'check_digit_failed' }
