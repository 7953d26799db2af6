import t from 'tap'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import { takeReplacing } from '../../src/sbc/take-replacing.ts'
import type { Trunk } from '../../src/sbc/trunks.ts'
import { FakeRequest, FakeResponse, type SentResponse } from '../fakes/fake-sip.ts'
import { NEW_PORT, QuickCall, quickSdp } from '../fakes/quick-call.ts'

let quick: QuickCall
const directory = new CallDirectory()
t.beforeEach(async () => {
  quick = await QuickCall.start()
  directory.add(quick.call)
})
t.afterEach(() => {
  directory.remove(quick.call)
  quick.close()
})

function trunkOf(party: 'payer' | 'agent'): Trunk {
  const leg = quick.call.legOf(quick.dialogs[party].sip)
  if (leg === null) throw new Error('no leg')
  return leg.trunk
}

/** The answer to an INVITE with such headers, by default from the agent's side with an offer; null: for no call. */
async function asked(
  headers: Readonly<Record<string, string>>,
  options: { readonly from?: 'payer' | 'agent'; readonly body?: string } = {},
): Promise<SentResponse | null> {
  const { from = 'agent', body = quickSdp(NEW_PORT) } = options
  const request = new FakeRequest({ body, headers: { Contact: '<sip:bob@192.0.2.9>', ...headers } })
  const response = new FakeResponse()
  return (await takeReplacing(directory, trunkOf(from), { request, response })) ? response.final() : null
}

function nameOf(party: 'payer' | 'agent', more = ''): string {
  const { callId, localTag, remoteTag } = quick.dialogs[party].sip
  return `${callId};to-tag=${localTag};from-tag=${remoteTag}${more}`
}

t.test('an INVITE without either header is an ordinary call', async (t) => {
  t.equal(await asked({}), null)
})

t.test('Replaces of a leg of its own side is taken, and the caller is the agent then', async (t) => {
  t.match(await asked({ Replaces: nameOf('agent') }), { status: 200, body: /m=audio/ })
  t.match(quick.call.view(), { agent: 'bob', agentSipCallId: 'new-call-id' })
})

t.test(
  'Replaces that names nothing, or a leg of the other side, is refused and changes nothing (RFC 3891)',
  async (t) => {
    t.equal((await asked({ Replaces: 'nonsense' }))?.status, 400)
    t.equal((await asked({ Replaces: 'x;to-tag=1;from-tag=2' }))?.status, 481)
    t.equal((await asked({ Replaces: nameOf('payer') }))?.status, 403)
    t.equal((await asked({ Replaces: nameOf('agent') }, { from: 'payer' }))?.status, 403)
    t.equal((await asked({ Replaces: nameOf('agent', ';early-only') }))?.status, 486)
    t.match(await asked({ Replaces: nameOf('agent') }, { body: 'v=0\r\n' }), {
      status: 488,
      headers: { Warning: /no audio/ },
    })
    t.equal(quick.call.view().agent, 'anna')
  },
)

t.test('one without an offer is offered its place in the 200, and takes it with the answer in its ACK', async (t) => {
  const request = new FakeRequest({ headers: { Contact: '<sip:bob@192.0.2.9>', Replaces: nameOf('agent') } })
  const response = new FakeResponse()
  await quick.reach('capturing')
  const taken = takeReplacing(directory, trunkOf('agent'), { request, response })
  t.match(await response.final(), { status: 200, body: /m=audio/ })
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(quick.call.view().agent, 'anna', 'not before its answer')
  t.equal(quick.engine.heardBy('agent'), 'guard-agent')
  quick.newDialog.ack(quickSdp(NEW_PORT))
  t.ok(await taken)
  t.match(quick.call.view(), { agent: 'bob', agentSipCallId: 'new-call-id' })
  t.equal(quick.engine.heardBy('agent-1'), 'guard-agent', 'masked, since a window is open')
})

t.test('one whose ACK answers nothing is hung up on, and the call is as it was', async (t) => {
  const request = new FakeRequest({ headers: { Contact: '<sip:bob@192.0.2.9>', Replaces: nameOf('agent') } })
  const response = new FakeResponse()
  const taken = takeReplacing(directory, trunkOf('agent'), { request, response })
  await response.final()
  await new Promise((resolve) => setImmediate(resolve))
  quick.newDialog.ack()
  t.ok(await taken)
  t.equal(quick.newDialog.byes.length, 1)
  t.equal(quick.call.view().agent, 'anna')
  t.equal(quick.engine.heardBy('agent'), 'payer')
})

t.test('Join is refused with what to do instead, known dialog or not, window or not (RFC 3911)', async (t) => {
  const refused = { status: 488, headers: { Warning: /at the PBX/ } }
  t.match(await asked({ Join: nameOf('agent') }), refused)
  t.match(await asked({ Join: 'nonsense' }), refused)
  await quick.reach('capturing')
  t.match(await asked({ Join: nameOf('agent') }), refused)
  t.equal(quick.engine.heardBy('agent'), 'guard-agent')
})

t.end()
