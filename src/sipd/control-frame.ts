import { ByteQueue } from './byte-queue.ts'

/** The length of a frame towards the server has at most five digits. */
const LENGTH_DIGITS_MAX = 5
/** The header line of a frame; a proxy frame with many destinations is the longest. */
const FRAME_HEAD_MAX = 8_192
/** Message ids and transaction ids are uuids; dialog ids carry a Call-ID and a tag. */
const ID_LENGTH_MAX = 512

/** A frame from an application, read into the smallest union that says what it can want. */
export type ApplicationFrame =
  | { readonly kind: 'authenticate'; readonly id: string; readonly secret: string; readonly tags: readonly string[] }
  | { readonly kind: 'route' | 'remove_route'; readonly id: string; readonly verb: string }
  | { readonly kind: 'ping'; readonly id: string }
  | {
      readonly kind: 'sip'
      readonly id: string
      readonly transactionId: string | undefined
      readonly dialogId: string | undefined
      readonly routeUrl: string | undefined
      readonly sip: Buffer
    }
  | {
      readonly kind: 'proxy'
      readonly id: string
      readonly transactionId: string
      readonly fields: readonly string[]
      readonly sip: Buffer
    }
  /** A frame with an id that we do not understand: refused, connection kept. */
  | { readonly kind: 'unknown'; readonly id: string }

/** Cuts the byte stream of one application into frames: `<length>#<message>`, length in bytes. */
export class FrameDecoder {
  readonly #queue = new ByteQueue()
  #broken = false

  /** The whole frames that this chunk completes, in order; 'broken' when the stream is not the protocol. */
  push(chunk: Uint8Array): (Buffer | 'broken')[] {
    const frames: (Buffer | 'broken')[] = []
    if (this.#broken) return frames
    this.#queue.append(chunk)
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      frames.push(frame)
      if (frame === 'broken') {
        this.#broken = true
        break
      }
    }
    return frames
  }

  #next(): Buffer | 'broken' | undefined {
    const view = this.#queue.view()
    let length = 0
    for (let index = 0; index <= LENGTH_DIGITS_MAX; index += 1) {
      const byte = view[index]
      if (byte === undefined) return undefined
      if (byte === HASH) {
        if (index === 0 || length === 0) return 'broken'
        if (view.length < index + 1 + length) return undefined
        this.#queue.skip(index + 1)
        return this.#queue.take(length)
      }
      if (byte < DIGIT_0 || byte > DIGIT_9) return 'broken'
      length = length * 10 + byte - DIGIT_0
    }
    return 'broken'
  }
}

const HASH = 0x23
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39

/** Reads one frame; undefined when it has no message id to answer to. */
export function parseFrame(frame: Buffer): ApplicationFrame | undefined {
  const lineEnd = frame.indexOf('\r\n', 0, 'latin1')
  const headLength = lineEnd === -1 ? frame.length : lineEnd
  if (headLength > FRAME_HEAD_MAX) return undefined
  const fields = frame.toString('latin1', 0, headLength).split('|')
  const [id = '', type = '', third = '', fourth = '', fifth = ''] = fields
  if (id === '' || id.length > ID_LENGTH_MAX || CONTROL.test(id)) return undefined
  const sip = lineEnd === -1 ? Buffer.alloc(0) : frame.subarray(lineEnd + 2)
  switch (type) {
    case 'authenticate':
      return { kind: 'authenticate', id, secret: third, tags: fourth === '' ? [] : fourth.split(',') }
    case 'route':
    case 'remove_route':
      return { kind: type, id, verb: third.toLowerCase() }
    case 'ping':
      return { kind: 'ping', id }
    case 'sip':
      return { kind: 'sip', id, transactionId: filled(third), dialogId: filled(fourth), routeUrl: filled(fifth), sip }
    case 'proxy':
      return { kind: 'proxy', id, transactionId: third, fields: fields.slice(3), sip }
    default:
      return { kind: 'unknown', id }
  }
}

/** Writes a frame: the fields joined by bars, then the SIP text if there is one. */
export function formatFrame(fields: readonly string[], sip: Buffer | undefined): Buffer {
  const head = Buffer.from(sip === undefined ? fields.join('|') : `${fields.join('|')}\r\n`, 'latin1')
  const length = head.length + (sip?.length ?? 0)
  const prefix = Buffer.from(`${length}#`, 'latin1')
  return sip === undefined ? Buffer.concat([prefix, head]) : Buffer.concat([prefix, head, sip])
}

const CONTROL = /[\u0000-\u001f]/

function filled(field: string): string | undefined {
  return field === '' ? undefined : field
}
