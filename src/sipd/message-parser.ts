import { EMPTY_BODY, type Header, type SipMessage } from './message.ts'
import { headerKey, writtenName } from './header-names.ts'

/** Header fields in one message; a route of 70 hops with a Via and a Record-Route each still fits. */
export const HEADERS_MAX = 200
/** Bytes before the body. Larger than any real header section, small enough to scan at once. */
export const HEAD_BYTES_MAX = 32_768
/** Bytes of one header line with its folds; certificates in Identity headers are the longest seen. */
export const HEADER_BYTES_MAX = 8_192
/** Bytes of body. A UDP datagram cannot bring more, and a control frame to us has at most five digits of length. */
export const BODY_BYTES_MAX = 65_535

export type RefusalCode =
  | 'head_unterminated'
  | 'head_too_long'
  | 'control_character'
  | 'start_line'
  | 'version'
  | 'header_syntax'
  | 'header_too_long'
  | 'headers_too_many'
  | 'header_repeated'
  | 'content_length'
  | 'body_short'
  | 'body_too_long'

/** An application's frame says where its body ends, so the Content-Length inside it is not consulted. */
export type BodyRule = 'by_length' | 'rest'

export type ParseResult =
  | { readonly kind: 'message'; readonly message: SipMessage }
  | { readonly kind: 'keep_alive' }
  /** `partial` carries what could be read, so that a request can still be answered with 400 or 505. */
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly partial: SipMessage | undefined }

/**
 * Parses one whole message (RFC 3261 section 7): a datagram, or what the stream splitter cut out. Never throws.
 * Strict where two readers could disagree on where something ends (control characters, bare CR or LF, repeated
 * Content-Length), liberal about the rest. Bytes after Content-Length are ignored (section 18.3).
 */
export function parseMessage(bytes: Buffer, body: BodyRule = 'by_length'): ParseResult {
  let start = 0
  while (bytes[start] === CR && bytes[start + 1] === LF) start += 2
  if (start === bytes.length) return { kind: 'keep_alive' }
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1')
  if (end === -1) return { kind: 'refused', code: 'head_unterminated', partial: undefined }
  if (end - start > HEAD_BYTES_MAX) return { kind: 'refused', code: 'head_too_long', partial: undefined }
  const head = bytes.toString('latin1', start, end)
  if (BARE_LINE_END.test(head) || (CONTROL.test(head) && !onlyQuotedControls(head)))
    return { kind: 'refused', code: 'control_character', partial: undefined }
  const firstEnd = head.indexOf('\r\n')
  const startLine = parseStartLine(firstEnd === -1 ? head : head.slice(0, firstEnd))
  if (startLine === undefined) return { kind: 'refused', code: 'start_line', partial: undefined }
  const headers: Header[] = []
  const headerFault = firstEnd === -1 ? undefined : parseHeaders(head, firstEnd + 2, headers)
  const partial: SipMessage = { ...startLine.line, headers, body: EMPTY_BODY }
  const fault = startLine.fault ?? headerFault ?? (body === 'rest' ? undefined : repeatedHeader(headers))
  if (fault !== undefined) return { kind: 'refused', code: fault, partial }
  const rest = bytes.subarray(end + 4)
  const declared = body === 'rest' ? rest.length : declaredLength(headers)
  if (declared === 'invalid') return { kind: 'refused', code: 'content_length', partial }
  const length = declared ?? rest.length
  if (length > BODY_BYTES_MAX) return { kind: 'refused', code: 'body_too_long', partial }
  if (length > rest.length) return { kind: 'refused', code: 'body_short', partial }
  // The body is copied: a slice would pin the whole receive buffer for as long as the transaction lives.
  return {
    kind: 'message',
    message: { ...partial, body: length === 0 ? EMPTY_BODY : Buffer.from(rest.subarray(0, length)) },
  }
}

const CR = 0x0d
const LF = 0x0a

/** A bare CR or LF lets two parsers see two different messages. */
const BARE_LINE_END = /\r(?!\n)|(?<!\r)\n/

/** A NUL or escape has no place in a header, except behind a backslash in a quoted string (RFC 3261 section 25.1). */
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/
/** The longest method that is defined has 9 letters; RFC 4475 section 3.1.1.2 tries 44. */
export const METHOD_LENGTH_MAX = 64
const STATUS_LINE = /^SIP\/(\d{1,3}\.\d{1,3}) ([1-6]\d\d)(?: (.*))?$/i
const VERSION = /^SIP\/\d{1,5}\.\d{1,5}$/i
/** A reason phrase is for people; a longer one is cut. */
const REASON_LENGTH_MAX = 256

