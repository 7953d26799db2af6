import { randomInt } from 'node:crypto'
import { ComfortNoise } from '../guard/comfort-noise.ts'
import { linearToAlaw, linearToUlaw, PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE, type G711Law } from '../guard/g711.ts'
import { buildRtp } from '../guard/rtp-packet.ts'
import { buildSenderReport } from './rtcp-report.ts'

export const PACKET_MS = 20
const PACKET_SAMPLES = 160
const RATE_HZ = 8_000
/** RFC 3550 section 6.2 wants 5 s on the average; a check is short and wants a round trip soon. */
const REPORT_EVERY_PACKETS = 100
/** One tone alone, far below the DTMF rows, so that no echo of it can be taken for a key. */
const BEEP_HZ = 425
const BEEP_MS = 90
const BEEP_GAP_MS = 90
/** -16 dBm0: clear, and not loud at an ear. */
const BEEP_PEAK = 22_300 * 10 ** (-16 / 20)
const BEEPS_MAX = 4

export type LineOutput = { readonly rtp: (datagram: Buffer) => void; readonly rtcp: (datagram: Buffer) => void }

/**
 * What the far end hears of a check: an open line, two beeps to begin, and one for each press that was seen. Many SBCs
 * and phones behind NAT send only where they hear something from.
 */
export class LineSender {
  readonly ssrc = randomInt(0x1_0000_0000)
  readonly #noise = new ComfortNoise(randomInt(1, 0x1_0000_0000))
  readonly #send: LineOutput
  readonly #firstTimestamp = randomInt(0x1_0000_0000)
  readonly #firstSequence = randomInt(0x1_0000)
  #packets = 0
  /** Samples of beeps that are still to come, each with the gap before it. */
  #beepSamples: number[] = []
  #played = 0
  #startMs: number | null = null

  constructor(send: LineOutput) {
    this.#send = send
  }

  beep(count: number): void {
    for (let index = 0; index < count && this.#beepSamples.length < BEEPS_MAX; index += 1)
      this.#beepSamples.push((BEEP_GAP_MS + BEEP_MS) * (RATE_HZ / 1_000))
  }

  /** Sends every packet that is due; after a standstill it leaves out what is too old. */
  due(nowMs: number, law: G711Law): void {
    this.#startMs ??= nowMs
    const dueMs = this.#startMs + this.#packets * PACKET_MS
    if (nowMs - dueMs > STANDSTILL_MS) this.#startMs += nowMs - dueMs
    while (this.#startMs + this.#packets * PACKET_MS <= nowMs) this.#sendOne(law, nowMs)
  }

  #sendOne(law: G711Law, nowMs: number): void {
    const payload = new Uint8Array(PACKET_SAMPLES)
    const position = this.#packets * PACKET_SAMPLES
    this.#noise.fill({ target: payload, start: 0, length: PACKET_SAMPLES, position, law })
    this.#mixBeeps(payload, law)
    const timestamp = (this.#firstTimestamp + position) >>> 0
    this.#send.rtp(
      buildRtp({
        payloadType: law === 'ulaw' ? PCMU_PAYLOAD_TYPE : PCMA_PAYLOAD_TYPE,
        marker: this.#packets === 0,
        sequence: this.#firstSequence + this.#packets,
        timestamp,
        ssrc: this.ssrc,
        payload,
      }),
    )
    this.#packets += 1
    if (this.#packets % REPORT_EVERY_PACKETS !== 1) return
    const octets = this.#packets * PACKET_SAMPLES
    this.#send.rtcp(buildSenderReport({ ssrc: this.ssrc, nowMs, timestamp, packets: this.#packets, octets }))
  }

  #mixBeeps(payload: Uint8Array, law: G711Law): void {
    const encode = law === 'ulaw' ? linearToUlaw : linearToAlaw
    for (let index = 0; index < payload.length && this.#beepSamples.length > 0; index += 1) {
      if (this.#played >= (BEEP_GAP_MS * RATE_HZ) / 1_000)
        payload[index] = encode(Math.round(BEEP_PEAK * Math.sin((2 * Math.PI * BEEP_HZ * this.#played) / RATE_HZ)))
      this.#played += 1
      if (this.#played < (this.#beepSamples[0] ?? 0)) continue
      this.#beepSamples.shift()
      this.#played = 0
    }
  }
}

/** After this long without its turn the line jumps on instead of sending a burst. */
const STANDSTILL_MS = 200
