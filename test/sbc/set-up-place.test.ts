import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { Call } from '../../src/sbc/call.ts'
import { setUpCall } from '../../src/sbc/call-setup.ts'
import { EnginePool } from '../../src/sbc/engine-pool.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { NO_RESCUE, NO_TRANSFERS } from '../fakes/call-places.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeDialog, FakeRequest, FakeResponse, FakeSip } from '../fakes/fake-sip.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { setUpParts } from '../fakes/set-up-parts.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const CARRIER = '192.0.2.1'
const PREFIX = 'tonewall-test-'
const PAYER_MARK = 1
const AGENT_MARK = 2

let other: Rtpengine
t.before(async () => {
  other = await startRtpengine()
})
t.after(() => other.close())

type Scene = {
  readonly sip: FakeSip
  readonly response: FakeResponse
  readonly calls: Call[]
  readonly done: Promise<void>
  readonly payer: RtpParty
  readonly agent: RtpParty
  readonly caller: FakeDialog
  readonly callee: FakeDialog
  readonly outcomes: string[]
  /** Ends the process of the rtpengine that took the call. */
  readonly kill: () => Promise<void>
  /** Resolves when the sbc knows of that. */
  readonly known: () => Promise<void>
}

/** A call that begins in an rtpengine of its own, which can be killed; unless said, there is another one. */
async function ring(
  t: Test,
  options: { readonly isAlone?: boolean; readonly isDead?: boolean; readonly hasOffer?: boolean } = {},
): Promise<Scene> {
  const own = await startRtpengine()
  const guards = new GuardPool({ guards: [], owner: 'abcdefghijklmnop', identity: sharedIdentity('sbc'), logger })
  const calls: Call[] = []
  const outcomes: string[] = []
  const engines = new EnginePool({
    engines: [own, ...(options.isAlone === true ? [] : [other])].map(({ port }) => ({
      name: port === own.port ? 'own' : 'other',
      host: '127.0.0.1',
      port,
      start: null,
    })),
    callIdPrefix: PREFIX,
    lost: (name) => {
      for (const call of calls) if (call.facts.rtpengine === name) call.loseMedia()
    },
    isPreferred: (name) => name === 'own',
    logger,
  })
  await engines.start()
  const [payer, agent] = await Promise.all([PAYER_MARK, AGENT_MARK].map((mark) => RtpParty.open({ mark })))
  if (payer === undefined || agent === undefined) throw new Error('two parties')
  const [caller, callee] = [
    new FakeDialog({ callId: 'caller', sdp: '' }),
    new FakeDialog({ callId: 'callee', sdp: '' }),
  ]
  for (const [dialog, party] of [
    [caller, payer],
    [callee, agent],
  ] as const)
    // prettier-ignore
    dialog.answers = (sdp) => {
      party.sendTo(sdp)
      return party.sdp()
    }
  const sip = new FakeSip()
  sip.callerDialog = caller
  const target = { host: '198.51.100.9', port: 5_080, transport: 'tcp' } as const
  const trunks = new Trunks({
    trunks: [
      testTrunk({ name: 'carrier', side: 'carrier', sources: [CARRIER], target }),
      testTrunk({ name: 'centre', side: 'contact-centre', sources: ['10.0.0.1'], target }),
    ],
    routes: [{ from: 'carrier', prefix: '4', merchant: null, to: [{ trunk: 'centre', priority: 1, weight: 100 }] }],
  })
  const parts = setUpParts({ sip, trunks })
  if (options.isDead === true) await own.close()
  const response = new FakeResponse()
  const done = setUpCall(
    {
      sip,
      ...parts,
      leg: { ...parts.leg, firstProvisionalMs: 20_000 },
      engines,
      calls: { findLeg: () => null },
      callIdPrefix: PREFIX,
      call: {
        guards,
        forms: [],
        logger,
        rescue: {
          ...NO_RESCUE,
          callIdPrefix: PREFIX,
          engine: (withinMs) => engines.chooseWithin(withinMs),
          ended: (outcome) => outcomes.push(outcome),
        },
        transfers: NO_TRANSFERS,
        late: new LateRequests(() => 0),
        changed: () => undefined,
        ended: () => undefined,
      },
      answered: (call) => calls.push(call),
    },
    new FakeRequest({ source: CARRIER, body: options.hasOffer === false ? '' : payer.sdp() }),
    response,
    new AbortController().signal,
  )
  t.teardown(async () => {
    for (const call of calls) {
      call.end('closing')
      await call.media.delete()
    }
    engines.close()
    guards.close()
    payer.close()
    agent.close()
    await own.close()
  })
  const kill = () => own.close()
  const known = () => eventually(() => engines.find('own')?.isUp === false)
  return { sip, response, calls, done, payer, agent, caller, callee, outcomes, kill, known }
}

