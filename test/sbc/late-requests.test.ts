import t from 'tap'
import { LATE_REQUEST_MS_MAX, LateRequests } from '../../src/sbc/late-requests.ts'
import { infoWaitMs } from '../../src/sipd/info-order.ts'
import { DEFAULT_LIMITS } from '../../src/sipd/sipd-limits.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeDialog } from '../fakes/fake-sip.ts'
import { QuickCall } from '../fakes/quick-call.ts'

const KEY = { body: 'Signal=5', headers: { 'Content-Type': 'application/dtmf-relay' } }

t.test('a request may be late until the time is up, in the payer’s dialog and in no other', (t) => {
  let nowMs = 5
  const late = new LateRequests(() => nowMs)
  const [payer, agent] = [new FakeDialog({ callId: 'a', sdp: '' }), new FakeDialog({ callId: 'b', sdp: '' })]
  t.equal(late.mayCome(payer), false)
  late.expect(payer)
  t.equal(late.mayCome(payer), true)
  t.equal(late.mayCome(agent), false)
  nowMs += LATE_REQUEST_MS_MAX - 1
  t.equal(late.mayCome(payer), true)
  late.expect(payer)
  nowMs += 1
  t.equal(late.mayCome(payer), true, 'another window has closed meanwhile')
  nowMs += LATE_REQUEST_MS_MAX
  t.equal(late.mayCome(payer), false)
  t.end()
})

t.test('it lasts for longer than a sender repeats a request and sipd holds one back, together', (t) => {
  const { t1Ms } = DEFAULT_LIMITS
  t.ok(64 * t1Ms + infoWaitMs(t1Ms) < LATE_REQUEST_MS_MAX)
  t.end()
})

t.test(
  'a key that was pressed in a window and comes after its close reaches nobody, and a message is refused',
  async (t) => {
    const quick = await QuickCall.start()
    const { payer, agent } = quick.dialogs
    await quick.reach('just-closed')
    t.equal(quick.call.media.isGuarded, false)
    t.equal((await payer.receive('info', KEY).final()).status, 200)
    t.equal((await payer.receive('info', { ...KEY, headers: { 'Content-Type': 'text/plain' } }).final()).status, 200)
    t.equal((await payer.receive('message', { body: '4242' }).final()).status, 480)
    t.equal(agent.requests.length, 0)
    t.equal((await agent.receive('info', KEY).final()).status, 200)
    t.equal(payer.requests.length, 1, 'what the agent says is passed on')
    quick.nowMs += LATE_REQUEST_MS_MAX
    t.equal((await payer.receive('info', KEY).final()).status, 200)
    t.match(agent.requests, [{ method: 'INFO', body: KEY.body }])
    quick.close()
  },
)

t.test('a payer who goes to another call takes its late keys along, whatever party it is there', async (t) => {
  const paid = await QuickCall.start()
  await paid.reach('just-closed')
  const leg = paid.call.legOf(paid.dialogs.agent.sip)
  if (leg === null) throw new Error('no leg')
  const { late } = paid
  const other = await QuickCall.start({ late, transfers: { find: () => ({ call: paid.call, leg }) } })
  const replaces = { 'Refer-To': '<sip:bob@127.0.0.1?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>' }
  t.equal((await other.dialogs.agent.receive('refer', { headers: replaces }).final()).status, 202)
  await eventually(() => paid.call.isEnded)
  t.equal(other.call.view().agentSipCallId, 'payer-call-id', 'it is across from the other call’s payer')
  const before = other.dialogs.payer.requests.length
  t.equal((await paid.dialogs.payer.receive('info', KEY).final()).status, 200)
  t.equal(other.dialogs.payer.requests.length, before, 'whoever is across hears nothing')
  paid.nowMs += LATE_REQUEST_MS_MAX
  t.equal((await paid.dialogs.payer.receive('info', KEY).final()).status, 200)
  t.equal(other.dialogs.payer.requests.length, before + 1)
  other.close()
})

t.end()
