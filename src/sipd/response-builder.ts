import { newTag } from './dialog.ts'
import type { Envelope } from './envelope.ts'
import { EMPTY_BODY, header, valueOf, type Header, type SipRequest, type SipResponse } from './message.ts'
import { tagOf, withTag } from './name-addr.ts'

/** Phrases of the answers that sipd gives by itself (RFC 3261 section 21). */
const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  200: 'OK',
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Request Entity Too Large',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  422: 'Session Interval Too Small',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  487: 'Request Terminated',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
}

export function reasonOf(status: number): string {
  return REASONS[status] ?? 'Unknown'
}

/** The response that copies what RFC 3261 section 8.2.6.2 copies; `to` is the To value with our tag, if it has one by now. */
export function buildResponse(
  request: SipRequest,
  answer: {
    readonly status: number
    readonly reason?: string
    readonly to?: string
    readonly headers?: readonly Header[]
    readonly body?: Buffer
  },
): SipResponse {
  const headers: Header[] = []
  for (const field of request.headers) if (field.key === 'via') headers.push(field)
  for (const key of ['from', 'to', 'call-id', 'cseq'] as const) {
    const value = key === 'to' ? (answer.to ?? valueOf(request, 'to')) : valueOf(request, key)
    if (value !== undefined) headers.push(header(key, value))
  }
  const timestamp = answer.status === 100 ? valueOf(request, 'timestamp') : undefined
  if (timestamp !== undefined) headers.push(header('Timestamp', timestamp))
  headers.push(...(answer.headers ?? []))
  return {
    kind: 'response',
    status: answer.status,
    reason: answer.reason ?? reasonOf(answer.status),
    headers,
    body: answer.body ?? EMPTY_BODY,
  }
}

/** The To value with the tag that it has, that the application chose, or a new one. */
export function taggedTo(request: SipRequest, envelope: Envelope, applicationTo?: string): string {
  const to = valueOf(request, 'to') ?? ''
  if (envelope.toTag !== '') return to
  return withTag(to, (applicationTo === undefined ? undefined : tagOf(applicationTo)) ?? newTag())
}
