import { randomBytes } from 'node:crypto'

/** Events kept for readers that come back; a busy desk makes some hundred a second, so this is several seconds at least. */
export const RING_EVENTS_MAX = 4_096

const BOOT_BYTES = 6
/** Fifteen digits at most: stays a safe integer. */
const EVENT_ID = /^([0-9a-f]{12})-(\d{1,15})$/

/**
 * One event as the stream sends it. `agent` and `callId` say who may read it and which call it is of; null means
 * everybody and every call. `data` is JSON made once for all readers.
 */
export type DeskEvent = {
  readonly sequence: number
  readonly type: 'call' | 'gone' | 'sbc'
  readonly agent: string | null
  readonly callId: string | null
  /** True when it is the last event of its call. */
  readonly last: boolean
  readonly data: string
}

/**
 * The last events of this process, in order. An event's id is the id of this run of the desk and a sequence number, so
 * an id of another run, or one that has left the ring, is told from one that can be resumed after.
 */
export class EventRing {
  readonly #bootId = randomBytes(BOOT_BYTES).toString('hex')
  readonly #capacity: number
  #events: DeskEvent[] = []
  #sequence = 0

  constructor(options: { readonly capacity: number } = { capacity: RING_EVENTS_MAX }) {
    this.#capacity = options.capacity
  }

  push(event: Omit<DeskEvent, 'sequence'>): DeskEvent {
    this.#sequence += 1
    const numbered = { ...event, sequence: this.#sequence }
    this.#events.push(numbered)
    // Cut in halves, so that a push is cheap: between one and two capacities are held.
    if (this.#events.length >= 2 * this.#capacity) this.#events = this.#events.slice(-this.#capacity)
    return numbered
  }

  idOf(event: { readonly sequence: number }): string {
    return `${this.#bootId}-${event.sequence}`
  }

  /** Id of the newest event; a snapshot taken now carries it. */
  get lastId(): string {
    return this.idOf({ sequence: this.#sequence })
  }

  /** The events after the one with this id, or 'unknown' when there is no telling: the reader needs a snapshot. */
  since(id: string): readonly DeskEvent[] | 'unknown' {
    const [, bootId, digits] = EVENT_ID.exec(id) ?? []
    if (bootId !== this.#bootId || digits === undefined) return 'unknown'
    const sequence = Number(digits)
    const missed = this.#sequence - sequence
    if (missed < 0 || missed > this.#events.length) return 'unknown'
    return missed === 0 ? [] : this.#events.slice(-missed)
  }
}
