import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Identity } from '../../src/kit/identity.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { LATE_REQUEST_MS_MAX } from '../../src/sbc/late-requests.ts'
import { callViewShape } from '../../src/wire/call-protocol.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard, MASK_MARK } from '../fakes/fake-guard.ts'
import { AGENT_MARK, PAYER_MARK } from '../fakes/guarded-call.ts'
import { audioPort, RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { SipCall } from '../fakes/sip-call.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

Object.assign(globalThis.console, { log: () => undefined })
const IN_FLIGHT_MS = 25

let engine: Rtpengine
let identity: Identity
let guard: FakeGuard
let sipCall: SipCall

t.before(async () => {
  engine = await startRtpengine()
  identity = sharedIdentity('sbc')
})
t.beforeEach(async () => {
  guard = await FakeGuard.start({ identity: sharedIdentity('guard') })
  sipCall = await SipCall.start({ enginePort: engine.port, identity, guardPorts: [guard.port] })
})
t.afterEach(async () => {
  await sipCall.close()
  await guard.die()
})
t.after(() => engine.close())

/** Opens a window; the value is the time from which the agent must not hear the payer as it is. */
async function openWindow(): Promise<number> {
  const opened = await sipCall.call.openWindow({ form: 'card', masking: null })
  if (opened.kind !== 'open') throw new Error('the window did not open')
  return performance.now() + IN_FLIGHT_MS
}

async function closeWindow(): Promise<void> {
  guard.tellProgress({ state: 'cancelled' })
  guard.tellSafe()
  await eventually(() => sipCall.call.payment?.state === 'closed')
}

t.test('hold in the clear goes through to the other side and back, on the same ports', async (t) => {
  const { agentDialog, payerDialog, agent, payer } = sipCall
  payerDialog.answers = () => payer.sdp({ direction: 'recvonly' })
  const held = await agentDialog.receive('modify', { body: agent.sdp({ direction: 'sendonly' }) }).final()
  t.equal(held.status, 200)
  t.match(readAudio(held.body), { direction: 'recvonly', port: audioPort(agentDialog.local.sdp) })
  t.match(readAudio(payerDialog.offered[0] ?? ''), { direction: 'sendonly' })
  t.notOk(/alice|Example/.test((payerDialog.offered[0] ?? '') + held.body))
  t.equal(sipCall.call.view().state, 'held')
  payerDialog.answers = () => payer.sdp()
  const resumed = await agentDialog.receive('modify', { body: agent.sdp() }).final()
  t.match(readAudio(resumed.body), { direction: 'sendrecv' })
  t.equal(sipCall.call.view().state, 'talking')
  t.same(
    sipCall.changes.map((change) => change.state),
    ['held', 'talking'],
  )
  await agent.hears((heard) => heard.mark === PAYER_MARK)
})

t.test('the version of our origin grows with each description and never goes back', async (t) => {
  const versions: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const answer = await sipCall.agentDialog.receive('modify', { body: sipCall.agent.sdp() }).final()
    versions.push(Number(/^o=- 5 (\d+) /m.exec(answer.body)?.[1]))
  }
  const offerless = await sipCall.agentDialog.receive('modify').final()
  t.same(
    versions,
    [...versions].sort((a, b) => a - b),
  )
  t.equal(new Set(versions).size, 3)
  t.match(offerless.body, new RegExp(`^o=- 5 ${versions[2]} `, 'm'), 'an offerless re-INVITE gets what stands')
})

t.test('a party that moves in the clear is heard from its new port', async (t) => {
  const moved = await RtpParty.open({ mark: 0x55 })
  const answer = await sipCall.payerDialog.receive('modify', { body: moved.sdp() }).final()
  t.equal(answer.status, 200)
  sipCall.payer.stop()
  moved.sendTo(answer.body)
  await sipCall.agent.hears((heard) => heard.mark === 0x55)
  await moved.hears((heard) => heard.mark === AGENT_MARK)
  moved.close()
})

t.test(
  'a re-INVITE that the other side rejects is rejected alike, and the call goes on as it was, again and again',
  async (t) => {
    const { agentDialog, payerDialog, agent } = sipCall
    for (const [received, passed] of [
      [488, 488],
      [491, 491],
      [478, 400],
    ] as const) {
      payerDialog.answers = () => received
      t.equal(
        (await agentDialog.receive('modify', { body: agent.sdp({ direction: 'inactive' }) }).final()).status,
        passed,
      )
      t.equal(sipCall.call.view().state, 'talking')
      await agent.hears((heard) => heard.mark === PAYER_MARK)
    }
    t.notOk(sipCall.call.isEnded)
    payerDialog.answers = () => sipCall.payer.sdp()
    t.equal((await agentDialog.receive('modify', { body: agent.sdp() }).final()).status, 200)
  },
)

