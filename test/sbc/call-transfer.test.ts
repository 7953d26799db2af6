import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { readAudio } from '../../src/sbc/sdp.ts'
import type { PlacedLeg, PlaceOrder, TransferPlaces } from '../../src/sbc/transfer-places.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard, MASK_MARK } from '../fakes/fake-guard.ts'
import { FakeDialog, FakeMessage, FakeRequest, FakeResponse } from '../fakes/fake-sip.ts'
import { PAYER_MARK } from '../fakes/guarded-call.ts'
import { AGENT_PORT, NEW_PORT, PAYER_PORT, QuickCall, quickSdp } from '../fakes/quick-call.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine } from '../fakes/rtpengine.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'
import { SipCall } from '../fakes/sip-call.ts'

Object.assign(globalThis.console, { log: () => undefined })
const TARGET = { headers: { 'Refer-To': '<sip:bob@127.0.0.1>', CSeq: '7 REFER' } }
const ATTENDED = { headers: { 'Refer-To': '<sip:bob@127.0.0.1?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>' } }

/** The statuses that a REFER's sender was notified of. */
function reported(dialog: FakeDialog): readonly string[] {
  return dialog.requests.map(({ body }) => /^SIP\/2\.0 (\d+)/.exec(body ?? '')?.[1] ?? '')
}

/** A telephone that rings until it is told what to do. */
function ringing(quick: QuickCall): { finish(result?: PlacedLeg): void; readonly order: () => PlaceOrder | undefined } {
  let finish: (result?: PlacedLeg) => void = () => undefined
  quick.placing = (order) => {
    order.ringing()
    return new Promise((resolve) => {
      finish = (result) => resolve(result ?? quick.answers(order))
      order.signal.addEventListener('abort', () => resolve({ kind: 'rejected', status: 487 }))
    })
  }
  return { finish: (result) => finish(result), order: () => quick.orders[0] }
}

t.test('blind: the new agent takes the place, the payer gets no SIP at all, and the transferor hangs up', async (t) => {
  const quick = await QuickCall.start()
  const { agent, payer } = quick.dialogs
  const phone = ringing(quick)
  t.equal((await agent.receive('refer', TARGET).final()).status, 202)
  await eventually(() => reported(agent).length === 2)
  t.equal(quick.call.view().agent, 'anna', 'until somebody answers')
  t.match(quick.orders, [{ target: { number: 'bob' }, callingNumber: '4989' }])
  phone.finish()
  await eventually(() => reported(agent).length === 3)
  t.same(reported(agent), ['100', '180', '200'])
  t.match(quick.call.view(), { agent: 'bob', agentSipCallId: 'new-call-id', state: 'talking' })
  t.equal(quick.engine.heardBy('payer'), 'agent-1')
  t.same(payer.offered, [])
  agent.bye()
  t.equal(quick.call.isEnded, false)
  quick.newDialog.bye()
  t.ok(quick.call.isEnded, 'now it is the new agent who ends the call')
  t.equal(payer.byes.length, 1)
})

t.test('a transferor that does not hang up is hung up on', async (t) => {
  const quick = await QuickCall.start()
  await quick.dialogs.agent.receive('refer', TARGET).final()
  await eventually(() => quick.dialogs.agent.byes.length === 1)
  t.equal(quick.call.isEnded, false)
  quick.close()
  t.equal(quick.dialogs.agent.byes.length, 1, 'once')
})

t.test('a transfer that fails gives the call back as it was, and the next one can succeed', async (t) => {
  const quick = await QuickCall.start()
  const { agent, payer } = quick.dialogs
  for (const status of [486, 404, 603]) {
    quick.placing = () => Promise.resolve({ kind: 'rejected', status })
    await agent.receive('refer', TARGET).final()
    await eventually(() => reported(agent).at(-1) === String(status))
  }
  t.match(agent.requests.at(-1)?.headers, { Event: 'refer;id=7' }, 'a REFER that is not the first is named')
  quick.placing = async (order) => {
    const placed = await quick.answers(order)
    return placed.kind === 'answered' ? { ...placed, response: new FakeMessage({ body: 'nonsense' }) } : placed
  }
  await agent.receive('refer', TARGET).final()
  await eventually(() => reported(agent).at(-1) === '488')
  t.equal(quick.newDialog.byes.length, 1)
  t.match(quick.call.view(), { agent: 'anna', state: 'talking' })
  t.same([quick.engine.heardBy('payer'), quick.engine.heardBy('agent')], ['agent', 'payer'])
  t.same(payer.offered, [])
  quick.newDialog.connected = true
  quick.placing = (order) => quick.answers(order)
  await agent.receive('refer', TARGET).final()
  await eventually(() => quick.call.view().agent === 'bob')
  quick.close()
})

