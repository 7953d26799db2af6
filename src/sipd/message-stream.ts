import { ByteQueue } from './byte-queue.ts'
import { BODY_BYTES_MAX, HEAD_BYTES_MAX } from './message-parser.ts'

export type StreamItem =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** A double CRLF between messages asks for a single CRLF in return (RFC 5626 section 4.4.1). */
  | { readonly kind: 'ping' }
  /**
   * Where the next message begins can no longer be known: the connection must be closed. `head` is the header section,
   * if it is whole, so that the request can still be refused (RFC 3261 section 18.3).
   */
  | { readonly kind: 'broken'; readonly head: Buffer | undefined }

/** Cuts a TCP byte stream into SIP messages by Content-Length (RFC 3261 section 18.3). */
export class MessageStream {
  readonly #queue = new ByteQueue()
  /** How far the search for the end of the header section has come. */
  #searched = 0
  #messageLength: number | undefined
  #broken = false

  /** True when a message has begun and not ended. A single line end is none: it may be half of a ping, or a keep-alive. */
  get partial(): boolean {
    const { length } = this.#queue
    return length > 2 || (length > 0 && this.#queue.view()[0] !== 0x0d)
  }

  push(chunk: Uint8Array): StreamItem[] {
    const items: StreamItem[] = []
    if (this.#broken) return items
    this.#queue.append(chunk)
    for (let item = this.#next(); item !== undefined; item = this.#next()) {
      items.push(item)
      if (item.kind === 'broken') {
        this.#broken = true
        break
      }
    }
    return items
  }

  #next(): StreamItem | undefined {
    if (this.#messageLength === undefined) {
      const idle = this.#skipBlankLines()
      if (idle !== undefined) return idle
      const view = this.#queue.view()
      const end = view.indexOf('\r\n\r\n', this.#searched, 'latin1')
      if (end === -1) {
        this.#searched = Math.max(0, view.length - 3)
        return view.length > HEAD_BYTES_MAX ? { kind: 'broken', head: undefined } : undefined
      }
      const length = contentLength(view.toString('latin1', 0, end))
      if (end > HEAD_BYTES_MAX) return { kind: 'broken', head: undefined }
      if (length === 'invalid' || length > BODY_BYTES_MAX) return { kind: 'broken', head: this.#queue.take(end + 4) }
      this.#messageLength = end + 4 + length
    }
    if (this.#queue.length < this.#messageLength) return undefined
    const bytes = this.#queue.take(this.#messageLength)
    this.#messageLength = undefined
    this.#searched = 0
    return { kind: 'message', bytes }
  }

  #skipBlankLines(): StreamItem | undefined {
    if (this.#searched !== 0) return undefined
    let view = this.#queue.view()
    while (view.length >= 2 && view[0] === 0x0d && view[1] === 0x0a) {
      const double = view.length >= 4 && view[2] === 0x0d && view[3] === 0x0a
      // One CRLF alone may be the first half of a ping, or the answer to ours: wait for what follows.
      if (!double && view.length < 4) return undefined
      this.#queue.skip(double ? 4 : 2)
      if (double) return { kind: 'ping' }
      view = this.#queue.view()
    }
    return undefined
  }
}

/**
 * Content-Length of a header section. A stream without one cannot be cut: absent counts as no body. Two of them are
 * invalid, since another reader might take the other one.
 */
function contentLength(head: string): number | 'invalid' {
  const [line, second] = head.matchAll(/\r\n(?:content-length|l)[ \t]*:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)/gi)
  if (line?.[1] === undefined) return 0
  if (second !== undefined) return 'invalid'
  const value = line[1].trimEnd()
  return /^\d{1,9}$/.test(value) ? Number(value) : 'invalid'
}
