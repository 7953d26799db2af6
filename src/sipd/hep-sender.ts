import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import type { Metrics } from '../kit/metrics.ts'
import type { Address } from './flow.ts'
import { encodeHep, type HepMessage } from './hep.ts'

/** Datagrams that the system has not taken yet; calls come first, so more are dropped. */
const WAITING_MAX = 1_000
/** How often a collector that is named is looked up again: it may have moved. */
const LOOKUP_EVERY_MS = 60_000

/** Sends captured messages to a Homer collector over UDP. It never waits and never fails; what cannot be sent is counted. */
export class HepSender {
  readonly #collector: Address
  readonly #captureId: number
  readonly #count: (outcome: 'sent' | 'dropped' | 'failed') => void
  readonly #sockets = new Map<4 | 6, Socket>()
  readonly #timer: NodeJS.Timeout
  /** The collector's numeric address, once it is known. */
  #host: string | null
  #waiting = 0
  #closed = false

  constructor(options: { readonly collector: Address; readonly captureId: number; readonly metrics: Metrics }) {
    this.#collector = options.collector
    this.#captureId = options.captureId
    const counter = options.metrics.counter('tonewall_sipd_hep_total', 'SIP messages for the Homer collector', [
      'outcome',
    ])
    this.#count = (outcome) => counter.inc({ outcome })
    this.#host = isIP(options.collector.host) === 0 ? null : options.collector.host
    this.#timer = setInterval(() => this.#lookUp(), LOOKUP_EVERY_MS)
    this.#timer.unref()
    this.#lookUp()
  }

  send(message: Omit<HepMessage, 'captureId'>): void {
    if (this.#closed) return
    const host = this.#host
    const bytes = encodeHep({ ...message, captureId: this.#captureId })
    if (host === null || bytes === null || this.#waiting >= WAITING_MAX) return this.#count('dropped')
    this.#waiting += 1
    this.#socketFor(isIP(host) === 6 ? 6 : 4).send(bytes, this.#collector.port, host, (error) => {
      this.#waiting -= 1
      this.#count(error === null ? 'sent' : 'failed')
    })
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    for (const socket of this.#sockets.values()) socket.close()
  }

  #socketFor(family: 4 | 6): Socket {
    const known = this.#sockets.get(family)
    if (known !== undefined) return known
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    // Such as port unreachable: nobody collects, and that is no matter of the calls.
    socket.on('error', () => this.#count('failed'))
    socket.unref()
    this.#sockets.set(family, socket)
    return socket
  }

  #lookUp(): void {
    if (isIP(this.#collector.host) !== 0) return
    lookup(this.#collector.host, (error, address) => {
      if (error === null) this.#host = address
    })
  }
}