t.test('a transferor that hangs up at once leaves the payer to the telephone that rings', async (t) => {
  for (const succeeds of [true, false]) {
    const quick = await QuickCall.start()
    const phone = ringing(quick)
    await quick.dialogs.agent.receive('refer', TARGET).final()
    quick.dialogs.agent.bye()
    t.equal(quick.call.isEnded, false)
    phone.finish(succeeds ? undefined : { kind: 'rejected', status: 486 })
    if (succeeds) await eventually(() => quick.call.view().agent === 'bob')
    else await eventually(() => quick.call.isEnded)
    t.equal(quick.dialogs.payer.byes.length, succeeds ? 0 : 1, 'nobody is left to give the call back to')
    quick.close()
  }
})

t.test('a payer who hangs up ends what rings, and who answers all the same is hung up on', async (t) => {
  const quick = await QuickCall.start()
  const phone = ringing(quick)
  await quick.dialogs.agent.receive('refer', TARGET).final()
  quick.dialogs.payer.bye()
  t.ok(quick.call.isEnded && phone.order()?.signal.aborted)
  const late = await QuickCall.start()
  late.placing = async (order) => {
    const placed = await late.answers(order)
    late.dialogs.payer.bye()
    return placed
  }
  await late.dialogs.agent.receive('refer', TARGET).final()
  await eventually(() => late.newDialog.byes.length === 1)
})

t.test('a payer on hold is taken off hold for the new agent, and told of a codec that is new', async (t) => {
  const quick = await QuickCall.start()
  const { agent, payer } = quick.dialogs
  payer.answers = (sdp) => quickSdp(PAYER_PORT, { direction: sdp.includes('sendonly') ? 'recvonly' : 'sendrecv' })
  await agent.receive('modify', { body: quickSdp(AGENT_PORT, { direction: 'sendonly' }) }).final()
  t.equal(readAudio(payer.offered[0] ?? '')?.direction, 'sendonly')
  await agent.receive('refer', TARGET).final()
  await eventually(() => payer.offered.length === 2)
  t.equal(readAudio(payer.offered[1] ?? '')?.direction, 'sendrecv')
  t.equal(readAudio(quick.newDialog.local.sdp)?.direction, 'sendrecv')
  await eventually(() => quick.call.view().state === 'talking')
  quick.close()
})

t.test(
  'a call that is moved to another rtpengine while somebody answers stays with the agent who has it',
  async (t) => {
    const quick = await QuickCall.start()
    const { agent, payer } = quick.dialogs
    quick.placing = async (order) => {
      const placed = await quick.answers(order)
      quick.call.loseMedia()
      await eventually(() => payer.offered.length === 1 && quick.otherEngine.heardBy('payer') === 'agent')
      return placed
    }
    await agent.receive('refer', TARGET).final()
    await eventually(() => quick.newDialog.byes.length === 1 && Number(reported(agent).at(-1)) >= 400)
    t.equal(quick.call.isEnded, false)
    t.match(quick.call.view(), { agent: 'anna', agentSipCallId: 'agent-call-id' })
    quick.close()
  },
)

t.test('what cannot be followed is refused: no target, two at a time, no wish to be told is heard', async (t) => {
  const quick = await QuickCall.start()
  const { agent } = quick.dialogs
  t.equal((await agent.receive('refer').final()).status, 400)
  t.equal((await agent.receive('refer', { headers: { 'Refer-To': '<mailto:x@y>' } }).final()).status, 400)
  const phone = ringing(quick)
  const quiet = { headers: { ...TARGET.headers, 'Refer-Sub': 'false' } }
  t.match(await agent.receive('refer', quiet).final(), { status: 202, headers: { 'Refer-Sub': 'false' } })
  t.equal((await agent.receive('refer', TARGET).final()).status, 491)
  phone.finish()
  await eventually(() => quick.call.view().agent === 'bob')
  t.same(agent.requests, [], 'RFC 4488')
  quick.close()
})

