import t from 'tap'
import { DialogTable } from '../../src/sipd/dialog-group.ts'
import { openEnvelope, type Envelope } from '../../src/sipd/envelope.ts'
import { MergedRequests } from '../../src/sipd/merged-requests.ts'
import { fakeRequest } from './fake-flow.ts'

function envelope(headers: Readonly<Record<string, string>> = {}): Envelope {
  const opened = openEnvelope(fakeRequest('INVITE', headers))
  if (typeof opened === 'string') throw new Error(opened)
  return opened
}

t.test('the same call, tag and number is the same request; the end of a copy leaves the first known', (t) => {
  const merged = new MergedRequests(new DialogTable())
  t.notOk(merged.has(envelope()))
  merged.add(envelope(), 'first')
  t.ok(merged.has(envelope({ via: 'SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKother' })))
  t.notOk(merged.has(envelope({ cseq: '8 INVITE' })))
  t.notOk(merged.has(envelope({ from: '<sip:a@192.0.2.1>;tag=c' })))
  merged.forget(envelope(), 'copy')
  t.ok(merged.has(envelope()))
  merged.forget(envelope(), 'first')
  t.notOk(merged.has(envelope()))
  merged.add(envelope(), 'first')
  merged.forget(envelope())
  t.notOk(merged.has(envelope()), 'one that is proxied may come back')
  t.end()
})

t.test('a call of ours that came back is the same request', (t) => {
  const dialogs = new DialogTable()
  const merged = new MergedRequests(dialogs)
  dialogs.reserve('fake;from-tag=a')
  t.ok(merged.has(envelope()))
  dialogs.release('fake;from-tag=a')
  t.notOk(merged.has(envelope()))
  t.end()
})
