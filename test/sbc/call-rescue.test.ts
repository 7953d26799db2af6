import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { differ } from '../../src/sbc/call-rescue.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard, MASK_MARK } from '../fakes/fake-guard.ts'
import { FakeDialog } from '../fakes/fake-sip.ts'
import { AGENT_MARK, PAYER_MARK } from '../fakes/guarded-call.ts'
import { audioPort, type RtpParty } from '../fakes/rtp-party.ts'
import { freeUdpPort, startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { SipCall } from '../fakes/sip-call.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

Object.assign(globalThis.console, { log: () => undefined })
const logger = createLogger({ role: 'test', level: 'silent' })

/** A call on an rtpengine that can be killed, and another rtpengine where it may go. */
type Scene = {
  readonly sipCall: SipCall
  readonly guard: FakeGuard
  readonly kill: () => Promise<void>
  readonly outcomes: string[]
}

let second: Rtpengine
let control: RtpengineControl
t.before(async () => {
  second = await startRtpengine()
  control = new RtpengineControl({ host: second.host, port: second.port, logger })
})
t.after(async () => {
  control.close()
  await second.close()
})

async function scene(
  t: { teardown(action: () => Promise<void>): void },
  /** Where the call is to go, one after the other; after them to the engine that is there. */
  places: (() => RtpengineControl)[] = [],
): Promise<Scene> {
  const first = await startRtpengine()
  const guard = await FakeGuard.start({ identity: sharedIdentity('guard') })
  const outcomes: string[] = []
  const sipCall = await SipCall.start({
    enginePort: first.port,
    identity: sharedIdentity('sbc'),
    guardPorts: [guard.port],
    rescue: {
      engine: () => Promise.resolve({ name: 'engine', control: places.shift()?.() ?? control, isUp: true, lives: 0 }),
      ended: (outcome) => outcomes.push(outcome),
    },
  })
  t.teardown(async () => {
    await sipCall.close()
    await guard.die()
    await first.close()
  })
  answersAndTalks(sipCall.payerDialog, sipCall.payer)
  answersAndTalks(sipCall.agentDialog, sipCall.agent)
  return { sipCall, guard, outcomes, kill: () => first.close() }
}

/** As a telephone does: it sends to where the last description says. */
function answersAndTalks(dialog: FakeDialog, party: RtpParty): void {
  dialog.answers = (sdp) => {
    party.sendTo(sdp)
    return party.sdp()
  }
}

t.test('a call in the clear goes on by another rtpengine: both parties are told its ports at once', async (t) => {
  const { sipCall, kill, outcomes } = await scene(t)
  const { payer, agent, payerDialog, agentDialog, call } = sipCall
  const told = [audioPort(payerDialog.local.sdp), audioPort(agentDialog.local.sdp)]
  await kill()
  const left = call.media
  call.loseMedia()
  call.loseMedia()
  await eventually(() => outcomes.length === 1)
  t.same(outcomes, ['moved'])
  t.same([payerDialog.offered.length, agentDialog.offered.length], [1, 1], 'once each')
  t.notSame([audioPort(payerDialog.offered[0] ?? ''), audioPort(agentDialog.offered[0] ?? '')], told)
  t.match(agentDialog.offered[0], /^o=- 5 2 /m, 'one version on')
  t.notOk(/alice|Example/.test(payerDialog.offered.join('') + agentDialog.offered.join('')))
  await agent.hears((heard) => heard.mark === PAYER_MARK)
  await payer.hears((heard) => heard.mark === AGENT_MARK)
  t.equal((await left.facts()).kind, 'failed', 'the old one is left for good')

  const held = await agentDialog.receive('modify', { body: agent.sdp({ direction: 'sendonly' }) }).final()
  t.equal(held.status, 200, 'and a re-INVITE works as before')
  t.equal(call.isEnded, false)
})

t.test('where it goes may be dead too, whether that shows at once or when both parties are being told', async (t) => {
  const dead = new RtpengineControl({ host: '127.0.0.1', port: await freeUdpPort(), logger })
  t.teardown(() => dead.close())
  const known = (): RtpengineControl => {
    setTimeout(() => dead.giveUp(), 20)
    return dead
  }
  const { sipCall, guard, kill, outcomes } = await scene(t, [known])
  const { payer, agent, payerDialog, agentDialog, call } = sipCall
  t.equal((await call.openWindow({ form: 'card', masking: null })).kind, 'open')
  agentDialog.answers = (sdp) => {
    if (agentDialog.offered.length === 1) call.loseMedia()
    agent.sendTo(sdp)
    return agent.sdp()
  }
  await kill()
  const lostMs = performance.now()
  call.loseMedia()
  await eventually(() => outcomes.length === 1)
  t.same(outcomes, ['moved'], 'that is one loss')
  t.same([payerDialog.offered.length, agentDialog.offered.length], [2, 2])
  await agent.hears((heard) => heard.mark === MASK_MARK)
  t.notOk(agent.marksSince(lostMs + 50).has(PAYER_MARK), 'masked in either place')
  guard.tellSafe()
  await eventually(() => call.payment?.state === 'closed')
  t.match(call.payment, { failure: 'media_lost', token: null })
  await agent.hears((heard) => heard.mark === PAYER_MARK)
  await payer.hears((heard) => heard.mark === AGENT_MARK)

  const nowhere = await scene(t, [known, known, known, known])
  await nowhere.kill()
  nowhere.sipCall.call.loseMedia()
  await eventually(() => nowhere.outcomes.length === 1)
  t.same(nowhere.outcomes, ['failed'], 'it is not tried for ever')
  t.match(nowhere.sipCall.agentDialog.byes, [{ Reason: /Media relay lost/ }])
})

t.test('a window ends masked: a guard stands between the parties before either is told', async (t) => {
  const { sipCall, guard, kill, outcomes } = await scene(t)
  const { agent, payer, payerDialog, agentDialog, call } = sipCall
  const opened = await call.openWindow({ form: 'card', masking: null })
  t.equal(opened.kind, 'open')
  const orders = guard.orders.length
  let masked = false
  for (const [dialog, party] of [
    [payerDialog, payer],
    [agentDialog, agent],
  ] as const) {
    dialog.answers = (sdp) => {
      masked = guard.orders.slice(orders).some(({ type }) => type === 'window.connect')
      party.sendTo(sdp)
      return party.sdp()
    }
  }
  await kill()
  const lostMs = performance.now()
  call.loseMedia()
  t.match(call.payment, { state: 'held', failure: 'media_lost' }, 'the page says so at once')
  await eventually(() => outcomes.length === 1)
  t.ok(masked)
  t.match(guard.window.order, { masking: 'hard', form: null })
  await agent.hears((heard) => heard.mark === MASK_MARK)
  t.notOk(agent.marksSince(lostMs + 50).has(PAYER_MARK), 'nothing of the payer as it is')
  guard.tellSafe()
  await eventually(() => call.payment?.state === 'closed')
  t.match(call.payment, { failure: 'media_lost', token: null })
  await agent.hears((heard) => heard.mark === PAYER_MARK)
  t.equal(call.isEnded, false)
})

t.test('without a guard nobody is told anything, and the call of a window ends', async (t) => {
  const { sipCall, guard, kill, outcomes } = await scene(t)
  await sipCall.call.openWindow({ form: 'card', masking: null })
  await guard.die()
  await kill()
  sipCall.call.loseMedia()
  await eventually(() => outcomes.length === 1)
  t.ok(sipCall.call.isEnded)
  t.same([sipCall.payerDialog.offered, sipCall.agentDialog.offered], [[], []])
  t.match(sipCall.agentDialog.byes, [{ Reason: /Media relay lost/ }])
  t.match(sipCall.call.payment, { state: 'closed', token: null })
  t.same(outcomes, ['failed'])
})

t.test('a party that offered at the same time is asked again, and its own offer is refused with 491', async (t) => {
  const { sipCall, kill, outcomes } = await scene(t)
  const { agentDialog, agent, call } = sipCall
  let asked = 0
  let crossed = 0
  agentDialog.answers = async (sdp) => {
    asked += 1
    if (asked === 1) {
      crossed = (await agentDialog.receive('modify', { body: agent.sdp() }).final()).status
      return 491
    }
    agent.sendTo(sdp)
    return agent.sdp()
  }
  await kill()
  call.loseMedia()
  await eventually(() => outcomes.length === 1)
  t.same([outcomes, asked, crossed], [['moved'], 2, 491])
  await agent.hears((heard) => heard.mark === PAYER_MARK)
})

t.test('a party that takes no new description ends the call, and so does one that hangs up meanwhile', async (t) => {
  const refused = await scene(t)
  refused.sipCall.payerDialog.answers = () => 488
  await refused.kill()
  refused.sipCall.call.loseMedia()
  await eventually(() => refused.sipCall.call.isEnded)
  t.match(refused.sipCall.agentDialog.byes, [{ Reason: /Media relay lost/ }])

  const left = await scene(t)
  left.sipCall.payerDialog.answers = (sdp) => {
    left.sipCall.payerDialog.bye()
    return sdp
  }
  await left.kill()
  left.sipCall.call.loseMedia()
  await eventually(() => left.sipCall.call.isEnded)
  t.same(left.sipCall.agentDialog.byes, [{}], 'no reason of ours')
  const { callId } = left.sipCall.call.facts
  await eventually(async () => {
    const now = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
    return now.kind === 'ok' && !(now.reply['calls'] as string[]).some((id) => id.startsWith(callId))
  })
  t.pass('nothing is left in rtpengine')
})

t.test('only what rtpengine has to know makes two descriptions differ', (t) => {
  const sdp = (lines: readonly string[], port = 4_000): string =>
    ['v=0', 'o=- 1 1 IN IP4 10.0.0.1', 's=-', 'c=IN IP4 10.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 0 8`, ...lines, ''].join('\r\n') // prettier-ignore
  t.equal(differ(sdp([]), sdp([]).replace('o=- 1 1', 'o=- 1 2')), false)
  t.equal(differ(sdp([]), sdp([]).replace('RTP/AVP 0 8', 'RTP/AVP 0')), false, 'fewer codecs, and the same one spoken')
  t.equal(differ(sdp([]), sdp([]).replace('RTP/AVP 0 8', 'RTP/AVP 8')), true)
  t.equal(differ(sdp([]), sdp([], 4_002)), true)
  t.equal(differ(sdp([]), sdp(['a=sendonly'])), true)
  t.equal(differ(sdp(['a=setup:active']), sdp(['a=setup:passive'])), true)
  t.end()
})

t.end()
