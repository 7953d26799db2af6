import t from 'tap'
import { Dialog, contactUri, newSequence, newTag } from '../../src/sipd/dialog.ts'
import { fakeFlow, fakeRequest, fakeResponse } from './fake-flow.ts'

const { flow } = fakeFlow()

t.test('the route set is kept in order by the called side and reversed by the calling side', (t) => {
  const invite = fakeRequest('INVITE', { 'record-route': '<sip:p1;lr>, <sip:p2;lr>' })
  const called = Dialog.ofRequest(invite, { to: '<sip:b@192.0.2.2>;tag=b', sequence: 7, flow })
  t.same(called.route(), { uri: 'sip:a@192.0.2.1:5060', route: ['<sip:p1;lr>', '<sip:p2;lr>'], hop: '<sip:p1;lr>' })
  t.same([called.localTag, called.remoteTag, called.remoteSequence], ['b', 'a', 7])
  const answer = fakeResponse(invite, 200, {
    to: '<sip:b@192.0.2.2>;tag=b',
    'record-route': '<sip:p1;lr>, <sip:p2>',
    contact: '<sip:b@192.0.2.7>',
  })
  const calling = Dialog.ofResponse(invite, answer, { sequence: 7, flow })
  t.same(
    calling.route(),
    { uri: 'sip:p2', route: ['<sip:p1;lr>', '<sip:b@192.0.2.7>'], hop: undefined },
    'a strict router first',
  )
  calling.refreshTarget(fakeResponse(invite, 200, { contact: '<sip:moved@192.0.2.8>' }))
  t.equal(calling.remoteTarget, 'sip:moved@192.0.2.8')
  calling.refreshTarget(fakeResponse(invite, 200, { contact: '*' }))
  t.equal(calling.remoteTarget, 'sip:moved@192.0.2.8', 'a Contact that cannot be called changes nothing')
  t.equal(contactUri(fakeResponse(invite, 200)), undefined)
  t.ok(newSequence() >= 1)
  t.not(newTag(), newTag())
  t.end()
})