/** A call whose agent consults somebody in a second call, and that second call. */
async function consulting(): Promise<{ readonly first: QuickCall; readonly second: QuickCall }> {
  const second = await QuickCall.start()
  const find: TransferPlaces['find'] = () => {
    const leg = second.call.legOf(second.dialogs.agent.sip)
    return leg === null ? null : { call: second.call, leg }
  }
  return { first: await QuickCall.start({ transfers: { find } }), second }
}

t.test('attended, between two calls of ours: the two far parties talk, and the second call is over', async (t) => {
  const { first, second } = await consulting()
  t.equal((await first.dialogs.agent.receive('refer', ATTENDED).final()).status, 202)
  await eventually(() => reported(first.dialogs.agent).at(-1) === '200')
  t.equal(first.orders.length, 0, 'nobody is called')
  t.equal(second.dialogs.payer.offered.length, 1)
  t.match(first.call.view(), { agentSipCallId: 'payer-call-id', agent: '4711' })
  t.ok(second.call.isEnded)
  t.same([second.dialogs.payer.byes.length, second.dialogs.agent.byes.length], [0, 1])
  t.ok(second.engine.isGone)
  second.dialogs.payer.bye()
  t.ok(first.call.isEnded, 'the leg is the first call’s now')
})

t.test('attended: a party that refuses to move, or types into a window, stays where it is', async (t) => {
  const refusing = await consulting()
  refusing.second.dialogs.payer.answers = () => 488
  await refusing.first.dialogs.agent.receive('refer', ATTENDED).final()
  await eventually(() => reported(refusing.first.dialogs.agent).at(-1) === '488')
  const typing = await consulting()
  await typing.second.reach('capturing')
  await typing.first.dialogs.agent.receive('refer', ATTENDED).final()
  await eventually(() => reported(typing.first.dialogs.agent).at(-1) === '491')
  for (const { first, second } of [refusing, typing]) {
    t.same([first.call.isEnded, second.call.isEnded], [false, false])
    t.equal(first.engine.heardBy('agent'), 'payer')
    first.close()
    second.close()
  }
})

t.test('attended at the PBX: a dialog that is none of ours is named to whoever has it', async (t) => {
  const quick = await QuickCall.start()
  await quick.dialogs.agent.receive('refer', ATTENDED).final()
  await eventually(() => quick.call.view().agent === 'bob')
  t.match(quick.orders, [{ target: { replaces: { value: 'x;to-tag=1;from-tag=2' } } }])
  quick.close()
})

t.test(
  'an INVITE with Replaces takes the leg’s place; one that is cancelled or unusable changes nothing',
  async (t) => {
    for (const [answer, body, status] of [
      [true, quickSdp(NEW_PORT), 200],
      [false, quickSdp(NEW_PORT), 500],
      [true, 'nonsense', 488],
    ] as const) {
      const quick = await QuickCall.start(answer ? {} : { transfers: { answer: () => Promise.resolve(null) } })
      const leg = quick.call.legOf(quick.dialogs.agent.sip)
      if (leg === null) throw new Error('no leg')
      const response = new FakeResponse()
      const request = new FakeRequest({ body })
      await quick.call.replaceBy(leg, { request, response, trunk: leg.trunk, agent: 'bob' })
      t.equal((await response.final()).status, status)
      t.equal(quick.call.view().agent, status === 200 ? 'bob' : 'anna')
      t.equal(quick.engine.heardBy('payer'), status === 200 ? 'agent-1' : 'agent')
      if (status === 200) await eventually(() => quick.dialogs.agent.byes.length === 1)
      quick.close()
    }
  },
)

t.test('a transferor that has gone and answers nothing keeps nobody from the next transfer', async (t) => {
  const quick = await QuickCall.start()
  let forget: (error: Error) => void = () => undefined
  quick.dialogs.agent.request = () => new Promise((_resolve, reject) => (forget = reject))
  await quick.dialogs.agent.receive('refer', TARGET).final()
  await eventually(() => quick.call.view().agent === 'bob')
  t.equal((await quick.newDialog.receive('refer', TARGET).final()).status, 202)
  quick.close()
  quick.dialogs.agent.bye()
  forget(new Error('the dialog is over'))
})

