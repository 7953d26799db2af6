import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import type { CallEnd } from '../../src/sbc/call-core.ts'
import { CallRecorder } from '../../src/sbc/call-recorder.ts'
import type { CallRecord } from '../../src/sbc/call-record.ts'
import type { Call } from '../../src/sbc/call.ts'
import { readCallQuality } from '../../src/sbc/media-quality.ts'
import type { SetUpDependencies } from '../../src/sbc/set-up-attempt.ts'
import type { InviteResult, SipRequest, SipResponse } from '../../src/sbc/sip-server.ts'
import type { Trunk } from '../../src/sbc/trunks.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const CARRIER: Trunk = {
  ...testTrunk({ name: 'carrier', side: 'carrier', target: { host: '192.0.2.1', port: 5060 } }),
  party: 'payer',
}
const CENTRE = testTrunk({ name: 'centre', side: 'contact-centre', target: { host: '192.0.2.2', port: 5070 } })

function recorder(t: Test) {
  const folder = join(t.testdir(), 'calls')
  const made = new CallRecorder({
    configuration: {
      trunks: [CARRIER, CENTRE],
      callRecords: folder,
      sip: { emergencyNumbers: ['112'] } as unknown as ConstructorParameters<
        typeof CallRecorder
      >[0]['configuration']['sip'],
    },
    logger: createLogger({ role: 'sbc', level: 'silent' }),
    metrics: new Metrics('sbc'),
  })
  const records = async (): Promise<readonly CallRecord[]> => {
    await made.close()
    return readdirSync(folder)
      .flatMap((file) => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n'))
      .map((line) => JSON.parse(line) as CallRecord)
  }
  return { made, records }
}

function request(to: string): SipRequest {
  const headers: Readonly<Record<string, string>> = { 'Call-ID': 'p@carrier', From: '<sip:15551230001@x>;tag=1' }
  return { uri: `sip:${to}@x`, get: (name: string) => headers[name] } as unknown as SipRequest
}

const answered = (status: number): SipResponse => ({ finalResponseSent: true, status }) as unknown as SipResponse
const unanswered = { finalResponseSent: false } as unknown as SipResponse

/** A set-up whose one INVITE ends as told. */
function setUp(result: InviteResult): SetUpDependencies {
  const sip = { invite: () => Promise.resolve(result) }
  return { leg: { sip }, answered: () => undefined } as unknown as SetUpDependencies
}

async function dial(dependencies: SetUpDependencies): Promise<void> {
  await dependencies.leg.sip.invite(
    'sip:2@192.0.2.2:5070;transport=udp',
    { sdp: '', headers: {}, callingNumber: '1' },
    { sent: () => undefined, provisional: () => undefined },
  )
}

t.test('refused, cancelled and unroutable attempts are recorded, a stranger’s are not', async (t) => {
  const { made, records } = recorder(t)
  t.equal(made.begin(request('1'), null), null)
  made.settled(null, answered(403))
  const refused = made.begin(request('18005550199'), CARRIER)
  await dial(made.watching(setUp({ kind: 'rejected', status: 486, response: null }), refused))
  made.settled(refused, answered(486))
  const unroutable = made.begin(request('112'), CARRIER)
  made.settled(unroutable, answered(404))
  const cancelled = made.begin(request('2'), CARRIER)
  t.equal(made.journal.liveCalls().length, 1)
  made.settled(cancelled, unanswered)
  t.match(await records(), [
    {
      status: 486,
      endedBy: 'agent',
      reason: 'refused',
      payerTrunk: 'carrier',
      agentTrunk: 'centre',
      merchant: null,
      attempts: [{ target: '192.0.2.2:5070;transport=udp', trunk: 'centre', status: 486 }],
    },
    { status: 404, endedBy: 'tonewall', isEmergency: true, attempts: [] },
    { status: 487, endedBy: 'payer', reason: 'cancelled', isEmergency: false },
  ])
})

t.test('an answered call is recorded once, when its quality is known, with the cause of its BYE', async (t) => {
  const { made, records } = recorder(t)
  const entry = made.begin(request('18005550199'), CARRIER)
  const quality = Promise.withResolvers<Awaited<CallEnd['quality']>>()
  let ending: CallEnd | null = null
  const call = {
    facts: { callId: 'abcdefghijklmnopqrst', rtpengine: 'media-1', agent: 'anna', merchant: 'shop' },
    media: { sdpOf: () => '' },
    view: () => ({ payerSipCallId: 'p@carrier', agentSipCallId: 'a', payment: null }),
    get ending() {
      return ending
    },
  } as unknown as Call
  const dialog = { sip: { callId: 'a' } } as never
  const watched = made.watching(setUp({ kind: 'answered', dialog, response: null }), entry)
  await dial(watched)
  watched.answered(call)
  made.settled(entry, answered(200))
  made.changed(call)
  made.ended(call)
  t.equal(made.journal.size, 1, 'not before it has ended')
  const bye = { get: () => 'Q.850;cause=31' } as unknown as SipRequest
  ending = { reason: 'party_hung_up', hungUp: 'agent', bye, quality: quality.promise }
  made.ended(call)
  made.ended(call)
  t.equal(made.journal.liveCalls().length, 0)
  quality.resolve(readCallQuality({}, { payer: 'payer', agent: 'agent' }))
  await quality.promise
  await new Promise((resolve) => setImmediate(resolve))
  const lines = await records()
  t.equal(lines.length, 1)
  t.match(lines[0], {
    callId: 'abcdefghijklmnopqrst',
    endedBy: 'agent',
    q850Cause: 31,
    media: { payer: { mos: null } },
  })
})

t.test('a call that nobody recorded from its INVITE on is passed over', (t) => {
  const { made } = recorder(t)
  made.changed({ ending: null } as unknown as Call)
  made.ended({ ending: null } as unknown as Call)
  const dependencies = setUp({ kind: 'rejected', status: 500, response: null })
  t.equal(made.watching(dependencies, null), dependencies)
  t.end()
})
