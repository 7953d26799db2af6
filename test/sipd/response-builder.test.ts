import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { buildResponse, reasonOf } from '../../src/sipd/response-builder.ts'
import { fakeRequest } from './fake-flow.ts'

t.test('a response copies Via, From, To, Call-ID and CSeq, and a Timestamp into 100 only', (t) => {
  const request = fakeRequest('INVITE', { timestamp: '5' })
  const trying = buildResponse(request, { status: 100 })
  for (const key of ['via', 'from', 'to', 'call-id', 'cseq', 'timestamp'])
    t.equal(valueOf(trying, key), valueOf(request, key), key)
  const busy = buildResponse(request, { status: 486, reason: 'Busy', to: '<sip:b@b>;tag=x' })
  t.same([busy.reason, valueOf(busy, 'to'), valueOf(busy, 'timestamp')], ['Busy', '<sip:b@b>;tag=x', undefined])
  t.equal(reasonOf(481), 'Call/Transaction Does Not Exist')
  t.end()
})
