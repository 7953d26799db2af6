import t from 'tap'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readIdentity } from '../../src/kit/identity.ts'
import { listenChannel } from '../../src/kit/channel.ts'
import { createLogger } from '../../src/kit/log.ts'
import { eventually } from '../fakes/eventually.ts'
import { needlesOf, searchBytes } from '../fakes/canary-search.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { application, serve } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const CARD = '4263982640269299'
type Traced = { readonly direction: string; readonly transport: string; readonly remote: string; readonly text: string }
type Answer = { readonly type: string; readonly messages: readonly Traced[] }

/** An sbc as far as traces go: takes sipd's connection and asks. */
async function askingSbc(t: { teardown(close: () => Promise<void>): void }) {
  let ask: ((question: unknown) => Promise<Answer | null>) | null = null
  const identity = readIdentity({ folder: sharedCertificates(), role: 'sbc' })
  const listener = await listenChannel<unknown, Answer>({
    host: '127.0.0.1',
    port: 0,
    identity,
    allow: ['sipd'],
    logger: createLogger({ role: 'sbc', level: 'silent' }),
    accept: () => ({
      parse: (value) => value as Answer,
      message: () => undefined,
      closed: () => undefined,
      opened: (channel) => {
        ask = async (question) => {
          const answer = await channel.request(question, { deadlineMs: 3_000 })
          return answer.kind === 'reply' ? answer.message : null
        }
      },
    }),
  })
  t.teardown(() => listener.close())
  return {
    port: listener.port,
    ask: async (question: unknown): Promise<Answer | null> => {
      await eventually(() => ask !== null)
      return (await ask?.(question)) ?? null
    },
  }
}

t.test('what came and went is told to the sbc and to Homer, and no key is in it', async (t) => {
  const sbc = await askingSbc(t)
  const collector = createSocket('udp4')
  const captured: Buffer[] = []
  collector.on('message', (bytes) => captured.push(bytes))
  collector.bind(0, '127.0.0.1')
  await once(collector, 'listening')
  t.teardown(() => collector.close())
  const { sipd, udp, metrics } = await serve(t, {
    traces: {
      sbc: { host: '127.0.0.1', port: sbc.port },
      identity: readIdentity({ folder: sharedCertificates(), role: 'sipd' }),
    },
    homer: { host: '127.0.0.1', port: collector.address().port, captureId: 7 },
  })
  await application(t, sipd, (srf) => {
    srf.invite((request, response) => {
      void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
        dialog.on('info', (_info, answer) => answer.send(200))
      })
    })
  })
  const caller = await RawPeer.udp()
  t.teardown(() => caller.close())
  const invite = caller.request(udp, {
    method: 'INVITE',
    body: SDP,
    headers: { 'X-Card': CARD, subject: CARD, contact: `<sip:${CARD}@127.0.0.1:${caller.address.port}>` },
  })
  const response = await caller.nextResponse('INVITE', 200)
  caller.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  for (const [index, key] of CARD.split('').entries()) {
    caller.inDialog(
      udp,
      { invite, response },
      {
        method: 'INFO',
        cseq: 2 + index,
        headers: { 'content-type': 'application/dtmf-relay' },
        body: `Signal=${key}\r\nDuration=160\r\n`,
      },
    )
    await caller.nextResponse('INFO', 200)
  }
  const callId = invite.headers.find(({ key }) => key === 'call-id')?.value ?? ''
  const answer = await sbc.ask({ type: 'trace.read', sipCallIds: [callId] })
  const messages = answer?.messages ?? []
  t.same(
    messages.slice(0, 4).map(({ direction, text }) => `${direction} ${/^\S+ \d*/.exec(text)?.[0].trim() ?? ''}`),
    ['received INVITE', 'sent SIP/2.0 100', 'sent SIP/2.0 200', 'received ACK'],
  )
  t.equal(messages.filter(({ text }) => text.startsWith('INFO ')).length, CARD.length)
  t.equal(messages[0]?.remote, `127.0.0.1:${caller.address.port}`)
  await eventually(() => captured.length >= messages.length)
  for (const bytes of [Buffer.from(JSON.stringify(messages)), ...captured]) {
    t.same(searchBytes(bytes, needlesOf(CARD)), [])
    t.notMatch(bytes.toString('latin1'), /Signal|Duration|X-Card|Subject/i)
  }
  t.match(await metrics.registry.metrics(), /tonewall_sipd_hep_total\{outcome="sent",role="sipd"\} \d/)
  t.same((await sbc.ask({ type: 'trace.read', sipCallIds: ['unknown'] }))?.messages, [])
})

t.test('what is no question of an sbc ends the connection, and the next one is answered', async (t) => {
  const sbc = await askingSbc(t)
  await serve(t, {
    traces: {
      sbc: { host: '127.0.0.1', port: sbc.port },
      identity: readIdentity({ folder: sharedCertificates(), role: 'sipd' }),
    },
  })
  for (const question of [null, {}, { type: 'trace.read' }, { type: 'trace.read', sipCallIds: [1] }, { type: 'x' }])
    t.equal(await sbc.ask(question), null)
  t.equal(await sbc.ask({ type: 'trace.read', sipCallIds: Array<string>(33).fill('a') }), null)
  await eventually(async () => (await sbc.ask({ type: 'trace.read', sipCallIds: ['a'] })) !== null)
  t.pass()
})
