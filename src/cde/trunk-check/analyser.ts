import type { Address } from '../../wire/guard-protocol.ts'
import type { FromAnalyser, ToAnalyser } from '../../wire/trunk-check-protocol.ts'
import { openCheckSockets, type CheckSockets } from './check-sockets.ts'
import { LineSender } from './line-sender.ts'
import { MediaAnalyser, type Agreement } from './media-analyser.ts'
import { parseRtcp } from './rtcp-report.ts'

/** Shorter than a packet, so that sending stays even. */
const TICK_MS = 5
/** Presses are looked for more seldom than packets are sent. */
const LOOK_EVERY_TICKS = 8
const PROMPT_BEEPS = 2
const RTCP_PACKETS_MAX = 10_000_000

/** The process of a check that hears keys: takes orders, holds the RTP port, and tells figures only. */
export class Analyser {
  readonly #tell: (message: FromAnalyser) => void
  readonly #media: MediaAnalyser
  readonly #line: LineSender
  #sockets: CheckSockets | null = null
  #agreement: Agreement | null = null
  #timer: NodeJS.Timeout | null = null
  #ticks = 0
  #rtcpPackets = 0
  #roundTripMs: number | null = null
  #farLostPercent: number | null = null
  #closed = false

  constructor(tell: (message: FromAnalyser) => void) {
    this.#tell = tell
    this.#media = new MediaAnalyser({
      press: (press) => {
        this.#line.beep(1)
        tell({ type: 'press', press })
      },
      hearing: () => tell({ type: 'hearing' }),
    })
    this.#line = new LineSender({
      rtp: (datagram) => this.#toFar((sockets, remote) => sockets.rtp(datagram, remote)),
      rtcp: (datagram) =>
        this.#toFar((sockets, remote) => sockets.rtcp(datagram, { host: remote.host, port: remote.port + 1 })),
    })
  }

  async hear(message: ToAnalyser): Promise<void> {
    switch (message.type) {
      case 'open':
        return this.#open(message)
      case 'agree':
        return this.#agree(message)
      case 'info': {
        const body = Buffer.from(message.body, 'base64')
        this.#media.info(body, message.relay, performance.now())
        body.fill(0)
        return
      }
      case 'finish':
        return this.#finish()
    }
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#sockets?.close()
  }

  async #open(address: Address): Promise<void> {
    if (this.#sockets !== null || this.#closed) return this.#tell({ type: 'refused', code: 'wrong_state' })
    const opened = await openCheckSockets({
      host: address.host,
      port: address.port,
      rtp: (datagram, from) => {
        this.#media.receive(datagram, from, performance.now())
        datagram.fill(0)
      },
      rtcp: (datagram) => this.#hearRtcp(datagram),
    })
    if (opened.kind === 'refused') return this.#tell({ type: 'refused', code: opened.code })
    this.#sockets = opened.sockets
    this.#tell({ type: 'opened', address: opened.sockets.address })
  }

  #agree(agreement: Agreement): void {
    this.#media.agree(agreement, performance.now())
    if (this.#agreement === null && this.#sockets !== null && !this.#closed) {
      this.#line.beep(PROMPT_BEEPS)
      this.#timer = setInterval(() => this.#tick(), TICK_MS)
    }
    this.#agreement = agreement
  }

  #tick(): void {
    const nowMs = performance.now()
    if (this.#agreement !== null) this.#line.due(nowMs, this.#agreement.law)
    this.#ticks += 1
    if (this.#ticks % LOOK_EVERY_TICKS === 0) this.#media.due(nowMs)
  }

  #hearRtcp(datagram: Buffer): void {
    const parsed = parseRtcp(datagram, { ssrc: this.#line.ssrc, nowMs: performance.now() })
    if (parsed.kind === 'refused' || this.#rtcpPackets === RTCP_PACKETS_MAX) return
    this.#rtcpPackets += 1
    if (parsed.aboutUs === null) return
    this.#farLostPercent = Math.round(parsed.aboutUs.lostShare * 1_000) / 10
    const { roundTripMs } = parsed.aboutUs
    if (roundTripMs !== null && roundTripMs < ROUND_TRIP_MS_MAX) {
      this.#roundTripMs = Math.min(this.#roundTripMs ?? Infinity, Math.round(roundTripMs * 10) / 10)
    }
  }

  #finish(): void {
    this.close()
    this.#media.finish(performance.now())
    this.#tell({
      type: 'figures',
      figures: {
        ...this.#media.figures(),
        rtcp: { packets: this.#rtcpPackets, roundTripMs: this.#roundTripMs, farLostPercent: this.#farLostPercent },
      },
    })
  }

  #toFar(send: (sockets: CheckSockets, remote: Address) => void): void {
    if (this.#sockets !== null && this.#agreement !== null) send(this.#sockets, this.#agreement.remote)
  }
}

/** Longer round trips than a geostationary detour with patience are made up. */
const ROUND_TRIP_MS_MAX = 10_000
