import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { Call } from '../../src/sbc/call.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import { setUpCall, type SetUpDependencies } from '../../src/sbc/call-setup.ts'
import { answerChallenge, NonceCounts } from '../../src/sbc/digest.ts'
import { DigestGate } from '../../src/sbc/digest-gate.ts'
import { EnginePool } from '../../src/sbc/engine-pool.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'
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

/** What the configuration of trunks makes of an INVITE: proof, limits, emergencies, identities, and one trunk after another. */
const logger = createLogger({ role: 'test', level: 'silent' })
const CARRIER = '192.0.2.1'
const URI = 'sip:4711@sbc.example.com'
const USER = { user: 'carrier', password: 'a password' }

let engine: Rtpengine
let engines: EnginePool
let guards: GuardPool
let payer: RtpParty
let agent: RtpParty

t.before(async () => {
  engine = await startRtpengine()
  const one = { name: 'engine', host: '127.0.0.1', port: engine.port, start: null }
  engines = new EnginePool({ engines: [one], callIdPrefix: 'tonewall-test-', lost: () => undefined, logger })
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
  await engine.close()
})

type Written = Parameters<typeof testTrunk>[0]

/** One sbc between a carrier and two contact centres that take the same calls. */
function sbc(options: {
  readonly carrier?: Partial<Written>
  readonly second?: Partial<Written>
  readonly gate?: DigestGate
}) {
  const sip = new FakeSip()
  const calls: Call[] = []
  const trunks = new Trunks({
    trunks: [
      testTrunk({ name: 'carrier', side: 'carrier', sources: [CARRIER], ...options.carrier }),
      testTrunk({ name: 'first', side: 'contact-centre', sources: ['10.0.0.1'], trusted: false }),
      testTrunk({ name: 'second', side: 'contact-centre', sources: ['10.0.0.2'], ...options.second }),
    ],
    routes: [
      {
        from: 'carrier',
        prefix: '',
        merchant: null,
        to: [
          { trunk: 'first', priority: 1, weight: 100 },
          { trunk: 'second', priority: 2, weight: 100 },
        ],
      },
    ],
  })
  const parts = setUpParts({ sip, trunks })
  const dependencies: SetUpDependencies = {
    sip,
    ...parts,
    leg: { ...parts.leg, firstProvisionalMs: 20_000 },
    secrets: { gate: ({ name }) => (name === 'carrier' ? (options.gate ?? null) : null) },
    engines,
    calls: { findLeg: () => null },
    callIdPrefix: 'tonewall-test-',
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
  const invite = (more: { readonly uri?: string; readonly headers?: Readonly<Record<string, string>> } = {}) => {
    const request = new FakeRequest({
      uri: more.uri ?? URI,
      source: CARRIER,
      body: payer.sdp(),
      headers: { From: '<sip:4989@carrier>;tag=1', ...more.headers },
    })
    const response = new FakeResponse()
    const stop = new AbortController()
    return { request, response, stop, done: setUpCall(dependencies, request, response, stop.signal) }
  }
  const sent = async (count: number) => {
    await eventually(() => sip.invites.length >= count)
    const last = sip.invites[count - 1]
    if (last === undefined) throw new Error('not sent')
    return last
  }
  /** Lets a call be answered by whoever was called last. */
  const answer = async (count: number): Promise<Call> => {
    sip.callerDialog = new FakeDialog({ callId: 'caller', sdp: '' })
    ;(await sent(count)).answer(new FakeDialog({ callId: 'callee', sdp: '' }), { body: agent.sdp() })
    await eventually(() => calls.length > 0)
    const call = calls.pop()
    if (call === undefined) throw new Error('no call')
    return call
  }
  const end = async (call: Call): Promise<void> => {
    call.end('closing')
    await call.media.delete()
  }
  return { sip, invite, sent, answer, end }
}

t.test(
  'a trunk that has to prove itself is challenged once for SHA-256 and once for MD5, and let in with a proof',
  async (t) => {
    const gate = new DigestGate({
      realm: 'tonewall',
      passwordOf: (user) => (user === USER.user ? USER.password : undefined),
    })
    const { invite, answer, end, sip } = sbc({ gate })
    const first = invite()
    await first.done
    t.equal(first.response.status, 401)
    const challenge = first.response.sent[0]?.headers['WWW-Authenticate'] ?? ''
    t.match(challenge, /^Digest .*algorithm=SHA-256.*\r\nWWW-Authenticate: Digest .*algorithm=MD5/)
    const challenges = challenge.split('\r\nWWW-Authenticate: ')
    const asked = { challenges, method: 'INVITE', uri: URI, nonceCounts: new NonceCounts() }
    const wrong = answerChallenge({ ...asked, ...USER, password: 'wrong' })
    const proof = answerChallenge({ ...asked, ...USER })
    if (wrong.kind === 'refused' || proof.kind === 'refused') return void t.fail('refused')
    const second = invite({ headers: { Authorization: wrong.credentials } })
    await second.done
    t.equal(second.response.status, 401)
    t.equal(sip.invites.length, 0)
    const third = invite({ headers: { Authorization: proof.credentials } })
    await end(await answer(1))
    await third.done
    t.equal(third.response.status, 200)
  },
)

t.test('an emergency needs no proof and no place in the limits, and can never be captured', async (t) => {
  const gate = new DigestGate({ realm: 'tonewall', passwordOf: () => undefined })
  const { invite, answer, end } = sbc({ gate, carrier: { limits: { calls: 1, callsPerSecond: 1 } } })
  invite({ uri: 'sip:112@sbc' })
  const one = await answer(1)
  invite({ uri: 'urn:service:sos' })
  const two = await answer(2)
  t.same(two.view().forms, [])
  t.equal(two.view().to, '112')
  t.same(await two.openWindow({ form: 'card', masking: null }), { kind: 'refused', code: 'emergency' })
  await end(one)
  await end(two)
})

t.test('a source at its limit hears 503 and when to try again; a call that ends or fails makes room', async (t) => {
  const { invite, answer, end, sent } = sbc({ carrier: { limits: { calls: 1 } } })
  invite()
  const call = await answer(1)
  const refused = invite()
  await refused.done
  t.match(refused.response.sent, [{ status: 503, headers: { 'Retry-After': '2' } }])
  await end(call)
  const failing = invite()
  ;(await sent(2)).reject(486)
  await failing.done
  invite()
  await end(await answer(3))
})

t.test('a program that searches for servers is refused from the address of a trunk too', async (t) => {
  const { invite, sip } = sbc({})
  const attempt = invite({ headers: { 'User-Agent': 'friendly-scanner' } })
  await attempt.done
  t.equal(attempt.response.status, 403)
  t.equal(sip.invites.length, 0)
})

t.test('each trunk is told what it may know, and is offered what its media need', async (t) => {
  const { invite, sent } = sbc({
    carrier: { trusted: true },
    second: { media: { profile: 'srtp-dtls' } },
  })
  invite({ headers: { Privacy: 'id', 'P-Asserted-Identity': '<sip:4989@carrier.example.com>' } })
  const first = await sent(1)
  t.equal(first.headers['From'], '"Anonymous" <sip:anonymous@anonymous.invalid>')
  t.equal(first.headers['P-Asserted-Identity'], undefined)
  t.equal(readAudio(first.sdp)?.protocol, 'RTP/AVP')
  first.reject(503)
  const second = await sent(2)
  t.equal(second.headers['From'], undefined)
  t.equal(second.headers['P-Asserted-Identity'], '<sip:4989@localhost>')
  t.match(readAudio(second.sdp)?.protocol, /^UDP\/TLS\/RTP\/SAVP/)
  t.match(second.sdp, /a=fingerprint:/)
  second.reject(486)
  const again = invite()
  const third = await sent(3)
  t.same(third.sdp.includes('a=fingerprint:'), true, 'the first trunk is avoided for a while')
  third.reject(486)
  await again.done
})

t.end()
