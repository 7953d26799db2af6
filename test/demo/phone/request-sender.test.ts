import t from 'tap'
import { RequestSender } from '../../../src/demo/phone/request-sender.ts'
import {
  headerOf,
  parseSip,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../../src/demo/phone/sip-text.ts'

const PEER = { host: '127.0.0.9', port: 5099 }

function request(method: string, branch = method): SipRequest {
  return {
    kind: 'request',
    method,
    uri: 'sip:1000@127.0.0.9',
    headers: [
      ['via', `SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK${branch}`],
      ['from', '<sip:payer@127.0.0.2>;tag=a'],
      ['to', '<sip:1000@127.0.0.9>'],
      ['call-id', 'call'],
      ['cseq', `1 ${method}`],
    ],
    body: '',
  }
}

function response(to: SipRequest, status: number): SipResponse {
  return { kind: 'response', status, reason: 'Reason', headers: to.headers, body: '' }
}

function sender(t: { readonly teardown: (action: () => void) => unknown }) {
  const sent: (SipMessage | undefined)[] = []
  const requests = new RequestSender((datagram) => sent.push(parseSip(datagram)))
  t.teardown(() => requests.close())
  return { requests, sent }
}

t.test('the final answer ends a request: done, or refused with its reason', async (t) => {
  const { requests } = sender(t)
  const [info, bye] = [request('INFO'), request('BYE')]
  const [first, second] = [requests.ask(info, PEER), requests.ask(bye, PEER)]
  t.equal(requests.receive(response(bye, 481)), true)
  t.equal(requests.receive(response(info, 100)), true)
  t.equal(requests.receive(response(info, 200)), true)
  t.same(await first, { kind: 'done', status: 200 })
  t.same(await second, { kind: 'refused', status: 481, reason: 'Reason' })
  t.equal(requests.receive(response(info, 200)), false, 'nobody waits for it any more')
})

t.test('a response of another branch or method is nobody’s', (t) => {
  const { requests } = sender(t)
  requests.start(request('INFO'), PEER, { onProvisional: () => t.fail(), onFinal: () => t.fail() })
  t.equal(requests.receive(response(request('INFO', 'other'), 200)), false)
  t.equal(requests.receive(response({ ...request('BYE', 'INFO') }, 200)), false)
  t.end()
})

t.test('a refusal is acknowledged each time it is heard', (t) => {
  const { requests, sent } = sender(t)
  const invite = request('INVITE')
  requests.start(invite, PEER, {
    onProvisional: () => t.fail(),
    onFinal: (final) => final !== undefined && requests.acknowledgeRefusal(invite, final, PEER),
  })
  requests.receive(response(invite, 486))
  t.equal(requests.receive(response(invite, 486)), true)
  t.same(
    sent.map((message) => headerOf(message ?? invite, 'cseq')),
    ['1 INVITE', '1 ACK', '1 ACK'],
  )
  t.end()
})

t.test('a call is cancelled once, however often it is asked for', (t) => {
  const { requests, sent } = sender(t)
  const invite = request('INVITE')
  requests.cancel(invite, PEER)
  requests.cancel(invite, PEER)
  t.equal(sent.length, 1)
  t.match(sent[0], { method: 'CANCEL' })
  requests.close()
  requests.close()
  t.end()
})
