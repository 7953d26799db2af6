import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { Call } from '../../src/sbc/call.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import { setUpCall, type SetUpDependencies } from '../../src/sbc/call-setup.ts'
import { EnginePool } from '../../src/sbc/engine-pool.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { testTrunk } from '../fakes/test-trunk.ts'
import type { TrunkConfiguration } from '../../src/wire/configuration.ts'
import { callViewShape } from '../../src/wire/call-protocol.ts'
import { NO_RESCUE, NO_TRANSFERS } from '../fakes/call-places.ts'
import { FakeDialog, FakeRequest, FakeResponse, FakeSip } from '../fakes/fake-sip.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { freeUdpPort, startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { setUpParts } from '../fakes/set-up-parts.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const CARRIER = '192.0.2.1'
const CENTRE = '10.0.0.1'
const PREFIX = 'tonewall-test-'

let engine: Rtpengine
let engines: EnginePool
let control: RtpengineControl
let guards: GuardPool
let payer: RtpParty
let agent: RtpParty

t.before(async () => {
  engine = await startRtpengine()
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
  engines = new EnginePool({
    engines: [{ name: 'engine', host: '127.0.0.1', port: engine.port, start: null }],
    callIdPrefix: PREFIX,
    lost: () => undefined,
    logger,
  })
  await engines.start()
  guards = new GuardPool({ guards: [], owner: 'abcdefghijklmnop', identity: sharedIdentity('sbc'), logger })
  payer = await RtpParty.open({ mark: 1 })
  agent = await RtpParty.open({ mark: 2 })
})
t.after(async () => {
  payer.close()
  agent.close()
  engines.close()
  guards.close()
  control.close()
  await engine.close()
})

function trunk(
  name: string,
  side: TrunkConfiguration['side'],
  source: string,
  agentHeader: string | null,
): TrunkConfiguration {
  const target = { host: '198.51.100.9', port: 5_080, transport: 'tcp' } as const
  return testTrunk({ name, side, sources: [source], target, agentHeader })
}

type Attempt = {
  readonly sip: FakeSip
  readonly request: FakeRequest
  readonly response: FakeResponse
  readonly calls: Call[]
  readonly done: Promise<void>
  readonly stop: AbortController
}

/** An INVITE from the carrier, unless said, with the payer's offer, unless said. */
function invite(
  options: {
    readonly uri?: string
    readonly from?: string
    readonly body?: string
    readonly source?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly agentHeader?: string
    readonly engines?: EnginePool
  } = {},
): Attempt {
  const sip = new FakeSip()
  const calls: Call[] = []
  const trunks = new Trunks({
    trunks: [
      trunk('carrier', 'carrier', CARRIER, null),
      trunk('centre', 'contact-centre', CENTRE, options.agentHeader ?? null),
      trunk('other-carrier', 'carrier', '192.0.2.2', null),
    ],
    routes: [
      { from: 'carrier', prefix: '99', merchant: null, to: [{ trunk: 'other-carrier', priority: 1, weight: 100 }] },
      { from: 'carrier', prefix: '4', merchant: null, to: [{ trunk: 'centre', priority: 1, weight: 100 }] },
      { from: 'centre', prefix: '', merchant: 'hotel', to: [{ trunk: 'carrier', priority: 1, weight: 100 }] },
    ],
  })
  const parts = setUpParts({ sip, trunks })
  const dependencies: SetUpDependencies = {
    sip,
    ...parts,
    // Only what is about silence waits for it.
    leg: { ...parts.leg, firstProvisionalMs: 20_000 },
    engines: options.engines ?? engines,
    calls: { findLeg: () => null },
    callIdPrefix: PREFIX,
    call: {
      guards,
      forms: [],
      logger,
      rescue: NO_RESCUE,
      transfers: NO_TRANSFERS,
      late: new LateRequests(() => 0),
      changed: () => undefined,
      ended: () => undefined,
    },
    answered: (call) => calls.push(call),
  }
  const request = new FakeRequest({
    uri: options.uri ?? 'sip:4711@sbc.example.com',
    source: options.source ?? CARRIER,
    body: options.body ?? payer.sdp(),
    headers: {
      From: options.from ?? '"Alice" <sip:+4989123@carrier.example.com>;tag=secret-tag',
      'User-Agent': 'secret-agent/1.0',
      Contact: '<sip:secret-contact@192.0.2.77>',
      'P-Asserted-Identity': '<sip:secret-identity@carrier.example.com>',
      'X-Secret': 'secret-header',
      'Max-Forwards': '17',
      ...options.headers,
    },
  })
  const response = new FakeResponse()
  const stop = new AbortController()
  return { sip, request, response, calls, stop, done: setUpCall(dependencies, request, response, stop.signal) }
}