t.test('who asks for a place while the call ends is hung up on, and nothing waits for it', async (t) => {
  let answered: (dialog: FakeDialog) => void = () => undefined
  const answer = () => new Promise<FakeDialog>((resolve) => (answered = resolve))
  const quick = await QuickCall.start({ transfers: { answer } })
  const leg = quick.call.legOf(quick.dialogs.agent.sip)
  if (leg === null) throw new Error('no leg')
  const [request, response] = [new FakeRequest({ body: quickSdp(NEW_PORT) }), new FakeResponse()]
  const replacing = quick.call.replaceBy(leg, { request, response, trunk: leg.trunk, agent: 'bob' })
  await eventually(() => quick.engine.requests.at(-1)?.command === 'answer')
  quick.close()
  await replacing
  t.equal(response.status, 500)
  answered(quick.newDialog)
  await eventually(() => quick.newDialog.byes.length === 1)
})

t.test('two transfers one after the other, and a window for the last agent', async (t) => {
  const quick = await QuickCall.start()
  await quick.dialogs.agent.receive('refer', TARGET).final()
  await eventually(() => quick.call.view().agent === 'bob')
  const third = new FakeDialog({ callId: 'third-call-id', sdp: '' })
  quick.placing = async (order) => {
    const placed = await quick.answers(order)
    return placed.kind === 'answered' ? { ...placed, dialog: third, agent: 'carla' } : placed
  }
  await quick.newDialog.receive('refer', TARGET).final()
  await eventually(() => quick.call.view().agent === 'carla')
  t.equal(quick.engine.heardBy('payer'), 'agent-2')
  t.same(await quick.call.openWindow({ form: 'card', masking: null }), { kind: 'open' })
  t.equal(quick.engine.heardBy('agent-2'), 'guard-agent')
  quick.close()
})

t.test(
  'with packets: who comes in a window never hears the payer before it is closed, nor does who goes',
  async (t) => {
    const engine = await startRtpengine()
    const guard = await FakeGuard.start({ identity: sharedIdentity('guard') })
    const newcomer = await RtpParty.open({ mark: 0x33 })
    const dialog = new FakeDialog({ callId: 'new', sdp: '' })
    const place: TransferPlaces['place'] = async (order) => {
      const offered = await order.offer(order.from)
      if (offered.kind === 'failed') throw new Error('no offer')
      newcomer.sendTo(offered.sdp)
      const response = new FakeMessage({ body: newcomer.sdp() })
      return { kind: 'answered', trunk: order.from, dialog, response, agent: 'bob' }
    }
    const sipCall = await SipCall.start({
      enginePort: engine.port,
      identity: sharedIdentity('sbc'),
      guardPorts: [guard.port],
      transfers: { place, find: () => null, answer: () => Promise.resolve(null) },
    })
    t.teardown(async () => {
      await sipCall.close()
      newcomer.close()
      await guard.die()
      await engine.close()
    })
    t.same(await sipCall.call.openWindow({ form: 'card', masking: null }), { kind: 'open' })
    const maskedMs = performance.now() + 25
    await sipCall.agentDialog.receive('refer', TARGET).final()
    await newcomer.hears((heard) => heard.mark === MASK_MARK)
    await sipCall.payer.hears((heard) => heard.mark === 0x33)
    await guard.waitFor('window.cancel')
    const seatedMs = performance.now() + 25
    await delay(80)
    t.notOk(newcomer.marksSince(0).has(PAYER_MARK))
    t.notOk(sipCall.agent.marksSince(maskedMs).has(PAYER_MARK))
    t.same([...sipCall.agent.marksSince(seatedMs)], [], 'who has gone hears nothing at all')
    guard.tellProgress({ state: 'cancelled' })
    guard.tellSafe()
    await eventually(() => sipCall.call.payment?.state === 'closed')
    t.match(sipCall.call.view(), { agent: 'bob', payment: { failure: 'cancelled', token: null } })
    await newcomer.hears((heard) => heard.mark === PAYER_MARK)
  },
)

t.end()
