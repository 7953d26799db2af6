import { hostPortText } from '../kit/host-text.ts'
import { randomUUID } from 'node:crypto'
import { applicationHeaders, contactHeader } from './application-headers.ts'
import { newSequence, newTag, type Dialog } from './dialog.ts'
import { parseCseq } from './envelope.ts'
import type { Flow } from './flow.ts'
import { EMPTY_BODY, header, valueOf, type Header, type SipRequest } from './message.ts'
import { bracketed, replaceLocalhost, tagOf, withTag } from './name-addr.ts'
import { BRANCH_COOKIE, formatVia } from './via.ts'

/** RFC 3261 section 8.1.1.6. */
const MAX_FORWARDS = 70

/** Methods that tell the peer where to reach us. */
const CONTACT_METHODS = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'REFER', 'NOTIFY', 'REGISTER'])

/** A request as it goes out, and what is needed to recognise its answers. */
export type OutgoingRequest = { readonly request: SipRequest; readonly branch: string; readonly sequence: number }

/**
 * A request outside a dialog from what the application wrote. Call-ID, CSeq, and From with its tag are honoured, because
 * a digest retry repeats them (RFC 3261 section 22.2).
 */
export function outsideDialog(given: SipRequest, flow: Flow, contentType: readonly Header[]): OutgoingRequest {
  const hostPort = hostPortText(flow.local)
  const branch = newBranch()
  const sequence = givenSequence(given) ?? newSequence()
  const from = bracketed(replaceLocalhost(valueOf(given, 'from') ?? `sip:${hostPort}`, hostPort))
  const to = bracketed(replaceLocalhost(valueOf(given, 'to') ?? given.uri, hostPort))
  const headers: Header[] = [
    header('Via', formatVia({ transport: flow.transport, local: flow.local, branch })),
    header('Max-Forwards', String(givenHops(given))),
    header('From', tagOf(from) === undefined ? withTag(from, newTag()) : from),
    header('To', to),
    header('Call-ID', valueOf(given, 'call-id') ?? randomUUID()),
    header('CSeq', `${sequence} ${given.method}`),
  ]
  if (hasContact(given)) headers.push(contactHeader(given, flow, given.uri))
  headers.push(...applicationHeaders(given, flow), ...contentType)
  return { request: { ...given, headers }, branch, sequence }
}

/** A request inside a dialog: target, route, tags and sequence are the dialog's (RFC 3261 section 12.2.1.1). */
export function insideDialog(
  dialog: Dialog,
  given: SipRequest,
  options: {
    readonly flow: Flow
    readonly contentType: readonly Header[]
    /** An ACK repeats the number of its INVITE. */ readonly ackSequence?: number
  },
): OutgoingRequest {
  const { flow } = options
  const branch = newBranch()
  const wanted = givenSequence(given)
  const next = wanted !== undefined && wanted > dialog.localSequence ? wanted : dialog.localSequence + 1
  const sequence = options.ackSequence ?? next
  if (options.ackSequence === undefined) dialog.localSequence = sequence
  const { uri, route } = dialog.route()
  const headers: Header[] = [
    header('Via', formatVia({ transport: flow.transport, local: flow.local, branch })),
    ...route.map((hop) => header('Route', hop)),
    header('Max-Forwards', String(givenHops(given))),
    header('From', dialog.local),
    header('To', dialog.remote),
    header('Call-ID', dialog.callId),
    header('CSeq', `${sequence} ${given.method}`),
  ]
  if (CONTACT_METHODS.has(given.method)) headers.push(contactHeader(given, flow, uri))
  headers.push(...applicationHeaders(given, flow), ...options.contentType)
  return { request: { ...given, uri, headers }, branch, sequence }
}

/**
 * The same request for one server after the other: Via with a new branch, and the Contact of the flow to it (RFC 3263
 * section 4.3). `given` is what the application wrote.
 */
export function onOtherFlows(
  request: SipRequest,
  given: SipRequest,
  elsewhere: (() => Flow | undefined) | undefined,
): (() => OtherAttempt | undefined) | undefined {
  if (elsewhere === undefined) return undefined
  return () => {
    const flow = elsewhere()
    if (flow === undefined) return undefined
    const branch = newBranch()
    const via = header('Via', formatVia({ transport: flow.transport, local: flow.local, branch }))
    const rest = request.headers
      .filter(({ key }) => key !== 'via')
      .map((field) => (field.key === 'contact' && hasContact(given) ? contactHeader(given, flow, request.uri) : field))
    return { request: { ...request, headers: [via, ...rest] }, branch, flow }
  }
}

/** OPTIONS may have one (RFC 3261 section 11.1): trunks that know us by our domain look for it there. */
function hasContact(given: SipRequest): boolean {
  return CONTACT_METHODS.has(given.method) || (given.method === 'OPTIONS' && valueOf(given, 'contact') !== undefined)
}

type OtherAttempt = { readonly request: SipRequest; readonly branch: string; readonly flow: Flow }

/** A request that sipd makes itself, with nothing but what the dialog adds. */
export function bareRequest(method: 'ACK' | 'BYE', headers: readonly Header[] = []): SipRequest {
  return { kind: 'request', method, uri: 'sip:placeholder', headers, body: EMPTY_BODY }
}

function newBranch(): string {
  return `${BRANCH_COOKIE}${randomUUID()}`
}

function givenSequence(given: SipRequest): number | undefined {
  const value = valueOf(given, 'cseq')
  return value === undefined ? undefined : parseCseq(value)?.number
}

function givenHops(given: SipRequest): number {
  const value = Number(valueOf(given, 'max-forwards') ?? MAX_FORWARDS)
  return Number.isInteger(value) && value > 0 && value <= MAX_FORWARDS ? value : MAX_FORWARDS
}