t.test('a re-INVITE that the other side knows no dialog for ends the call', async (t) => {
  sipCall.payerDialog.answers = () => 481
  t.equal((await sipCall.agentDialog.receive('modify', { body: sipCall.agent.sdp() }).final()).status, 481)
  await eventually(() => sipCall.call.isEnded)
  t.equal(sipCall.agentDialog.byes.length, 1)
  t.equal(sipCall.payerDialog.byes.length, 0)
})

t.test('re-INVITEs that cross get 491, and nothing hangs', async (t) => {
  let answer: (sdp: string) => void = () => undefined
  sipCall.payerDialog.answers = () => new Promise((resolve) => (answer = resolve))
  const first = sipCall.agentDialog.receive('modify', { body: sipCall.agent.sdp({ direction: 'sendonly' }) })
  await eventually(() => sipCall.payerDialog.offered.length === 1)
  const crossing = await sipCall.payerDialog.receive('modify', { body: sipCall.payer.sdp() }).final()
  t.equal(crossing.status, 491)
  answer(sipCall.payer.sdp())
  t.equal((await first.final()).status, 200)
  sipCall.payerDialog.answers = () => sipCall.payer.sdp()
  t.equal((await sipCall.payerDialog.receive('modify', { body: sipCall.payer.sdp() }).final()).status, 200)
})

t.test('a description that cannot be used is refused and changes nothing', async (t) => {
  for (const body of ['nonsense', 'v=0\r\n', sipCall.agent.sdp().replace('m=audio', 'm=video')])
    t.equal((await sipCall.agentDialog.receive('modify', { body }).final()).status, 488)
  t.equal(sipCall.payerDialog.offered.length, 0)
  await openWindow()
  t.equal((await sipCall.payerDialog.receive('modify', { body: 'nonsense' }).final()).status, 488)
  await closeWindow()
})

t.test('an UPDATE is a re-INVITE when it has a description, and a sign of life when it has none', async (t) => {
  t.equal((await sipCall.agentDialog.receive('update').final()).status, 200)
  const held = await sipCall.agentDialog
    .receive('update', { body: sipCall.agent.sdp({ direction: 'sendonly' }) })
    .final()
  t.equal(held.status, 200)
  t.equal(sipCall.call.view().state, 'held')
})

t.test(
  'in a window a re-INVITE is answered on the same port, the other side hears of it only afterwards, and nothing is unmasked',
  async (t) => {
    const { agentDialog, payerDialog, agent, payer } = sipCall
    const maskedMs = await openWindow()
    const held = await agentDialog.receive('modify', { body: agent.sdp({ direction: 'sendonly' }) }).final()
    t.equal(held.status, 200)
    t.match(readAudio(held.body), { direction: 'recvonly', port: audioPort(agentDialog.local.sdp) })
    const resumed = await agentDialog.receive('modify', { body: agent.sdp() }).final()
    t.match(readAudio(resumed.body), { direction: 'sendrecv' })
    const payerHeld = await payerDialog.receive('modify', { body: payer.sdp({ direction: 'inactive' }) }).final()
    t.equal(payerHeld.status, 200)
    const offerless = await payerDialog.receive('modify').final()
    t.match(readAudio(payerHeld.body), { direction: 'inactive' })
    t.match(readAudio(offerless.body), { direction: 'sendrecv' }, 'and may take itself off hold')
    t.equal((await payerDialog.receive('modify', { body: payer.sdp() }).final()).status, 200)
    await agent.hears((heard) => heard.mark === MASK_MARK)
    t.notOk(agent.marksSince(maskedMs).has(PAYER_MARK), 'masked all the time')
    t.same([payerDialog.offered.length, agentDialog.offered.length], [0, 0])
    await closeWindow()
    await eventually(() => payerDialog.offered.length === 1 && agentDialog.offered.length === 1)
    await agent.hears((heard) => heard.mark === PAYER_MARK)
    await payer.hears((heard) => heard.mark === AGENT_MARK)
  },
)

t.test('a window can be opened again after one, and not while one is open', async (t) => {
  await openWindow()
  t.same(await sipCall.call.openWindow({ form: 'card', masking: 'hard' }), { kind: 'refused', code: 'window_open' })
  await closeWindow()
  t.same(await sipCall.call.openWindow({ form: 'card', masking: 'hard' }), { kind: 'open' })
  t.match(guard.window.order, { masking: 'hard' })
  t.ok(callViewShape(sipCall.call.view()))
  await closeWindow()
})

t.test('orders that do not fit are refused', async (t) => {
  t.same(await sipCall.call.openWindow({ form: 'none', masking: null }), { kind: 'refused', code: 'unknown_form' })
  t.equal(await sipCall.call.clearField(null), 'no_window')
  t.equal(await sipCall.call.cancelWindow(), 'no_window')
  sipCall.call.end('closing')
  t.same(await sipCall.call.openWindow({ form: 'card', masking: null }), { kind: 'refused', code: 'call_ended' })
})