async function hearEachOther(scene: Scene): Promise<void> {
  await scene.agent.hears(({ mark }) => mark === PAYER_MARK)
  await scene.payer.hears(({ mark }) => mark === AGENT_MARK)
}

t.test('an rtpengine that dies while it rings: whoever answers is told of another one, and both hear', async (t) => {
  const scene = await ring(t)
  const sent = await scene.sip.sentInvite()
  sent.provisional(180)
  await scene.kill()
  await scene.known()
  // What rings may still say what it would have been heard with.
  sent.provisional(183, scene.agent.sdp())
  await scene.response.count(2)
  t.equal(scene.response.sent[1]?.body, '', 'early media has no way')
  scene.agent.sendTo(sent.sdp)
  sent.answer(scene.callee, { body: scene.agent.sdp() })
  await scene.done
  const { status, body } = await scene.response.final()
  t.equal(status, 200)
  scene.payer.sendTo(body)
  await eventually(() => scene.outcomes.length === 1)
  t.same(scene.outcomes, ['moved'])
  t.equal(scene.calls[0]?.facts.rtpengine, 'other')
  t.not(readAudio(scene.callee.offered[0] ?? '')?.port, readAudio(sent.sdp)?.port)
  await hearEachOther(scene)
})

t.test('a caller that heard early media keeps to the answer that it had, until it is told anew', async (t) => {
  const scene = await ring(t)
  const sent = await scene.sip.sentInvite()
  sent.provisional(183, scene.agent.sdp())
  await scene.response.count(1)
  await scene.kill()
  // At the very moment: the death is noticed while the answer is asked for.
  sent.answer(scene.callee, { body: scene.agent.sdp() })
  await scene.done
  t.equal((await scene.response.final()).body, scene.response.sent[0]?.body)
  await eventually(() => scene.outcomes.length === 1)
  t.same([scene.caller.offered.length, scene.callee.offered.length], [1, 1])
  await hearEachOther(scene)
})

t.test(
  'one that is dead already costs a moment: the INVITE goes out by another, and nobody is told again',
  async (t) => {
    const scene = await ring(t, { isDead: true })
    const sent = await scene.sip.sentInvite()
    scene.agent.sendTo(sent.sdp)
    sent.answer(scene.callee, { body: scene.agent.sdp() })
    await scene.done
    scene.payer.sendTo((await scene.response.final()).body)
    await hearEachOther(scene)
    t.same([scene.outcomes, scene.caller.offered, scene.callee.offered], [[], [], []])
    t.equal(scene.calls[0]?.facts.rtpengine, 'other')
  },
)

t.test('a caller that offered nothing is offered the new place in its 200', async (t) => {
  const scene = await ring(t, { hasOffer: false })
  const sent = await scene.sip.sentInvite()
  await scene.kill()
  await scene.known()
  sent.answer(scene.callee, { body: scene.agent.sdp() })
  await scene.done
  scene.payer.sendTo((await scene.response.final()).body)
  scene.caller.ack(scene.payer.sdp())
  await eventually(() => scene.outcomes.length === 1)
  t.same(scene.outcomes, ['moved'])
  await hearEachOther(scene)
})

t.test('without another one what rings is cancelled, and the caller is told to go elsewhere', async (t) => {
  const scene = await ring(t, { isAlone: true })
  const sent = await scene.sip.sentInvite()
  sent.provisional(180)
  await scene.kill()
  await scene.done
  t.match(await scene.response.final(), { status: 503, headers: { 'Retry-After': '5' } })
  t.ok(sent.cancelled)
  t.same(scene.calls, [])
})

t.end()