function dialog(callId: string): FakeDialog {
  return new FakeDialog({ callId, sdp: '' })
}

/** Lets the agent answer, and the caller have a dialog. */
async function answer(
  attempt: Attempt,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ call: Call; caller: FakeDialog; callee: FakeDialog }> {
  const sent = await attempt.sip.sentInvite()
  const caller = dialog('caller-id')
  const callee = dialog('callee-id')
  attempt.sip.callerDialog = caller
  sent.answer(callee, { body: agent.sdp(), headers })
  await attempt.done
  const call = attempt.calls[0]
  if (call === undefined) throw new Error('the call was not answered')
  return { call, caller, callee }
}

async function callsInEngine(): Promise<readonly string[]> {
  const listed = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
  return listed.kind === 'ok' ? (listed.reply['calls'] as readonly string[]) : ['unknown']
}

async function leavesNothing(t: Test): Promise<void> {
  t.same(await callsInEngine(), [], 'no call is left in rtpengine')
}

t.test(
  'an INVITE becomes one of ours towards the trunk of the route, and both sides get a description of ours',
  async (t) => {
    const attempt = invite()
    const sent = await attempt.sip.sentInvite()
    t.equal(sent.uri, 'sip:4711@198.51.100.9:5080;transport=tcp')
    t.equal(sent.callingNumber, '+4989123')
    t.match(sent.headers, { 'Max-Forwards': '16' })
    const { call, callee } = await answer(attempt)
    t.equal(attempt.response.status, 200)
    for (const [sdp, own] of [
      [sent.sdp, payer.port],
      [attempt.response.sent.at(-1)?.body ?? '', agent.port],
    ] as const) {
      t.not(readAudio(sdp)?.port, own, 'the port is of rtpengine')
      t.notOk(/alice|Example|2890844526/i.test(sdp), 'and names nobody')
    }
    t.notOk(/secret/.test(JSON.stringify(sent)), 'no header of one side is seen on the other')
    t.match(call.view(), {
      from: '+4989123',
      to: '4711',
      agent: '4711',
      payerTrunk: 'carrier',
      agentTrunk: 'centre',
      merchant: 'shop',
      payerSipCallId: 'caller-id',
      agentSipCallId: 'callee-id',
      state: 'talking',
    })
    t.ok(callViewShape(call.view()))
    t.same(await callsInEngine(), [`${PREFIX}${call.facts.callId}`])
    call.end('closing')
    t.equal(callee.byes.length, 1)
    await call.media.delete()
    await leavesNothing(t)
  },
)

t.test('a call from the contact centre has its agent in From, and the payer is the one called', async (t) => {
  const attempt = invite({
    source: CENTRE,
    uri: 'sip:0151@sbc',
    from: '<sip:agent-7@pbx>;tag=1',
    headers: { Contact: '<sip:10.0.0.9>' },
  })
  const { call } = await answer(attempt, { Contact: '<sip:somebody@192.0.2.1>' })
  t.match(call.view(), {
    agent: 'agent-7',
    from: 'agent-7',
    to: '0151',
    payerTrunk: 'carrier',
    agentTrunk: 'centre',
    merchant: 'hotel',
    payerSipCallId: 'callee-id',
  })
  call.end('closing')
  await call.media.delete()
})

t.test('the agent is who the header of the trunk says, else who answered, else who was called', async (t) => {
  const cases = [
    [{ 'X-Agent': 'anna' }, 'anna'],
    [{ 'X-Agent': '"Anna" <sip:anna.b@pbx>' }, 'anna.b'],
    [{ Contact: '<sip:agent-3@10.0.0.3>' }, 'agent-3'],
    [{ 'X-Agent': '???', Contact: '<sip:agent-4@10.0.0.3>' }, 'agent-4'],
    [{ Contact: '<sip:10.0.0.3>' }, '4711'],
    [{ 'X-Agent': `${'a'.repeat(80)}\u0000<script>` }, 'a'.repeat(64)],
  ] as const
  for (const [headers, expected] of cases) {
    const { call } = await answer(invite({ agentHeader: 'X-Agent' }), headers)
    t.equal(call.facts.agent, expected)
    t.ok(callViewShape(call.view()))
    call.end('closing')
    await call.media.delete()
  }
})