t.test('INFO is relayed outside a window, and its answer comes back', async (t) => {
  const { payerDialog, agentDialog } = sipCall
  const info = { body: 'Signal=5\r\nDuration=160', headers: { 'Content-Type': 'application/dtmf-relay' } }
  t.equal((await payerDialog.receive('info', info).final()).status, 200)
  t.match(agentDialog.requests, [{ method: 'INFO', ...info }])
  agentDialog.infoStatus = 415
  t.equal((await payerDialog.receive('info', info).final()).status, 415)
  agentDialog.infoStatus = 478
  t.equal((await payerDialog.receive('info', info).final()).status, 400)
  t.equal((await agentDialog.receive('info', { body: '' }).final()).status, 200)
  t.equal(payerDialog.requests.length, 1)
})

t.test('in a window nothing that the payer says by INFO reaches the agent; a key goes to the guard', async (t) => {
  const { payerDialog, agentDialog } = sipCall
  const opening = sipCall.call.openWindow({ form: 'card', masking: null })
  const early = { body: 'Signal=1', headers: { 'Content-Type': 'application/dtmf-relay' } }
  t.equal((await payerDialog.receive('info', early).final()).status, 200, 'from the order on, not only from the proof')
  await opening
  const cases = [
    ['application/dtmf-relay', 'Signal=5\r\nDuration=160'],
    ['Application/DTMF ; charset=utf-8', '5'],
    ['text/plain', 'my card is 4242'],
    ['', 'something'],
    ['application/dtmf-relay', 'x'.repeat(257)],
  ] as const
  for (const [type, body] of cases)
    t.equal((await payerDialog.receive('info', { body, headers: { 'Content-Type': type } }).final()).status, 200)
  await guard.waitFor('window.info', 2)
  t.same(agentDialog.requests, [])
  const bodies = guard
    .ordersOf('window.info')
    .map((order) => (order.type === 'window.info' ? [order.relay, Buffer.from(order.body, 'base64').toString()] : []))
  t.same(bodies.slice(-2), [
    [true, 'Signal=5\r\nDuration=160'],
    [false, '5'],
  ])
  const twice = { body: '6', headers: { 'Content-Type': 'application/dtmf', CSeq: '27 INFO' } }
  for (const info of [twice, twice, { body: '9', headers: { ...twice.headers, CSeq: '28 INFO' } }])
    t.equal((await payerDialog.receive('info', info).final()).status, 200)
  await guard.waitFor('window.info', 4)
  t.match(
    guard.ordersOf('window.info').slice(2),
    ['6', '9'].map((key) => ({ body: Buffer.from(key).toString('base64') })),
    'one that came by two ways is told once',
  )
  t.equal(
    (await agentDialog.receive('info', { body: 'hello', headers: { 'Content-Type': 'text/plain' } }).final()).status,
    200,
  )
  t.equal(payerDialog.requests.length, 1, 'what the agent says is relayed')
  await guard.die()
  await eventually(() => sipCall.call.payment?.state === 'held')
  await payerDialog.receive('info', { body: '7', headers: { 'Content-Type': 'application/dtmf' } }).final()
  t.same(agentDialog.requests, [], 'also while there is no guard')
})

t.test(
  'INFO that comes while a window opens and closes reaches the agent only before it, and long after',
  async (t) => {
    const { payerDialog, agentDialog } = sipCall
    const clear: string[] = []
    let sent = 0
    const press = async () => {
      sent += 1
      const body = `Signal=${sent % 10}\r\nDuration=${sent}\r\n`
      const { payment } = sipCall.call
      if (payment === null || sipCall.nowMs > 0) clear.push(body)
      const info = { body, headers: { 'Content-Type': 'application/dtmf-relay' } }
      t.equal((await payerDialog.receive('info', info).final()).status, 200)
    }
    const pressUntil = async (isDone: () => boolean) => {
      while (!isDone()) {
        await press()
        await delay(1)
      }
    }
    await press()
    let isOpen = false
    const opening = openWindow().then(() => (isOpen = true))
    await pressUntil(() => isOpen)
    await opening
    let isClosed = false
    const closing = closeWindow().then(() => (isClosed = true))
    await pressUntil(() => isClosed)
    await closing
    await press()
    sipCall.nowMs = LATE_REQUEST_MS_MAX
    await press()
    t.same(
      agentDialog.requests.map(({ body }) => body),
      clear,
    )
    t.ok(clear.length === 2 && clear.length < sent)
  },
)

