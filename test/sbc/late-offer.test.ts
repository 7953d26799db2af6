import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { Call } from '../../src/sbc/call.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import { setUpCall } from '../../src/sbc/call-setup.ts'
import { EnginePool } from '../../src/sbc/engine-pool.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import type { TrunkMedia } from '../../src/wire/configuration.ts'
import { NO_RESCUE, NO_TRANSFERS } from '../fakes/call-places.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeDialog, FakeRequest, FakeResponse, FakeSip } from '../fakes/fake-sip.ts'
import { MediaParty, type PartyMedia } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { setUpParts } from '../fakes/set-up-parts.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const CALLER = 0x11
const CALLEE = 0x22
const GUARD = 0x33
const CARRIER = '192.0.2.1'
const CENTRE = '10.0.0.1'

let engine: Rtpengine
let engines: EnginePool
let guards: GuardPool

t.before(async () => {
  engine = await startRtpengine()
  engines = new EnginePool({
    engines: [{ name: 'engine', host: '127.0.0.1', port: engine.port, start: null }],
    callIdPrefix: 'late-',
    lost: () => undefined,
    logger,
  })
  await engines.start()
  guards = new GuardPool({ guards: [], owner: 'abcdefghijklmnop', identity: sharedIdentity('sbc'), logger })
})
t.after(async () => {
  engines.close()
  guards.close()
  await engine.close()
})

type Late = {
  readonly call: Call
  readonly caller: MediaParty
  readonly callee: MediaParty
  readonly callerDialog: FakeDialog
  readonly calleeDialog: FakeDialog
  /** What the caller was told: its provisional responses, and the offer in the 200. */
  readonly provisionals: readonly string[]
  readonly offer: string
  /** The offer that the callee got in the INVITE. */
  readonly calleeOffer: string
  close(): Promise<void>
}

/** A call whose INVITE offers nothing, answered by the callee; the ACK is the test's. */
async function lateCall(
  options: {
    readonly source?: string
    readonly media?: Partial<TrunkMedia>
    readonly party?: Omit<PartyMedia, 'mark'>
  } = {},
): Promise<Late> {
  const caller = await MediaParty.open({ ...options.party, mark: CALLER })
  const callee = await MediaParty.open({ mark: CALLEE })
  const sip = new FakeSip()
  const calls: Call[] = []
  const route = (from: string, trunk: string) => ({
    from,
    prefix: '',
    merchant: null,
    to: [{ trunk, priority: 1, weight: 100 }] as const,
  })
  const trunks = new Trunks({
    trunks: [
      testTrunk({
        name: 'carrier',
        side: 'carrier',
        sources: [CARRIER],
        ...(options.media && { media: options.media }),
      }),
      testTrunk({ name: 'centre', side: 'contact-centre', sources: [CENTRE] }),
    ],
    routes: [route('carrier', 'centre'), route('centre', 'carrier')],
  })
  const call = {
    guards,
    forms: [],
    logger,
    rescue: NO_RESCUE,
    transfers: NO_TRANSFERS,
    late: new LateRequests(() => 0),
    changed: () => undefined,
    ended: () => undefined,
  }
  const parts = setUpParts({ sip, trunks })
  const dependencies = { sip, ...parts, engines, calls: { findLeg: () => null }, callIdPrefix: 'late-', call }
  const request = new FakeRequest({
    source: options.source ?? CARRIER,
    headers: { From: '<sip:+4989123@example.com>;tag=1', Contact: '<sip:caller@192.0.2.77>' },
  })
  const response = new FakeResponse()
  const done = setUpCall(
    { ...dependencies, answered: (answered) => calls.push(answered) },
    request,
    response,
    new AbortController().signal,
  )
  const sent = await sip.sentInvite()
  sent.provisional(183, callee.answer(sent.sdp))
  await response.count(1)
  const callerDialog = new FakeDialog({ callId: 'caller-id', sdp: '' })
  const calleeDialog = new FakeDialog({ callId: 'callee-id', sdp: '' })
  sip.callerDialog = callerDialog
  sent.answer(calleeDialog, { body: callee.answer(sent.sdp) })
  await done
  const [answered] = calls
  if (answered === undefined) throw new Error('the call was not answered')
  const bodies = response.sent.map(({ body }) => body)
  return {
    call: answered,
    caller,
    callee,
    callerDialog,
    calleeDialog,
    provisionals: bodies.slice(0, -1),
    offer: bodies.at(-1) ?? '',
    calleeOffer: sent.sdp,
    close: async () => {
      caller.close()
      callee.close()
      answered.end('closing')
      await answered.media.delete()
    },
  }
}

