import { setTimeout as delay } from 'node:timers/promises'
import { EventParser, type StreamEvent } from '../../src/desk/page/event-parser.ts'
import type { CallView, Payment } from '../../src/wire/call-protocol.ts'

/** One thing that the desk told, and when it was read (performance.now()). */
export type DeskEvent = {
  readonly atMs: number
  readonly type: 'call' | 'gone' | 'sbc' | 'lost' | 'resumed'
  readonly call: CallView | null
  readonly sbc: 'up' | 'down' | null
}

const AGAIN_MS = 100
const EVENTS_MAX = 20_000
/** The desk says something each second; three missed are a lost connection. */
const SILENCE_MS_MAX = 3_000

/** Reads the desk's event stream as a page does: resumes after the last event when the connection is lost. */
export class DeskEvents {
  readonly events: DeskEvent[] = []
  readonly #options: { readonly address: string; readonly token: string }
  readonly #closing = new AbortController()
  readonly #wakers = new Set<() => void>()
  #lastId: string | null = null
  #opened = 0

  constructor(options: { readonly address: string; readonly token: string }) {
    this.#options = options
    void this.#readOn()
  }

  /** The first event that fits, of those read at `sinceMs` or later; rejects when the deadline passes. */
  async until(
    fits: (event: DeskEvent) => boolean,
    options: { readonly sinceMs: number; readonly deadlineMs: number },
  ): Promise<DeskEvent> {
    const endMs = performance.now() + options.deadlineMs
    for (;;) {
      const found = this.events.find((event) => event.atMs >= options.sinceMs && fits(event))
      if (found !== undefined) return found
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new Error('the desk did not tell it in time')
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          this.#wakers.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, leftMs)
        this.#wakers.add(wake)
      })
    }
  }

  /** How a call's payment stood at each event since a time. */
  paymentsOf(callId: string, sinceMs: number): readonly Payment[] {
    return this.events.flatMap(({ atMs, call }) =>
      atMs >= sinceMs && call?.callId === callId && call.payment !== null ? [call.payment] : [],
    )
  }

  /** Safe to call twice. */
  close(): void {
    this.#closing.abort()
  }

  async #readOn(): Promise<void> {
    const { signal } = this.#closing
    while (!this.#isClosed()) {
      const connection = new AbortController()
      await this.#read(AbortSignal.any([signal, connection.signal]), () => connection.abort()).catch(() => undefined)
      if (this.#isClosed()) return
      if (this.events.at(-1)?.type !== 'lost') this.#keep({ type: 'lost', call: null, sbc: null })
      await delay(AGAIN_MS)
    }
  }

  /** Asked by a method, because it can change while something is waited for. */
  #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  async #read(signal: AbortSignal, cut: () => void): Promise<void> {
    const response = await fetch(`${this.#options.address}/api/v1/events`, {
      headers: {
        authorization: `Bearer ${this.#options.token}`,
        ...(this.#lastId === null ? {} : { 'last-event-id': this.#lastId }),
      },
      signal,
    })
    if (!response.ok || response.body === null) return
    if (this.#opened > 0) this.#keep({ type: 'resumed', call: null, sbc: null })
    this.#opened += 1
    const decoder = new TextDecoder()
    const parser = new EventParser()
    let silence = setTimeout(cut, SILENCE_MS_MAX)
    try {
      for await (const chunk of response.body as ReadableStream<Uint8Array>) {
        clearTimeout(silence)
        silence = setTimeout(cut, SILENCE_MS_MAX)
        const events = parser.push(decoder.decode(chunk, { stream: true }))
        if (events === 'malformed') throw new Error('the event stream is malformed')
        for (const event of events) this.#take(event)
      }
    } finally {
      clearTimeout(silence)
    }
  }

  #take(event: StreamEvent): void {
    this.#lastId = event.id
    // The desk's own messages, which its tests check against their shapes.
    const data = JSON.parse(event.data) as { readonly calls?: readonly CallView[]; readonly sbc?: 'up' | 'down' }
    switch (event.type) {
      case 'snapshot':
        this.#keep({ type: 'sbc', call: null, sbc: data.sbc ?? null })
        for (const call of data.calls ?? []) this.#keep({ type: 'call', call, sbc: null })
        return
      case 'call':
        this.#keep({ type: 'call', call: data as CallView, sbc: null })
        return
      case 'sbc':
        this.#keep({ type: 'sbc', call: null, sbc: data.sbc ?? null })
        return
      case 'gone':
        this.#keep({ type: 'gone', call: null, sbc: null })
    }
  }

  #keep(event: Omit<DeskEvent, 'atMs'>): void {
    if (this.events.length < EVENTS_MAX) this.events.push({ atMs: performance.now(), ...event })
    for (const wake of [...this.#wakers]) wake()
  }
}