t.test('a message is relayed outside a window, and in one the payer can send none', async (t) => {
  const { payerDialog, agentDialog } = sipCall
  const message = { body: 'hello', headers: { 'Content-Type': 'text/plain' } }
  t.equal((await payerDialog.receive('message', message).final()).status, 200)
  t.match(agentDialog.requests, [{ method: 'MESSAGE', ...message }])
  t.equal((await payerDialog.receive('message', { body: 'x'.repeat(1_301) }).final()).status, 413)
  await openWindow()
  t.equal((await payerDialog.receive('message', message).final()).status, 480)
  t.equal(agentDialog.requests.length, 1)
  t.equal((await agentDialog.receive('message', message).final()).status, 200)
  t.equal(payerDialog.requests.length, 1)
})

t.test('OPTIONS is answered with what is allowed, and a NOTIFY of nothing with 481', async (t) => {
  const answer = await sipCall.agentDialog.receive('options').final()
  t.match([answer.status, answer.headers['Allow']], [200, /REFER/])
  t.equal((await sipCall.agentDialog.receive('notify', { headers: { Event: 'refer' } }).final()).status, 481)
})

t.test('BYE of either side hangs up the other, and ends the media', async (t) => {
  sipCall.agentDialog.bye()
  t.equal(sipCall.payerDialog.byes.length, 1)
  t.same(sipCall.payerDialog.byes[0], {}, 'nothing tells why')
  t.equal(sipCall.agentDialog.byes.length, 0)
  t.equal(sipCall.endedCount, 1)
  t.match(sipCall.call.view(), { state: 'ended' })
  await eventually(async () => !(await sipCall.isKnown()))
  sipCall.payerDialog.bye()
  sipCall.call.end('closing')
  t.equal(sipCall.endedCount, 1, 'once')
})

t.test('BYE of the payer in a window: the window ends without a moment unmasked, and the guard lets go', async (t) => {
  const maskedMs = await openWindow()
  sipCall.payerDialog.bye()
  t.match(sipCall.call.payment, { state: 'closed', failure: 'call_ended' })
  await guard.waitFor('window.release')
  await eventually(async () => !(await sipCall.isKnown()))
  await delay(60)
  t.notOk(sipCall.agent.marksSince(maskedMs).has(PAYER_MARK))
})

t.test('a call that ends for a reason of ours tells both sides which', (t) => {
  sipCall.call.end('media_lost')
  t.match(sipCall.payerDialog.byes, [{ Reason: /Media relay lost/ }])
  t.match(sipCall.agentDialog.byes, [{ Reason: /Media relay lost/ }])
  t.end()
})

t.test('a call whose media rtpengine lost ends at the next use of it, in the clear and in a window', async (t) => {
  await openWindow()
  await sipCall.control.request(
    'delete',
    { 'call-id': sipCall.call.facts.callId, 'delete delay': 0 },
    { deadlineMs: 1_000 },
  )
  const answer = await sipCall.agentDialog.receive('modify', { body: sipCall.agent.sdp() }).final()
  t.ok(answer.status >= 400)
  await eventually(() => sipCall.call.isEnded)
  t.match(sipCall.call.payment, { state: 'closed', failure: 'media_lost' })
  await eventually(async () => !(await sipCall.isKnown()))
})

t.test('a call that a restarted rtpengine still knows goes on, and one that it forgot ends', async (t) => {
  await sipCall.call.loseIfForgotten()
  t.equal(sipCall.call.isEnded, false)
  await sipCall.control.request(
    'delete',
    { 'call-id': sipCall.call.facts.callId, 'delete delay': 0 },
    { deadlineMs: 1_000 },
  )
  await sipCall.call.loseIfForgotten()
  await eventually(() => sipCall.call.isEnded)
  t.match(sipCall.agentDialog.byes, [{ Reason: /Media relay lost/ }])
})

t.test('a party that hangs up while a re-INVITE is under way gets an answer and leaves nothing', async (t) => {
  let answer: (sdp: string) => void = () => undefined
  sipCall.payerDialog.answers = () => new Promise((resolve) => (answer = resolve))
  const modify = sipCall.agentDialog.receive('modify', { body: sipCall.agent.sdp({ direction: 'sendonly' }) })
  await eventually(() => sipCall.payerDialog.offered.length === 1)
  sipCall.payerDialog.bye()
  answer(sipCall.payer.sdp())
  t.equal((await modify.final()).status, 481)
  await eventually(async () => !(await sipCall.isKnown()))
})

t.test('a Call-ID of any length is shown within the bounds of the protocol', (t) => {
  Object.assign(sipCall.payerDialog.sip, { callId: `${'x'.repeat(500)}@\u0000 ` })
  Object.assign(sipCall.agentDialog.sip, { callId: '' })
  t.ok(callViewShape(sipCall.call.view()))
  t.end()
})

t.end()
