import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Identity } from '../../src/kit/identity.ts'
import type { MediaSeat } from '../../src/sbc/media-seat.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard, MASK_MARK } from '../fakes/fake-guard.ts'
import { AGENT_MARK, GuardedCall, PAYER_MARK } from '../fakes/guarded-call.ts'
import { audioPort, RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

Object.assign(globalThis.console, { log: () => undefined })
const NEW_MARK = 0x33
const THIRD_MARK = 0x44
const IN_FLIGHT_MS = 25
const SURELY_HEARD_MS = 1_200
const A_MOMENT_MS = 60

let engine: Rtpengine
let identity: Identity
let guard: FakeGuard
let call: GuardedCall
let newcomer: RtpParty

t.before(async () => {
  engine = await startRtpengine()
  identity = sharedIdentity('sbc')
})
t.beforeEach(async () => {
  guard = await FakeGuard.start({ identity: sharedIdentity('guard') })
  call = await GuardedCall.start({ enginePort: engine.port, identity, guardPorts: [guard.port] })
  newcomer = await RtpParty.open({ mark: NEW_MARK })
})
t.afterEach(async () => {
  newcomer.close()
  await call.close()
  await guard.die()
})
t.after(() => engine.close())

/** A seat whose new leg was offered, has answered, and sends; the value is the offer. */
async function prepared(party: 'payer' | 'agent'): Promise<{ readonly seat: MediaSeat; readonly told: string }> {
  const seat = call.media.newSeat(party)
  const offered = await seat.offer()
  if (offered.kind === 'failed' || (await seat.answered(newcomer.sdp())).kind === 'failed') throw new Error('no seat')
  newcomer.sendTo(offered.value)
  return { seat, told: offered.value }
}

t.test('a leg that waits for its seat hears nothing and is not heard, and the call goes on', async (t) => {
  const { seat, told } = await prepared('agent')
  t.notOk([audioPort(call.told.agent), audioPort(call.told.payer)].includes(audioPort(told)), 'a port of its own')
  t.equal(readAudio(told)?.direction, 'sendrecv')
  const sinceMs = performance.now()
  await delay(A_MOMENT_MS)
  t.same([...newcomer.marksSince(0)], [])
  t.same([...call.payer.marksSince(sinceMs)], [AGENT_MARK])
  t.same([...call.agent.marksSince(sinceMs)], [PAYER_MARK])
  await seat.drop()
  await seat.drop()
  await call.agent.hears((heard) => heard.mark === PAYER_MARK)
  t.ok(await call.isDirect())
})

t.test('seated, it is heard and hears on the ports that were told, and the replaced leg hears nothing', async (t) => {
  for (const party of ['agent', 'payer'] as const) {
    const { seat } = await prepared(party)
    const [stays, goes] = party === 'agent' ? [call.payer, call.agent] : [call.agent, call.payer]
    t.same(await seat.sit(), { kind: 'ok', value: null })
    await stays.hears((heard) => heard.mark === NEW_MARK)
    await newcomer.hears((heard) => heard.mark === (party === 'agent' ? PAYER_MARK : NEW_MARK) || party === 'payer')
    const sinceMs = performance.now() + IN_FLIGHT_MS
    await delay(A_MOMENT_MS)
    t.same([...goes.marksSince(sinceMs)], [], 'nothing reaches the replaced leg')
    t.ok(await call.isDirect())
    await seat.drop()
    await stays.hears((heard) => heard.mark === NEW_MARK)
    if (party === 'agent') {
      newcomer.close()
      newcomer = await RtpParty.open({ mark: NEW_MARK })
      await call.close()
      call = await GuardedCall.start({ enginePort: engine.port, identity, guardPorts: [guard.port] })
    }
  }
})

t.test('in a window the new leg hears the guard alone, and the payer only when the window is closed', async (t) => {
  call.maskedFromNow()
  t.same(await call.window.open(), { kind: 'open' })
  const { seat } = await prepared('agent')
  t.same(await seat.sit(), { kind: 'ok', value: null })
  await newcomer.hears((heard) => heard.mark === MASK_MARK)
  await call.payer.hears((heard) => heard.mark === NEW_MARK)
  t.notOk(newcomer.marksSince(0).has(PAYER_MARK), 'masked from its first packet')
  const facts = await call.media.facts()
  t.match(facts, { kind: 'ok', value: { guardIsBetween: true } })
  const sinceMs = performance.now() + IN_FLIGHT_MS
  await delay(A_MOMENT_MS)
  t.same([...call.agent.marksSince(sinceMs)], [])
  guard.tellProgress({ state: 'cancelled' })
  guard.tellSafe()
  await call.reaches('closed')
  await newcomer.hears((heard) => heard.mark === PAYER_MARK)
  t.same([...call.agent.marksSince(sinceMs)], [])
  await eventually(() => call.isDirect())
})

t.test('a window opens after a leg was replaced, and its proof does not name the leg that is gone', async (t) => {
  const { seat } = await prepared('agent')
  await seat.sit()
  await newcomer.hears((heard) => heard.mark === PAYER_MARK)
  t.same(await call.window.open(), { kind: 'open' })
  const maskedMs = performance.now() + IN_FLIGHT_MS
  await newcomer.hears((heard) => heard.mark === MASK_MARK)
  await delay(A_MOMENT_MS)
  t.notOk(newcomer.marksSince(maskedMs).has(PAYER_MARK))
})

t.test('a new leg behind NAT is heard where it sends from, in the clear and in a window', async (t) => {
  for (const inWindow of [false, true]) {
    if (inWindow) {
      await call.close()
      call = await GuardedCall.start({ enginePort: engine.port, identity, guardPorts: [guard.port] })
    }
    const behindNat = await RtpParty.open({ mark: NEW_MARK })
    // A party is surely heard when its last packet is of a later second than the last message to rtpengine.
    await delay(SURELY_HEARD_MS)
    if (inWindow) t.same(await call.window.open(), { kind: 'open' })
    const seat = call.media.newSeat('agent')
    const offered = await seat.offer()
    if (offered.kind === 'failed' || (await seat.answered(newcomer.sdp())).kind === 'failed') throw new Error('no seat')
    t.same(await seat.sit(), { kind: 'ok', value: null })
    // The other party is told of it before it was heard.
    const again = call.media.sdpOf('agent')
    if (!inWindow) {
      t.equal((await call.media.offer('agent', again, { live: true })).kind, 'ok')
      t.equal((await call.media.answer('agent', call.media.sdpOf('payer'), { live: true })).kind, 'ok')
    }
    // Its audio comes only now, and from another port than it says.
    behindNat.sendTo(offered.value)
    await behindNat.hears((heard) => heard.mark === (inWindow ? MASK_MARK : PAYER_MARK))
    await call.payer.hears((heard) => heard.mark === NEW_MARK)
    // The other party was heard before, and is where it was.
    const third = await RtpParty.open({ mark: THIRD_MARK })
    third.sendTo(call.told.payer)
    await delay(A_MOMENT_MS)
    t.notOk(behindNat.marksSince(0).has(THIRD_MARK))
    t.same([...third.marksSince(0)], [])
    third.close()
    behindNat.close()
  }
})

t.test('a leg that offers by itself gets an answer and sits on the port that it was told', async (t) => {
  const seat = call.media.newSeat('agent')
  t.same(await seat.offered('nonsense'), { kind: 'failed', code: 'unusable' })
  const answer = await seat.offered(newcomer.sdp())
  if (answer.kind === 'failed') throw new Error('no answer')
  newcomer.sendTo(answer.value)
  t.same(await seat.sit(), { kind: 'ok', value: null })
  await newcomer.hears((heard) => heard.mark === PAYER_MARK)
  await call.payer.hears((heard) => heard.mark === NEW_MARK)
})

t.test('what the agent held is not held for the leg that comes, and what the payer held is', async (t) => {
  const offerTo = async () => {
    const seat = call.media.newSeat('agent')
    const offered = await seat.offer()
    await seat.drop()
    return offered.kind === 'ok' ? readAudio(offered.value)?.direction : null
  }
  const modify = async (from: 'payer' | 'agent', offer: string, answer: string) => {
    await call.media.offer(from, offer, { live: true })
    await call.media.answer(from, answer, { live: true })
  }
  await modify('agent', call.agent.sdp({ direction: 'sendonly' }), call.payer.sdp({ direction: 'recvonly' }))
  t.equal(await offerTo(), 'sendrecv')
  await modify('agent', call.agent.sdp(), call.payer.sdp())
  await modify('payer', call.payer.sdp({ direction: 'sendonly' }), call.agent.sdp({ direction: 'recvonly' }))
  t.equal(await offerTo(), 'sendonly')
})

t.test('an answer that cannot be used leaves the call as it was, and so does an rtpengine that lost it', async (t) => {
  const seat = call.media.newSeat('agent')
  await seat.offer()
  t.same(await seat.answered('nonsense'), { kind: 'failed', code: 'unusable' })
  await seat.drop()
  await call.agent.hears((heard) => heard.mark === PAYER_MARK)
  const lost = await prepared('agent')
  await call.control.request('delete', { 'call-id': call.callId, 'delete delay': 0 }, { deadlineMs: 1_000 })
  t.match(await lost.seat.sit(), { kind: 'failed' })
  t.equal(call.media.sdpOf('agent'), call.agent.sdp())
})

t.end()
