import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { challengeRetry } from '../../src/sbc/challenge-retry.ts'
import { NonceCounts } from '../../src/sbc/digest.ts'
import { DigestGate, type DigestGateOptions } from '../../src/sbc/digest-gate.ts'
import { hearRequests, reinvite, SipServer, type SipDialog, type SipRequest } from '../../src/sbc/sip-server.ts'
import { valueOf } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeMessage } from '../fakes/fake-sip.ts'
import { SECRET, serve } from '../sipd/application.ts'
import { RawPeer, SDP } from '../sipd/raw-peer.ts'

const CREDENTIALS = { user: 'trunk-user', password: 'secret of the trunk' }
const logger = createLogger({ role: 'test', level: 'silent' })

/** Two SIP servers of ours: one calls, the other asks for a proof before it answers. */
async function bench(t: Test, algorithms: NonNullable<DigestGateOptions['algorithms']>, status: 401 | 407 = 401) {
  const passwordOf = (user: string): string | undefined => (user === 'trunk-user' ? CREDENTIALS.password : undefined)
  const gate = new DigestGate({ realm: 'far', passwordOf, algorithms })
  const seen: SipRequest[] = []
  const answers: SipDialog[] = []
  const judge = (request: SipRequest): { readonly headers: Readonly<Record<string, string>> } | null => {
    seen.push(request)
    const value = request.get(status === 401 ? 'Authorization' : 'Proxy-Authorization') ?? ''
    const result = gate.check({ method: request.method, uri: request.uri, credentials: [value] })
    const name = status === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'
    return result.kind === 'accepted' ? null : { headers: { [name]: result.challenges.join(`\r\n${name}: `) } }
  }
  const start = async (invite: (server: () => SipServer, ...request: Parameters<Invite>) => void) => {
    const served = await serve(t)
    const server: SipServer = new SipServer({
      host: '127.0.0.1',
      port: served.sipd.addresses.control.port,
      secret: SECRET,
      logger,
      handlers: {
        connected: () => undefined,
        lost: () => undefined,
        options: (request, response) => {
          const challenge = judge(request)
          if (challenge === null) response.send(200)
          else response.send(status, challenge)
        },
        invite: (request, response) => invite(() => server, request, response),
      },
    })
    t.teardown(() => server.close())
    await server.waitConnected()
    return { server, udp: served.udp }
  }
  const near = await start(() => undefined)
  const far = await start((server, request, response) => {
    const challenge = judge(request)
    if (challenge !== null) return response.send(status, challenge)
    void server()
      .answer(request, response, { sdp: SDP, headers: {}, credentials: CREDENTIALS })
      .then((dialog) => {
        if (dialog === null) return
        dialog.on('modify', (change, answer) => {
          const again = judge(change)
          if (again === null) answer.send(200, { body: SDP, headers: { 'Content-Type': 'application/sdp' } })
          else answer.send(status, again)
        })
        hearRequests(dialog)
        answers.push(dialog)
      })
  })
  const call = (credentials: typeof CREDENTIALS | null) =>
    near.server.invite(
      `sip:4711@127.0.0.1:${far.udp.port}`,
      { sdp: SDP, headers: { 'Content-Type': 'application/sdp', 'X-Kept': '1' }, callingNumber: '4989', credentials },
      { sent: () => undefined, provisional: () => undefined },
    )
  return { near, far, seen, answers, call, judge }
}
type Invite = (
  request: SipRequest,
  response: Parameters<ConstructorParameters<typeof SipServer>[0]['handlers']['invite']>[1],
) => void

for (const [algorithms, status] of [
  [['SHA-256', 'MD5'], 401],
  [['SHA-256'], 407],
  [['MD5'], 407],
] as const)
  t.test(
    `an INVITE that is challenged with ${status} and ${algorithms.join()} is sent again with a proof`,
    async (t) => {
      const { seen, call } = await bench(t, algorithms, status)
      const result = await call(CREDENTIALS)
      t.equal(result.kind, 'answered')
      t.equal(seen.length, 2)
      t.equal(seen[1]?.get('Call-ID'), seen[0]?.get('Call-ID'))
      t.equal(seen[1]?.get('From'), seen[0]?.get('From'))
      t.equal(Number.parseInt(seen[1]?.get('CSeq') ?? ''), Number.parseInt(seen[0]?.get('CSeq') ?? '') + 1)
      t.equal(seen[1]?.get('X-Kept'), '1')
      if (result.kind === 'answered') await result.dialog.destroy()
    },
  )

for (const algorithms of [['MD5'], ['SHA-256']] as const)
  t.test(`a re-INVITE that is challenged with ${algorithms[0]} is proved too, and again`, async (t) => {
    const { call, seen, answers } = await bench(t, algorithms)
    const result = await call(CREDENTIALS)
    if (result.kind === 'rejected') return void t.fail('rejected')
    await eventually(() => answers.length === 1)
    t.match(await reinvite(result.dialog, SDP), { kind: 'ok' })
    t.equal(seen.length, 4)
    t.match(await reinvite(result.dialog, SDP), { kind: 'ok' })
    t.equal(seen.length, 6)
    await result.dialog.destroy()
  })

