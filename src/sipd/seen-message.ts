import { hideCardNumbers } from '../kit/card-shaped.ts'
import { headerKey, writtenName } from './header-names.ts'

/**
 * What of a SIP message may be kept and shown: start line, headers of an allow-list, and of a description the lines that
 * say where media goes and how it is coded. Every other body, such as a key in an INFO, is only named with its length,
 * and no key of SRTP or ICE is in it. Numbers that could be a card's are dots.
 */
export type SeenMessage = {
  readonly callId: string
  /** Of the CSeq, so that a response has its request's. */
  readonly method: string
  /** null: a request. */
  readonly status: number | null
  /** A whole SIP message again, one character a byte; Content-Length fits what is left of the body. */
  readonly text: string
}

/** Longer than any start line or header that is of use to a reader. */
const LINE_MAX = 512
/** A flood of Via or Route headers is cut here. */
const LINES_MAX = 80
const SDP_LINES_MAX = 60
const CALL_ID_MAX = 200
/** Control characters could steer the terminal of whoever reads a trace. */
const UNSHOWN = /[^\t\r\n\x20-\x7e\x80-\xff]/g

const SHOWN_HEADERS: ReadonlySet<string> = new Set([
  ...['via', 'from', 'to', 'call-id', 'cseq', 'contact', 'max-forwards', 'route', 'record-route', 'path'],
  ...['allow', 'supported', 'require', 'unsupported', 'accept', 'allow-events', 'event', 'subscription-state'],
  ...['user-agent', 'server', 'reason', 'warning', 'retry-after', 'expires', 'min-expires', 'date', 'timestamp'],
  ...['session-expires', 'min-se', 'rseq', 'rack', 'refer-to', 'referred-by', 'replaces', 'refer-sub', 'join'],
  ...['p-asserted-identity', 'p-preferred-identity', 'privacy', 'diversion', 'history-info', 'remote-party-id'],
  ...['content-type', 'p-early-media', 'p-charging-vector'],
])
/** Methods whose bodies are descriptions (RFC 3261, RFC 3262, RFC 3311). Others may carry keys under any name. */
const DESCRIBING: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'PRACK', 'UPDATE', 'OPTIONS'])
const SHOWN_SDP =
  /^(?:[votcmb]=|a=(?:rtpmap|fmtp|ptime|maxptime|sendrecv|sendonly|recvonly|inactive|rtcp|rtcp-mux|setup|mid|ice-lite|candidate|T38\w{1,30})(?::|$))/
const TOKEN = /^[\w.!%*+`'~-]{1,64}$/

/** Null for what is no SIP message, or has no Call-ID. Never throws. */
export function seeMessage(bytes: Buffer): SeenMessage | null {
  const headEnd = bytes.indexOf('\r\n\r\n', 0, 'latin1')
  if (headEnd === -1) return null
  const lines = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const startLine = startLineOf(lines[0] ?? '')
  if (startLine === null) return null
  let head = `${startLine.text}\r\n`
  let callId = ''
  let method = ''
  let type = ''
  let isShown = false
  let shown = 0
  for (let index = 1; index < lines.length && shown < LINES_MAX; index += 1) {
    const line = lines[index] ?? ''
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (isShown) head = `${head.slice(0, -2)} ${line.trim().slice(0, LINE_MAX)}\r\n`
      continue
    }
    const colon = line.indexOf(':')
    const name = colon === -1 ? '' : line.slice(0, colon).trimEnd()
    const key = headerKey(name)
    isShown = SHOWN_HEADERS.has(key)
    if (!isShown) continue
    const written = line
      .slice(colon + 1)
      .trim()
      .slice(0, LINE_MAX)
    // Parameters of a type are free text.
    const value = key === 'content-type' ? (written.split(';')[0] ?? '').trimEnd() : written
    if (key === 'call-id') callId = value
    else if (key === 'cseq') method = value.slice(value.search(/[ \t]/) + 1).trim()
    else if (key === 'content-type') type = value
    head += `${writtenName(key, name)}: ${value}\r\n`
    shown += 1
    if (key === 'content-type') isShown = false
  }
  if (callId === '' || !TOKEN.test(method)) return null
  const bodyLength = bytes.length - headEnd - 4
  const isDescription = /^application\/sdp\s*(?:;|$)/i.test(type) && DESCRIBING.has(method)
  const body = isDescription ? description(bytes.toString('latin1', headEnd + 4)) : ''
  // Not even its length: on a trunk that writes `*` as 10 that would tell it from a digit. The type is among the headers.
  if (!isDescription && bodyLength > 0) head += 'X-Tonewall-Left-Out: body\r\n'
  const text = hideCardNumbers(`${head}Content-Length: ${body.length}\r\n\r\n${body}`)
  return { callId: seenCallId(callId), method, status: startLine.status, text: flat(text.replace(UNSHOWN, '?')) }
}

/** A Call-ID as traces know it; RFC 3261 does not limit one. */
export function seenCallId(callId: string): string {
  return hideCardNumbers(callId.replace(/[^\x21-\x7e]/g, '').slice(0, CALL_ID_MAX))
}

function startLineOf(line: string): { readonly text: string; readonly status: number | null } | null {
  const text = line.slice(0, LINE_MAX)
  const response = /^SIP\/2\.0 ([1-6]\d\d)\b/i.exec(text)
  if (response !== null) return { text, status: Number(response[1]) }
  const space = line.indexOf(' ')
  if (space <= 0 || !TOKEN.test(line.slice(0, space)) || !/ SIP\/2\.0$/i.test(line)) return null
  return { text: line.length > LINE_MAX ? `${text.slice(0, LINE_MAX - 8)} SIP/2.0` : text, status: null }
}

/** Session name and contacts are free text and are left out; the name, which RFC 4566 demands, is a dash. */
function description(sdp: string): string {
  let kept = ''
  let count = 0
  for (const line of sdp.split(/\r?\n/)) {
    if (count >= SDP_LINES_MAX) break
    if (line.startsWith('s=')) kept += 's=-\r\n'
    else if (SHOWN_SDP.test(line)) kept += `${line.slice(0, LINE_MAX)}\r\n`
    else continue
    count += 1
  }
  return kept
}

/** A copy of its own: a piece of a string keeps the whole one in memory, and with it what was left out. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
