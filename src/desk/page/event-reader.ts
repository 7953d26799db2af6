import { backoffMs } from './backoff.ts'
import { EventParser, type StreamEvent } from './event-parser.ts'

/** The desk gives a sign of life twice a second; after this without one the page says that it is reconnecting. */
const SILENCE_MS_MAX = 2_000
const CHECK_EVERY_MS = 125

export type ReaderHandlers = {
  readonly event: (event: StreamEvent) => void
  readonly connected: () => void
  readonly lost: () => void
  /** The desk does not take our session any more; the reader has stopped. */
  readonly refused: () => void
}

/**
 * Reads the desk's event stream, and goes on after a lost connection from the last event that it saw. The browser's own
 * EventSource cannot send the Authorization header, so the stream is read with fetch.
 */
export class EventReader {
  readonly #token: () => string | null
  readonly #handlers: ReaderHandlers
  #lastEventId: string | null = null
  #abort = new AbortController()
  #attempt = 0
  #stopped = false

  constructor(token: () => string | null, handlers: ReaderHandlers) {
    this.#token = token
    this.#handlers = handlers
    void this.#run()
  }

  /** Safe to call twice. */
  close(): void {
    this.#stopped = true
    this.#abort.abort()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const outcome = await this.#readOnce()
      if (this.#stopped) return
      if (outcome === 'refused') {
        this.#stopped = true
        this.#handlers.refused()
        return
      }
      this.#handlers.lost()
      await new Promise((resolve) => setTimeout(resolve, backoffMs(this.#attempt)))
      this.#attempt += 1
    }
  }

  async #readOnce(): Promise<'lost' | 'refused'> {
    this.#abort = new AbortController()
    let heardAtMs = performance.now()
    const watch = setInterval(() => {
      if (performance.now() - heardAtMs > SILENCE_MS_MAX) this.#abort.abort()
    }, CHECK_EVERY_MS)
    try {
      const headers = new Headers({ authorization: `Bearer ${this.#token() ?? ''}` })
      if (this.#lastEventId !== null) headers.set('last-event-id', this.#lastEventId)
      const response = await fetch('/api/v1/events', { headers, signal: this.#abort.signal, cache: 'no-store' })
      if (response.status === 401) return 'refused'
      if (!response.ok || response.body === null) return 'lost'
      const parser = new EventParser()
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let first = true
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return 'lost'
        heardAtMs = performance.now()
        const events = parser.push(value)
        if (events === 'malformed') return 'lost'
        for (const event of events) {
          this.#handlers.event(event)
          if (event.id !== '') this.#lastEventId = event.id
        }
        if (first) this.#handlers.connected()
        first = false
        this.#attempt = 0
      }
    } catch {
      return 'lost'
    } finally {
      clearInterval(watch)
      this.#abort.abort()
    }
  }
}