/** The caller answers in its ACK, and both hear each other. */
async function acknowledged(late: Late): Promise<void> {
  const { caller, callee, callerDialog, offer, calleeOffer } = late
  callerDialog.ack(caller.answer(offer))
  caller.talk(offer)
  callee.talk(calleeOffer)
  await callee.hears(CALLER)
  await caller.hears(CALLEE)
}

for (const [title, options] of [
  ['a payer', {}],
  ['an agent', { source: CENTRE }],
  ['a payer with SRTP', { media: { profile: 'srtp-sdes' }, party: { suites: ['AES_CM_128_HMAC_SHA1_80'] } }],
] as const) {
  t.test(`${title} who offers nothing is offered in the 200, answers in the ACK, and a window masks`, async (t) => {
    const late = await lateCall(options)
    const { call, caller, callee, calleeOffer, offer } = late
    t.match(readAudio(calleeOffer), { protocol: 'RTP/AVP', direction: 'sendrecv' }, 'the callee is offered something')
    t.same(late.provisionals, [''], 'nothing is offered before the 200')
    t.equal(readAudio(offer)?.protocol, 'party' in options ? 'RTP/SAVP' : 'RTP/AVP')
    await acknowledged(late)
    t.same(late.calleeDialog.offered, [], 'the callee, for whom nothing changes, is told nothing')
    const guard = await PlainGuard.open(GUARD)
    await guard.enter(call.media)
    await callee.hears(GUARD)
    await caller.hears(GUARD)
    guard.speaks = false
    t.equal((await call.media.closeGuard()).kind, 'ok')
    await callee.hears(CALLER)
    t.equal(caller.failures, 0)
    guard.close()
    await late.close()
  })
}

t.test('an ACK without an answer that can be used ends the call', async (t) => {
  for (const answer of ['', 'nonsense']) {
    const late = await lateCall()
    late.callerDialog.ack(answer)
    await eventually(() => late.call.isEnded)
    t.equal(late.callerDialog.byes.length + late.calleeDialog.byes.length, 2, 'both are told')
    await late.close()
  }
})

t.test('an answer that holds is told to the callee', async (t) => {
  const late = await lateCall()
  late.calleeDialog.answers = () => late.callee.again({ direction: 'recvonly' })
  late.callerDialog.ack(late.caller.sdp({ direction: 'sendonly' }))
  await eventually(() => late.calleeDialog.offered.length === 1)
  t.match(readAudio(late.calleeDialog.offered[0] ?? ''), { direction: 'sendonly' })
  await late.close()
})

t.test('a re-INVITE that offers nothing ends the hold of who sends it, by the answer in its ACK', async (t) => {
  const late = await lateCall()
  await acknowledged(late)
  const { caller, callee, callerDialog, calleeDialog } = late
  calleeDialog.answers = (offered) =>
    callee.again({ direction: readAudio(offered)?.direction === 'sendonly' ? 'recvonly' : 'sendrecv' })
  const held = await callerDialog.receive('modify', { body: caller.sdp({ direction: 'sendonly' }) }).final()
  t.match(readAudio(held.body), { direction: 'recvonly' })
  const asked = await callerDialog.receive('modify').final()
  t.match(readAudio(asked.body), { direction: 'sendrecv' }, 'the offer is what the other party would do by itself')
  t.equal(readAudio(asked.body)?.port, readAudio(late.offer)?.port)
  callerDialog.ack(caller.sdp())
  await eventually(() => calleeDialog.offered.length === 2)
  t.match(readAudio(calleeDialog.offered[1] ?? ''), { direction: 'sendrecv' })
  await callee.hears(CALLER)
  await caller.hears(CALLEE)
  await late.close()
})

t.end()
