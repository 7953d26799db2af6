import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { Call } from '../../src/sbc/call.ts'
import { setUpCall } from '../../src/sbc/call-setup.ts'
import type { EnginePool } from '../../src/sbc/engine-pool.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { NO_RESCUE, NO_TRANSFERS } from '../fakes/call-places.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeEngine } from '../fakes/fake-engine.ts'
import { FakeDialog, FakeRequest, FakeResponse, FakeSip } from '../fakes/fake-sip.ts'
import { PAYER_PORT, quickSdp } from '../fakes/quick-call.ts'
import { setUpParts } from '../fakes/set-up-parts.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const [DESK, MOBILE] = [
  { tag: 'desk', port: 20_000, codec: '0 PCMU/8000' },
  { tag: 'mobile', port: 20_002, codec: '8 PCMA/8000' },
] as const
const CODECS = ['0 PCMU/8000', '8 PCMA/8000'] as const

/** A call that rings at two telephones behind one target, each of which has early media; the 200 is the test's. */
async function forked(options: { readonly offer: boolean }) {
  const sip = new FakeSip()
  const calls: Call[] = []
  const trunks = new Trunks({
    trunks: [
      testTrunk({ name: 'carrier', side: 'carrier', sources: ['192.0.2.1'] }),
      testTrunk({ name: 'centre', side: 'contact-centre', sources: ['198.51.100.1'] }),
    ],
    routes: [{ from: 'carrier', prefix: '', merchant: null, to: [{ trunk: 'centre', priority: 1, weight: 100 }] }],
  })
  const engine = { name: 'engine', control: new FakeEngine(), isUp: true, lives: 0 }
  const response = new FakeResponse()
  const done = setUpCall(
    {
      sip,
      ...setUpParts({ sip, trunks }),
      engines: { choose: () => engine, onLost: () => () => undefined } as unknown as EnginePool,
      calls: { findLeg: () => null },
      callIdPrefix: 'forked-',
      call: {
        guards: { chooseAny: () => null, chooseWithin: () => Promise.resolve('guard_unavailable') },
        forms: [],
        logger: createLogger({ role: 'test', level: 'silent' }),
        rescue: NO_RESCUE,
        transfers: NO_TRANSFERS,
        late: new LateRequests(() => 0),
        changed: () => undefined,
        ended: () => undefined,
      },
      answered: (call) => calls.push(call),
    },
    new FakeRequest({
      source: '192.0.2.1',
      headers: { From: '<sip:+4989123@example.com>;tag=1' },
      body: options.offer ? quickSdp(PAYER_PORT, { codec: CODECS[0] }) : '',
    }),
    response,
    new AbortController().signal,
  )
  const sent = await sip.sentInvite()
  for (const { tag, port, codec } of [DESK, MOBILE])
    sent.provisional(183, quickSdp(port, { codec }), { To: `<sip:4711@198.51.100.1>;tag=${tag}` })
  await eventually(() => response.sent.length === 2)
  sip.callerDialog = new FakeDialog({ callId: 'caller', sdp: '' })
  const callee = new FakeDialog({ callId: 'callee', sdp: '' })
  const accept = async (tag: string, body = '') => {
    sent.answer(callee, { body, headers: { To: `<sip:4711@198.51.100.1>${tag === '' ? '' : `;tag=${tag}`}` } })
    await done
    return calls[0] ?? null
  }
  return { accept, response, callee, engine: engine.control }
}

t.test(
  'a telephone that accepts without saying its answer again has given it when it rang, and no other has',
  async (t) => {
    for (const { tag, port, codec } of [DESK, MOBILE]) {
      const { accept, response, engine } = await forked({ offer: true })
      const call = await accept(tag)
      t.equal(call?.media.audioOf('agent')?.port, port)
      t.match(engine.requests.filter(({ command }) => command === 'answer').at(-1)?.fields['sdp'], `m=audio ${port} `)
      const told = readAudio(response.sent.at(-1)?.body ?? '')
      t.equal(told?.codecs[0]?.payloadType, Number(codec.split(' ')[0]), 'the caller is told of its codecs')
      call?.end('closing')
    }
  },
)

t.test('the same where we offered in the caller’s place', async (t) => {
  const { accept, response } = await forked({ offer: false })
  t.same(
    response.sent.map(({ body }) => body),
    ['', ''],
  )
  const call = await accept(DESK.tag)
  t.equal(call?.media.audioOf('agent')?.port, DESK.port)
  call?.end('closing')
})

t.test('what the 200 says goes before everything; one that never said anything is no call', async (t) => {
  const said = await forked({ offer: true })
  const call = await said.accept(DESK.tag, quickSdp(20_004))
  t.equal(call?.media.audioOf('agent')?.port, 20_004)
  call?.end('closing')
  for (const tag of ['unheard-of', '']) {
    const { accept, response, callee } = await forked({ offer: true })
    t.equal(await accept(tag), null)
    t.equal(response.status, 488)
    t.equal(callee.byes.length, 1)
  }
})

t.end()