t.test('what cannot be taken is refused with the status that says why, before anything is begun', async (t) => {
  const deadEngines = new EnginePool({
    engines: [{ name: 'dead', host: '127.0.0.1', port: await freeUdpPort(), start: null }],
    callIdPrefix: PREFIX,
    lost: () => undefined,
    logger,
  })
  await deadEngines.start()
  const cases = [
    [{ source: '203.0.113.1' }, 403, 'a stranger'],
    [{ source: 'not an address' }, 403, 'no address'],
    [{ uri: 'sip:5555@sbc' }, 404, 'no route'],
    [{ uri: 'sip:sbc.example.com' }, 404, 'nobody called'],
    [{ uri: 'sip:9911@sbc' }, 404, 'a route back to the same side'],
    [{ headers: { 'Max-Forwards': '0' } }, 483, 'no hops left'],
    [{ body: 'nonsense' }, 488, 'no description'],
    [{ body: payer.sdp().replace('m=audio', 'm=video') }, 488, 'no audio'],
    [{ engines: deadEngines }, 503, 'no engine'],
  ] as const
  for (const [options, status, text] of cases) {
    const attempt = invite(options)
    await attempt.done
    t.equal(attempt.response.status, status, text)
    t.equal(attempt.sip.invites.length, 0, text)
  }
  deadEngines.close()
  await leavesNothing(t)
})

t.test('a Max-Forwards that is no number is taken as the usual one', async (t) => {
  const attempt = invite({ headers: { 'Max-Forwards': 'many' } })
  t.match((await attempt.sip.sentInvite()).headers, { 'Max-Forwards': '69' })
  attempt.stop.abort()
  await attempt.done
})

t.test('ringing is passed on, early media with a description of ours, then the answer on the same port', async (t) => {
  const attempt = invite()
  const sent = await attempt.sip.sentInvite()
  sent.provisional(100)
  sent.provisional(180)
  sent.provisional(183, agent.sdp())
  sent.provisional(178)
  await attempt.response.count(3)
  const { call } = await answer(attempt)
  t.same(
    attempt.response.sent.map((response) => response.status),
    [180, 183, 183, 200],
    "178 is nobody's and read as 183",
  )
  t.equal(attempt.response.sent[0]?.reason, 'Ringing')
  const early = attempt.response.sent[1]?.body ?? ''
  const final = attempt.response.sent[3]?.body ?? ''
  t.ok((readAudio(early)?.port ?? 0) > 0)
  t.equal(readAudio(final)?.port, readAudio(early)?.port)
  t.notOk(/alice|Example/.test(early))
  call.end('closing')
  await call.media.delete()
})

t.test('an answer that was said in a provisional response need not be said again', async (t) => {
  const attempt = invite()
  const sent = await attempt.sip.sentInvite()
  sent.provisional(183, agent.sdp())
  await attempt.response.count(1)
  attempt.sip.callerDialog = dialog('caller')
  sent.answer(dialog('callee'))
  await attempt.done
  t.equal(attempt.response.status, 200)
  t.equal(attempt.response.sent.at(-1)?.body, attempt.response.sent[0]?.body)
  attempt.calls[0]?.end('closing')
  await attempt.calls[0]?.media.delete()
})

t.test('a rejection is passed on with its standard phrase, and with nothing that names the other side', async (t) => {
  const cases = [
    [486, 486, 'Busy Here'],
    [404, 404, 'Not Found'],
    [603, 603, 'Decline'],
    [480, 480, 'Temporarily Unavailable'],
    [302, 480, 'Temporarily Unavailable'],
    [407, 403, 'Forbidden'],
    [478, 400, 'Bad Request'],
    [599, 500, 'Server Internal Error'],
    [0, 503, 'Service Unavailable'],
  ] as const
  for (const [received, passed, reason] of cases) {
    const attempt = invite()
    const sent = await attempt.sip.sentInvite()
    sent.reject(received, {
      Reason: 'Q.850;cause=17;text="secret-pbx"',
      'Retry-After': '30 (secret-person is busy)',
      Contact: '<sip:secret@10.0.0.1>',
      Server: 'secret',
    })
    await attempt.done
    t.match(attempt.response.sent.at(-1), { status: passed, reason })
    t.same(attempt.response.sent.at(-1)?.headers, { Reason: 'Q.850;cause=17', 'Retry-After': '30' })
    t.equal(attempt.calls.length, 0)
  }
  await leavesNothing(t)
})