t.test('INFO is proved too, and so is what we ask in a dialog in which we were called', async (t) => {
  const { call, seen, answers, judge } = await bench(t, ['SHA-256'])
  const result = await call(CREDENTIALS)
  if (result.kind === 'rejected') return void t.fail('rejected')
  await eventually(() => answers.length === 1)
  const [callee] = answers
  const { dialog: caller } = result
  for (const dialog of [caller, callee])
    dialog?.on('info', (request, response) => {
      const challenge = judge(request)
      if (challenge === null) response.send(200)
      else response.send(401, challenge)
    })
  hearRequests(caller)
  for (const dialog of [caller, callee]) {
    seen.length = 0
    const answered = await dialog?.request({ method: 'INFO', headers: { 'Content-Type': 'text/plain' }, body: 'x' })
    t.equal(answered?.status, 200)
    t.same(
      seen.map((request) => [request.get('Authorization') !== undefined, request.body]),
      [
        [false, 'x'],
        [true, 'x'],
      ],
    )
  }
  await caller.destroy()
})

t.test('a BYE that is challenged is sent again with a proof of the URI that it has', async (t) => {
  const { near } = await bench(t, ['SHA-256'])
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const inviting = near.server.invite(
    `sip:4711@127.0.0.1:${peer.address.port}`,
    { sdp: SDP, headers: { 'Content-Type': 'application/sdp' }, callingNumber: '4989', credentials: CREDENTIALS },
    { sent: () => undefined, provisional: () => undefined },
  )
  const invite = await peer.nextRequest('INVITE')
  const sipd = peer.lastFrom ?? peer.address
  peer.respond(invite, sipd, { status: 200, tag: 'far', body: SDP })
  const result = await inviting
  if (result.kind === 'rejected') return void t.fail('rejected')
  const gate = new DigestGate({ realm: 'far', passwordOf: () => CREDENTIALS.password, algorithms: ['SHA-256'] })
  const ended = result.dialog.destroy()
  const first = await peer.nextRequest('BYE')
  const refused = gate.check({ method: 'BYE', uri: first.uri, credentials: [] })
  if (refused.kind === 'accepted') return void t.fail('accepted')
  peer.respond(first, sipd, { status: 407, headers: { 'Proxy-Authenticate': refused.challenges[0] ?? '' } })
  const again = await peer.nextRequest('BYE')
  const credentials = valueOf(again, 'proxy-authorization') ?? ''
  t.match(gate.check({ method: 'BYE', uri: again.uri, credentials: [credentials] }), { kind: 'accepted' })
  t.match(credentials, `uri="${again.uri}"`)
  peer.respond(again, sipd, { status: 200 })
  await ended
})

t.test('a re-INVITE whose proof is refused is not tried for ever', async (t) => {
  const { call, seen, answers } = await bench(t, ['MD5'])
  const changing = { ...CREDENTIALS }
  const result = await call(changing)
  if (result.kind === 'rejected') return void t.fail('rejected')
  await eventually(() => answers.length === 1)
  changing.password = 'wrong by now'
  t.match(await reinvite(result.dialog, SDP), { kind: 'rejected', status: 401 })
  t.equal(seen.length, 4)
  await result.dialog.destroy()
})

t.test('without credentials, or with wrong ones, the challenge is the answer', async (t) => {
  const { call, seen } = await bench(t, ['SHA-256', 'MD5'])
  t.match(await call(null), { kind: 'rejected', status: 401 })
  t.equal(seen.length, 1)
  t.match(await call({ ...CREDENTIALS, password: 'wrong' }), { kind: 'rejected', status: 401 })
  t.equal(seen.length, 3, 'a proof that was refused is not given again')
})

t.test('OPTIONS are proved as well, and a request that nobody answers has its deadline', async (t) => {
  const { near, far } = await bench(t, ['SHA-256'])
  const ask = (port: number) =>
    near.server.request(`sip:127.0.0.1:${port}`, {
      method: 'OPTIONS',
      headers: {},
      credentials: CREDENTIALS,
      deadlineMs: port === far.udp.port ? 5_000 : 150,
    })
  t.match(await ask(far.udp.port), { kind: 'answered', status: 200 })
  t.match(await ask(9), { kind: 'silent' })
  near.server.close()
  t.same(await ask(far.udp.port), { kind: 'not_sent' })
})

t.test('what is no challenge, or cannot be answered, is not sent again', (t) => {
  const sent = new FakeMessage({ headers: { CSeq: '1 INVITE', 'Call-ID': 'a', From: '<sip:a@b>;tag=c' } })
  const response = new FakeMessage({ headers: { 'WWW-Authenticate': 'Digest realm="r", nonce="n"' } })
  const usual = { method: 'INVITE', uri: 'sip:1@h', headers: {}, body: '', nonceCounts: new NonceCounts() }
  const retry = (more: Partial<Parameters<typeof challengeRetry>[0]>) =>
    challengeRetry({ ...usual, sent, response, status: 401, credentials: CREDENTIALS, ...more })
  t.match(retry({}), { CSeq: '2 INVITE', 'Call-ID': 'a', From: '<sip:a@b>;tag=c', Authorization: /^Digest / })
  t.equal(retry({ status: 486 }), null)
  t.equal(retry({ status: 407 }), null, 'the header of the other kind')
  t.equal(retry({ credentials: null }), null)
  t.equal(retry({ sent: null }), null)
  t.equal(retry({ response: new FakeMessage({ headers: { 'WWW-Authenticate': 'Basic realm="r"' } }) }), null)
  t.equal(retry({ sent: new FakeMessage() }), null)
  t.end()
})