type StartLine =
  | { readonly kind: 'request'; readonly method: string; readonly uri: string }
  | { readonly kind: 'response'; readonly status: number; readonly reason: string }

/** With a fault, what could be read is good enough to answer with, not to act on. */
type ReadStartLine = { readonly line: StartLine; readonly fault: 'start_line' | 'version' | undefined }

function parseStartLine(line: string): ReadStartLine | undefined {
  if (line.startsWith('SIP/') || line.startsWith('sip/')) {
    const parts = STATUS_LINE.exec(line)
    if (parts === null) return undefined
    return {
      line: { kind: 'response', status: Number(parts[2]), reason: (parts[3] ?? '').slice(0, REASON_LENGTH_MAX) },
      fault: parts[1] === '2.0' ? undefined : 'version',
    }
  }
  // Exactly one space stands between the three parts (section 7.1); more of them, or one at the end, is a fault.
  const parts = line.split(' ').filter((part) => part !== '')
  const [method, uri] = parts
  const version = parts.at(-1)
  if (method === undefined || uri === undefined || version === undefined || parts.length < 3) return undefined
  if (method.length > METHOD_LENGTH_MAX || !TOKEN.test(method) || !VERSION.test(version)) return undefined
  const request: StartLine = { kind: 'request', method, uri }
  if (line !== `${method} ${uri} ${version}`) return { line: request, fault: 'start_line' }
  return { line: request, fault: version.toUpperCase() === 'SIP/2.0' ? undefined : 'version' }
}

/** True when every control character of the head stands behind a backslash inside a quoted string. */
function onlyQuotedControls(head: string): boolean {
  let quoted = false
  for (let index = 0; index < head.length; index += 1) {
    const character = head[index] ?? ''
    if (character === '\r') {
      const next = head[index + 2]
      if (next !== ' ' && next !== '\t') quoted = false
      index += 1
    } else if (character === '"') quoted = !quoted
    else if (quoted && character === '\\') {
      if (head[index + 1] !== '\r') index += 1
    } else if (CONTROL.test(character)) return false
  }
  return true
}

function parseHeaders(head: string, from: number, headers: Header[]): RefusalCode | undefined {
  let position = from
  while (position <= head.length) {
    let lineEnd = head.indexOf('\r\n', position)
    if (lineEnd === -1) lineEnd = head.length
    const lineStart = position
    position = lineEnd + 2
    let line = head.slice(lineStart, lineEnd)
    // A line that starts with white space continues the one before (section 7.3.1).
    while (position < head.length && (head[position] === ' ' || head[position] === '\t')) {
      let foldEnd = head.indexOf('\r\n', position)
      if (foldEnd === -1) foldEnd = head.length
      line += ` ${head.slice(position, foldEnd).trim()}`
      position = foldEnd + 2
      if (line.length > HEADER_BYTES_MAX) return 'header_too_long'
    }
    if (line.length > HEADER_BYTES_MAX) return 'header_too_long'
    const colon = line.indexOf(':')
    const name = colon === -1 ? '' : line.slice(0, colon).trimEnd()
    if (!TOKEN.test(name)) return 'header_syntax'
    if (headers.length === HEADERS_MAX) return 'headers_too_many'
    const key = headerKey(name)
    headers.push({ key, name: writtenName(key, name), value: line.slice(colon + 1).trim() })
  }
  return undefined
}

/** Two of these make two readers disagree about which call or how long a body it is. */
const SINGLE = ['call-id', 'cseq', 'from', 'to', 'content-length', 'max-forwards']

function repeatedHeader(headers: readonly Header[]): RefusalCode | undefined {
  let seen = 0
  for (const { key } of headers) {
    const bit = SINGLE.indexOf(key)
    if (bit === -1) continue
    if ((seen & (1 << bit)) !== 0) return 'header_repeated'
    seen |= 1 << bit
  }
  return undefined
}

function declaredLength(headers: readonly Header[]): number | 'invalid' | undefined {
  const value = headers.find(({ key }) => key === 'content-length')?.value
  if (value === undefined) return undefined
  return /^\d{1,9}$/.test(value) ? Number(value) : 'invalid'
}
