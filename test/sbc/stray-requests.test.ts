import t from 'tap'
import { answerStray } from '../../src/sbc/stray-requests.ts'
import { FakeRequest, FakeResponse } from '../fakes/fake-sip.ts'

function answered(method: string, to: string): { readonly status: number; readonly allow: string | undefined } {
  const response = new FakeResponse()
  answerStray(new FakeRequest({ method, headers: { To: to } }), response)
  const sent = response.sent.at(-1)
  return { status: sent?.status ?? 0, allow: sent?.headers['Allow'] }
}

const EARLY = '<sip:4711@sbc.example.com>;tag=1'
const OUTSIDE = '<sip:4711@sbc.example.com>'

t.test('before its call is answered a request may come again later, and the dialog stays (RFC 5057)', (t) => {
  for (const method of ['REFER', 'INFO', 'MESSAGE']) t.equal(answered(method, EARLY).status, 491)
  t.equal(answered('NOTIFY', EARLY).status, 481)
  t.end()
})

t.test('outside of any dialog there is no call that it is for', (t) => {
  for (const method of ['REFER', 'MESSAGE'])
    t.same(answered(method, OUTSIDE), { status: 405, allow: 'INVITE, ACK, CANCEL, OPTIONS' })
  for (const method of ['INFO', 'NOTIFY']) t.equal(answered(method, OUTSIDE).status, 481)
  t.end()
})

t.end()