t.test('a caller who cancels while it rings: the other INVITE is cancelled, and nothing is left', async (t) => {
  const attempt = invite()
  const sent = await attempt.sip.sentInvite()
  sent.provisional(183, agent.sdp())
  await attempt.response.count(1)
  attempt.request.cancel()
  await attempt.done
  t.ok(sent.cancelled)
  t.equal(attempt.response.sent.at(-1)?.status, 183, 'the SIP server says 487 by itself')
  await leavesNothing(t)
})

t.test('a caller who cancels before anything was sent: no INVITE goes out', async (t) => {
  const attempt = invite()
  attempt.request.cancel()
  await attempt.done
  t.equal(attempt.sip.invites.length, 0)
  await leavesNothing(t)
})

t.test('a caller who cancels just when the other side answers: that side is hung up', async (t) => {
  const attempt = invite()
  const sent = await attempt.sip.sentInvite()
  const callee = dialog('callee')
  sent.answer(callee, { body: agent.sdp() })
  attempt.request.cancel()
  await attempt.done
  t.equal(callee.byes.length, 1)
  t.equal(attempt.calls.length, 0)
  await leavesNothing(t)
})

t.test('a caller whose 200 came too late: the other side is hung up', async (t) => {
  const attempt = invite()
  const callee = dialog('callee')
  attempt.sip.callerDialog = null
  ;(await attempt.sip.sentInvite()).answer(callee, { body: agent.sdp() })
  await attempt.done
  t.equal(callee.byes.length, 1)
  await leavesNothing(t)
})

t.test('an answer without a usable description hangs up the one side and refuses the other', async (t) => {
  for (const body of ['', 'nonsense', 'v=0\r\n']) {
    const attempt = invite()
    const callee = dialog('callee')
    ;(await attempt.sip.sentInvite()).answer(callee, { body })
    await attempt.done
    t.equal(attempt.response.status, 488)
    t.equal(callee.byes.length, 1)
  }
  await leavesNothing(t)
})

t.test('a party that hung up before anybody listened ends the call at once', async (t) => {
  const attempt = invite()
  const callee = dialog('callee')
  callee.connected = false
  const caller = dialog('caller')
  attempt.sip.callerDialog = caller
  ;(await attempt.sip.sentInvite()).answer(callee, { body: agent.sdp() })
  await attempt.done
  t.equal(attempt.calls[0]?.isEnded, true)
  t.equal(caller.byes.length, 1)
  await attempt.calls[0]?.media.delete()
  await leavesNothing(t)
})

t.test('an attempt that is given up, since the sbc closes or the SIP server is gone, leaves nothing', async (t) => {
  const attempt = invite()
  const sent = await attempt.sip.sentInvite()
  attempt.stop.abort()
  await attempt.done
  t.ok(sent.cancelled)
  t.equal(attempt.response.status, 503)
  const late = invite()
  late.stop.abort()
  await late.done
  t.equal(late.response.status, 503)
  await leavesNothing(t)
})

t.test('an engine that lost its calls while it rang makes no call without media', async (t) => {
  const own = await startRtpengine()
  const pool = new EnginePool({
    engines: [{ name: 'own', host: '127.0.0.1', port: own.port, start: null }],
    callIdPrefix: PREFIX,
    lost: () => undefined,
    logger,
  })
  await pool.start()
  const attempt = invite({ engines: pool })
  const sent = await attempt.sip.sentInvite()
  await own.close()
  while (pool.upCount > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  const callee = dialog('callee')
  attempt.sip.callerDialog = dialog('caller')
  sent.answer(callee, { body: agent.sdp() })
  await attempt.done
  t.match(attempt.response.sent.at(-1), { status: 503, headers: { 'Retry-After': '5' } })
  t.equal(callee.byes.length, 1)
  pool.close()
})

t.end()
