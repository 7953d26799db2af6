import type { Flow } from '../../src/sipd/flow.ts'
import { header, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'

/** A flow that writes down what was sent and when, and can be broken. */
export function fakeFlow(options: { readonly transport?: 'udp' | 'tcp'; readonly now?: () => number } = {}) {
  const sent: { readonly at: number; readonly first: string }[] = []
  const state = { broken: false }
  const flow: Flow = {
    transport: options.transport ?? 'udp',
    reliable: options.transport === 'tcp',
    local: { host: '192.0.2.1', port: 5060 },
    remote: { host: '192.0.2.2', port: 5062 },
    send: (bytes, failed) => {
      if (state.broken) failed()
      else sent.push({ at: options.now?.() ?? 0, first: bytes.toString('latin1').split(' ', 2).join(' ') })
    },
  }
  return { flow, sent, state }
}

export function fakeRequest(method: string, headers: Readonly<Record<string, string>> = {}, body = ''): SipRequest {
  const usual = {
    via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfake',
    'max-forwards': '70',
    from: '<sip:a@192.0.2.1>;tag=a',
    to: '<sip:b@192.0.2.2>',
    'call-id': 'fake',
    cseq: `7 ${method}`,
    contact: '<sip:a@192.0.2.1:5060>',
    ...headers,
  }
  return {
    kind: 'request',
    method,
    uri: 'sip:b@192.0.2.2',
    headers: Object.entries(usual).map(([name, value]) => header(name, value)),
    body: Buffer.from(body),
  }
}

export function fakeResponse(
  request: SipRequest,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): SipResponse {
  const own = Object.entries(headers).map(([name, value]) => header(name, value))
  const copied = request.headers.filter(
    ({ key }) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(key) && !own.some((field) => field.key === key),
  )
  return { kind: 'response', status, reason: 'Fake', headers: [...copied, ...own], body: Buffer.alloc(0) }
}
