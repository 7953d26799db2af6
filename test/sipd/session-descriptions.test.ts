import t from 'tap'
import { SessionDescriptions } from '../../src/sipd/session-descriptions.ts'
import type { SipResponse } from '../../src/sipd/message.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'

const invite = fakeRequest('INVITE', {}, 'offer')
const offerless = fakeRequest('INVITE')
const answer = (status: number, body = '', headers: Record<string, string> = {}): SipResponse => ({
  ...fakeResponse(invite, status, headers),
  body: Buffer.from(body),
})

t.test('an offer of ours waits for the description in an 18x or 2xx, and is taken back when refused', (t) => {
  const said = new SessionDescriptions()
  said.requestSent(invite)
  t.equal(said.offer, 'ours')
  said.responseArrived(invite, answer(100))
  said.responseArrived(invite, answer(180))
  t.equal(said.offer, 'ours')
  said.responseArrived(invite, answer(183, 'answer'))
  t.equal(said.offer, undefined)
  said.responseArrived(invite, answer(200, 'answer'))
  t.equal(said.offer, undefined, 'the same once more')
  const update = fakeRequest('UPDATE', {}, 'new offer')
  said.requestSent(update)
  t.equal(said.offer, 'ours')
  t.equal(said.local?.toString(), 'new offer')
  said.responseArrived(update, answer(491))
  t.equal(said.offer, undefined)
  t.equal(said.local?.toString(), 'offer')
  t.end()
})

t.test('an offer of theirs waits for our answer', (t) => {
  const said = new SessionDescriptions()
  said.requestArrived(invite)
  t.equal(said.offer, 'theirs')
  said.responseSent(invite, answer(180))
  t.equal(said.offer, 'theirs')
  said.responseSent(invite, answer(200, 'answer'))
  t.equal(said.offer, undefined)
  t.equal(said.local?.toString(), 'answer')
  said.requestArrived(fakeRequest('UPDATE'))
  t.equal(said.offer, undefined, 'no description, no offer')
  said.requestArrived(fakeRequest('INFO', {}, 'something else'))
  t.equal(said.offer, undefined)
  said.requestArrived(invite)
  said.responseSent(invite, answer(488))
  t.equal(said.offer, undefined)
  t.equal(said.local?.toString(), 'answer')
  t.end()
})

t.test(
  'an INVITE without an offer gets one in the 2xx, answered by ACK, or in a reliable 18x, answered by PRACK',
  (t) => {
    const ours = new SessionDescriptions()
    ours.requestArrived(offerless)
    ours.responseSent(offerless, answer(200, 'offer'))
    t.equal(ours.offer, 'ours')
    ours.requestArrived(fakeRequest('ACK', {}, 'answer'))
    t.equal(ours.offer, undefined)
    const theirs = new SessionDescriptions()
    theirs.requestSent(offerless)
    theirs.responseArrived(offerless, answer(183, 'preview'))
    t.equal(theirs.offer, undefined, 'not reliable, so nobody can answer')
    theirs.responseArrived(offerless, answer(183, 'offer', { require: '100rel' }))
    t.equal(theirs.offer, 'theirs')
    theirs.requestSent(fakeRequest('PRACK', {}, 'answer'))
    t.equal(theirs.offer, undefined)
    t.equal(theirs.local?.toString(), 'answer')
    theirs.responseArrived(offerless, answer(200, 'offer'))
    t.equal(theirs.offer, 'theirs')
    theirs.requestSent(fakeRequest('ACK', {}, 'last answer'))
    t.equal(theirs.offer, undefined)
    t.equal(theirs.local?.toString(), 'last answer')
    t.end()
  },
)
