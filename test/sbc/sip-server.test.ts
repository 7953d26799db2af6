import { once, EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { hearRequests, reinvite, SipServer, type SipRequest, type SipResponse } from '../../src/sbc/sip-server.ts'
import { startSipd, type Sipd } from '../../src/sipd/sipd.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
const SECRET = 'a secret of the test'
const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'

type Side = {
  readonly server: SipServer
  readonly sipd: Sipd
  readonly sipPort: number
  readonly events: EventEmitter
  readonly said: string[]
  /** The next INVITE that arrives. */
  incoming(): Promise<{ readonly request: SipRequest; readonly response: SipResponse }>
}

async function startSipdAt(controlPort: number): Promise<Sipd> {
  return startSipd({
    udp: [{ host: '127.0.0.1', port: 0 }],
    tcp: [],
    control: { host: '127.0.0.1', port: controlPort, secret: SECRET },
    logger,
    metrics: new Metrics('test'),
  })
}

/** A SIP server of ours with an application on it: one side of a call. */
async function side(t: Test, secret = SECRET): Promise<Side> {
  const sipd = await startSipdAt(await freePort())
  const events = new EventEmitter()
  const said: string[] = []
  const arrived: { readonly request: SipRequest; readonly response: SipResponse }[] = []
  const server = new SipServer({
    host: '127.0.0.1',
    port: sipd.addresses.control.port,
    secret,
    logger,
    handlers: {
      connected: () => void said.push('connected'),
      lost: () => void said.push('lost'),
      options: (_request, response) => response.send(200),
      invite: (request, response) => {
        arrived.push({ request, response })
        events.emit('invite')
      },
    },
  })
  t.teardown(async () => {
    server.close()
    server.close()
    await sipd.close()
  })
  return {
    server,
    sipd,
    sipPort: sipd.addresses.udp[0]?.port ?? 0,
    events,
    said,
    incoming: async () => {
      while (arrived.length === 0) await once(events, 'invite', { signal: AbortSignal.timeout(5_000) })
      const first = arrived.shift()
      if (first === undefined) throw new Error('no INVITE')
      return first
    },
  }
}

async function pair(t: Test): Promise<{ readonly caller: Side; readonly callee: Side }> {
  const [caller, callee] = await Promise.all([side(t), side(t)])
  t.ok((await caller.server.waitConnected()) && (await callee.server.waitConnected()), 'both are connected')
  return { caller, callee }
}

function invite(
  sides: { readonly caller: Side; readonly callee: Side },
  progress: Partial<Parameters<SipServer['invite']>[2]> = {},
): ReturnType<SipServer['invite']> {
  return sides.caller.server.invite(
    `sip:4711@127.0.0.1:${sides.callee.sipPort}`,
    { sdp: SDP, headers: { 'Content-Type': 'application/sdp' }, callingNumber: '4989' },
    { sent: () => undefined, provisional: () => undefined, ...progress },
  )
}

t.test('an INVITE is answered, changed again and again, though some changes are rejected, and ended', async (t) => {
  const sides = await pair(t)
  const inviting = invite(sides)
  const { request, response } = await sides.callee.incoming()
  t.equal(request.method, 'INVITE')
  t.equal(request.body, SDP)
  const calleeDialog = await sides.callee.server.answer(request, response, { sdp: SDP, headers: {} })
  const result = await inviting
  if (result.kind !== 'answered' || calleeDialog === null) return void t.fail('not answered')
  t.ok(result.dialog.connected && calleeDialog.connected)
  t.equal(result.dialog.sip.callId, request.get('Call-ID'))
  let status = 488
  calleeDialog.on('modify', (_change, answer) =>
    status === 200
      ? answer.send(200, { body: SDP, headers: { 'Content-Type': 'application/sdp' } })
      : answer.send(status),
  )
  hearRequests(calleeDialog)
  for (status of [488, 491, 200, 488, 200]) {
    const changed = await reinvite(result.dialog, SDP)
    t.match(changed, status === 200 ? { kind: 'ok' } : { kind: 'rejected', status })
  }
  const ended = new Promise<void>((resolve) => calleeDialog.on('destroy', () => resolve()))
  await result.dialog.destroy({ headers: { Reason: 'SIP;cause=503' } })
  await ended
  t.notOk(calleeDialog.connected)
  t.match(await reinvite(calleeDialog, SDP), { kind: 'rejected', status: 500 }, 'a dialog that is over takes no change')
})

t.test('a rejection has its status and its headers, ringing is told before it', async (t) => {
  const sides = await pair(t)
  const statuses: number[] = []
  const inviting = invite(sides, { provisional: (provisional) => statuses.push(provisional.status) })
  const { response } = await sides.callee.incoming()
  response.send(180)
  await eventually(() => statuses.includes(180))
  response.send(486, { headers: { 'Retry-After': '7' } })
  const result = await inviting
  t.match(result, { kind: 'rejected', status: 486 })
  t.equal(result.response?.get('Retry-After'), '7')
})

t.test('an INVITE that is cancelled is rejected with 487, and the callee hears of it', async (t) => {
  const sides = await pair(t)
  const cancels = { now: (): void => undefined }
  const inviting = invite(sides, { sent: (sent) => (cancels.now = () => sent.cancel()) })
  const { request, response } = await sides.callee.incoming()
  const cancelled = new Promise<void>((resolve) => request.on('cancel', () => resolve()))
  cancels.now()
  await cancelled
  t.match(await inviting, { kind: 'rejected', status: 487 })
  t.equal(await sides.callee.server.answer(request, response, { sdp: SDP, headers: {} }), null, 'too late for a 200')
})

t.test('what the SIP server cannot send is a rejection without a status, and is not thrown', async (t) => {
  const caller = await side(t)
  await caller.server.waitConnected()
  const sent = await caller.server.invite(
    'sip:4711@127.0.0.1:5060;transport=tcp',
    { sdp: SDP, headers: {}, callingNumber: '4989' },
    { sent: () => undefined, provisional: () => undefined },
  )
  t.match(sent, { kind: 'rejected', status: 0 })
})

t.test(
  'a SIP server that goes is told as lost once, and after it is back the application is connected again',
  async (t) => {
    const one = await side(t)
    await one.server.waitConnected()
    const { port } = one.sipd.addresses.control
    await one.sipd.close()
    await eventually(() => one.said.includes('lost'))
    t.notOk(one.server.isConnected)
    const again = await startSipdAt(port)
    await eventually(() => one.server.isConnected, 8_000)
    t.same(one.said, ['connected', 'lost', 'connected'])
    one.server.close()
    await again.close()
  },
)

t.test('with a wrong secret it is never connected', async (t) => {
  const one = await side(t, 'another secret')
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.notOk(one.server.isConnected)
  t.notOk(one.said.includes('connected'))
})

t.test('an application that never was connected can be closed, and tries no more', async (t) => {
  const sipd = await startSipdAt(await freePort())
  const { port } = sipd.addresses.control
  await sipd.close()
  const server = new SipServer({
    host: '127.0.0.1',
    port,
    secret: SECRET,
    logger,
    handlers: {
      connected: () => t.fail('connected'),
      lost: () => t.fail('lost'),
      options: () => undefined,
      invite: () => undefined,
    },
  })
  await new Promise((resolve) => setTimeout(resolve, 50))
  server.close()
  const again = await startSipdAt(port)
  await new Promise((resolve) => setTimeout(resolve, 700))
  t.notOk(server.isConnected)
  await again.close()
})

t.end()
