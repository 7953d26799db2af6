import { applicationHeaders, contactHeader } from './application-headers.ts'
import { splitList } from './header-list.ts'
import type { InboundRequest } from './inbound-request.ts'
import { valueOf, type Header, type SipResponse } from './message.ts'
import { buildResponse, taggedTo } from './response-builder.ts'

/** Methods whose answers tell the peer where to reach us in this dialog. */
const CONTACT_METHODS = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'REFER'])

/** The response that goes out for what an application wrote: Via, tags, Contact and Record-Route are the server's. */
export function answerFor(
  inbound: InboundRequest,
  response: SipResponse,
  options: {
    /** The To value of answers to an INVITE. */ readonly to: string | undefined
    readonly headers: readonly Header[]
    readonly reliable: boolean
  },
): SipResponse {
  const { request, envelope, transaction } = inbound
  const { flow } = transaction
  const headers = applicationHeaders(response, flow).flatMap(withoutReliability)
  if (options.reliable) headers.push({ key: 'require', name: 'Require', value: '100rel' })
  const written = response.headers.filter(({ key }) => key === 'contact')
  const dialog = response.status > 100 && response.status < 300
  if (dialog) headers.unshift(...request.headers.filter(({ key }) => key === 'record-route'))
  if (dialog && CONTACT_METHODS.has(request.method)) headers.unshift(contactHeader(response, flow, request.uri))
  // A redirection names other places, and a registrar the bindings that it has (RFC 3261 sections 8.3 and 10.3).
  else headers.unshift(...written)
  const given = valueOf(request, 'to') ?? ''
  return buildResponse(request, {
    status: response.status,
    reason: response.reason,
    to: response.status === 100 ? given : (options.to ?? taggedTo(request, envelope, valueOf(response, 'to'))),
    headers: [...headers, ...options.headers],
    body: response.body,
  })
}

/** Whether a provisional is reliable is the server's to say. */
function withoutReliability(field: Header): Header[] {
  if (field.key !== 'require' || !/100rel/i.test(field.value)) return [field]
  const value = splitList(field.value)
    .filter((tag) => tag.toLowerCase() !== '100rel')
    .join(', ')
  return value === '' ? [] : [{ ...field, value }]
}
