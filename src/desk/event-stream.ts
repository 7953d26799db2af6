import type { ServerResponse } from 'node:http'
import type { CallBook } from './call-book.ts'
import type { DeskEvent, EventRing } from './event-ring.ts'

/** Also how a page notices within three seconds that the desk hangs or that the network is gone. */
export const HEARTBEAT_MS = 500
/** A comment (WHATWG HTML section 9.2.5): no event, but a sign of life. */
const HEARTBEAT = ':\n\n'
/** A reader that lets this much pile up, besides its snapshot, does not read: it is cut and may resume. */
const UNREAD_BYTES_MAX = 524_288
/** All readers of this process. */
const READERS_MAX = 2_000
/** Pages and systems of one agent, together. */
export const READERS_OF_AGENT_MAX = 16

/** Who reads, and how much of it. `isGood` turns false when the reader's session is over. */
export type Reader = {
  readonly name: string
  /** null: sees the calls of all agents. */
  readonly agent: string | null
  /** null: every call. */
  readonly callId: string | null
  readonly isGood: () => boolean
}

type Open = {
  readonly reader: Reader
  readonly response: ServerResponse
  /** Bytes that may wait at present: more while a large snapshot is on its way. */
  unreadMax: number
}

/**
 * Server-sent events (WHATWG HTML section 9.2) to all readers. Each gets first what it missed, by the id of the last
 * event it saw, or else a snapshot; then every event as it happens; and a comment twice a second.
 */
export class EventStreams {
  readonly #book: CallBook
  readonly #ring: EventRing
  readonly #counted: (count: number) => void
  readonly #cut: (reason: 'slow' | 'session') => void
  readonly #open = new Set<Open>()
  readonly #beat: NodeJS.Timeout

  constructor(options: {
    readonly book: CallBook
    readonly ring: EventRing
    readonly counted: (count: number) => void
    readonly cut: (reason: 'slow' | 'session') => void
  }) {
    this.#book = options.book
    this.#ring = options.ring
    this.#counted = options.counted
    this.#cut = options.cut
    this.#beat = setInterval(() => this.#heartbeat(), HEARTBEAT_MS)
  }

  hasRoomFor(name: string): boolean {
    const own = [...this.#open].filter(({ reader }) => reader.name === name).length
    return this.#open.size < READERS_MAX && own < READERS_OF_AGENT_MAX
  }

  /** Takes over a response whose headers are not sent yet; other headers are the caller's. */
  open(reader: Reader, response: ServerResponse, lastEventId: string | null): void {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
    const open: Open = { reader, response, unreadMax: UNREAD_BYTES_MAX }
    this.#open.add(open)
    this.#counted(this.#open.size)
    response.on('close', () => this.#forget(open))
    response.on('error', () => this.#forget(open))
    this.#write(open, HEARTBEAT)
    const missed = lastEventId === null ? 'unknown' : this.#ring.since(lastEventId)
    if (missed === 'unknown') {
      const snapshot = frame(this.#ring.lastId, 'snapshot', this.#snapshot(reader))
      open.unreadMax += Buffer.byteLength(snapshot)
      this.#write(open, snapshot)
    } else for (const event of missed) this.#send(open, event)
  }

  publish(events: readonly DeskEvent[]): void {
    for (const open of [...this.#open]) for (const event of events) this.#send(open, event)
  }

  /** Ends every stream. Safe to call twice. */
  close(): void {
    clearInterval(this.#beat)
    for (const { response } of [...this.#open]) response.destroy()
    this.#open.clear()
  }

  #snapshot(reader: Reader): string {
    const calls = this.#book
      .list(reader.agent)
      .filter((call) => reader.callId === null || call.callId === reader.callId)
    return JSON.stringify({ sbc: this.#book.sbc, synced: this.#book.synced, nowMs: Date.now(), calls })
  }

  #send(open: Open, event: DeskEvent): void {
    const { reader } = open
    if (reader.agent !== null && event.agent !== null && event.agent !== reader.agent) return
    if (reader.callId !== null && event.callId !== null && event.callId !== reader.callId) return
    this.#write(open, frame(this.#ring.idOf(event), event.type, event.data))
    if (reader.callId !== null && event.last && this.#forget(open)) open.response.end()
  }

  #heartbeat(): void {
    for (const open of [...this.#open]) {
      if (open.reader.isGood()) {
        this.#write(open, HEARTBEAT)
        continue
      }
      this.#cut('session')
      this.#forget(open)
      open.response.end()
    }
  }

  #forget(open: Open): boolean {
    const known = this.#open.delete(open)
    this.#counted(this.#open.size)
    return known
  }

  #write(open: Open, text: string): void {
    if (!this.#open.has(open)) return
    const { response } = open
    if (response.writableLength === 0 && open.unreadMax > UNREAD_BYTES_MAX) {
      open.unreadMax = Math.max(UNREAD_BYTES_MAX, Buffer.byteLength(text))
    }
    response.write(text)
    if (response.writableLength <= open.unreadMax) return
    this.#cut('slow')
    this.#forget(open)
    open.response.destroy()
  }
}

/** JSON has no raw line breaks, so one data line is enough. */
function frame(id: string, event: string, data: string): string {
  return `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`
}
