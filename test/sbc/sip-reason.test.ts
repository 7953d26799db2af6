import t from 'tap'
import { passableStatus, reasonOf } from '../../src/sbc/sip-reason.ts'

t.test('the phrase of a status is the registered one', (t) => {
  t.equal(reasonOf(486), 'Busy Here')
  t.equal(reasonOf(404), 'Not Found')
  t.equal(reasonOf(499), 'Unknown')
  t.end()
})

t.test('a status that nobody registered is read as its class, so that it can be sent at all', (t) => {
  for (const status of [100, 180, 183, 200, 404, 486, 487, 503, 603]) t.equal(passableStatus(status), status)
  t.equal(passableStatus(178), 183)
  t.equal(passableStatus(478), 400)
  t.equal(passableStatus(599), 500)
  t.equal(passableStatus(699), 600)
  t.end()
})

t.test('whatever comes in, what is passed on has a phrase', (t) => {
  for (let status = 100; status < 700; status += 1) {
    if (status >= 200 && status < 400) continue
    if (reasonOf(passableStatus(status)) === 'Unknown') t.fail(String(status))
  }
  t.end()
})
