import t from 'tap'
import { listOf, valueOf, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { application, serve } from './application.ts'
import { at, proxied, QUICK, statuses } from './proxy-site.ts'
import { RawPeer, SDP } from './raw-peer.ts'

t.test('one after the other: a busy one is passed over, the answer of the next goes back', async (t) => {
  const { caller, callees, udp, invite, outcomes } = await proxied(t, {})
  const sent = invite()
  const first = await at(callees, 0).nextRequest('INVITE')
  t.same(
    ['max-forwards', 'record-route', 'route', 'from', 'to', 'call-id', 'cseq', 'contact'].map((key) =>
      valueOf(first, key),
    ),
    ['69', undefined, undefined, ...['from', 'to', 'call-id', 'cseq', 'contact'].map((key) => valueOf(sent, key))],
  )
  t.equal(first.uri, at(callees, 0).uri)
  t.equal(first.body.toString(), SDP)
  t.equal(listOf(first, 'via').length, 2)
  at(callees, 0).respond(first, udp, { status: 486, tag: 'busy' })
  await at(callees, 0).nextRequest('ACK')
  const second = await at(callees, 1).nextRequest('INVITE')
  t.not(listOf(second, 'via')[0], listOf(first, 'via')[0])
  at(callees, 1).respond(second, udp, { status: 180, tag: 'free' })
  const ringing = await caller.nextResponse('INVITE', 180)
  t.equal(listOf(ringing, 'via').length, 1)
  at(callees, 1).respond(second, udp, { status: 200, tag: 'free', body: SDP })
  const answer = await caller.nextResponse('INVITE', 200)
  t.match(valueOf(answer, 'contact'), at(callees, 1).uri)
  at(callees, 1).respond(second, udp, { status: 200, tag: 'free', body: SDP })
  await caller.nextResponse('INVITE', 200)
  const outcome = await outcomes[0]
  t.match(outcome, { connected: true, finalStatus: 200 })
  t.same(statuses(outcome), [486, 200])
  t.notOk(caller.log.some((message) => message.kind === 'response' && message.status === 486))
})

t.test('all at once: the first answer wins, the others are cancelled; a second answer goes back too', async (t) => {
  const { caller, callees, udp, invite, outcomes } = await proxied(t, { forking: 'simultaneous' }, { callees: 3 })
  invite()
  const invites = await Promise.all(callees.map((callee) => callee.nextRequest('INVITE')))
  callees.forEach((callee, index) => callee.respond(at(invites, index), udp, { status: 180, tag: `c${index}` }))
  for (let ringing = 0; ringing < callees.length; ringing += 1) await caller.nextResponse('INVITE', 180)
  at(callees, 1).respond(at(invites, 1), udp, { status: 200, tag: 'c1', body: SDP })
  t.match(valueOf(await caller.nextResponse('INVITE', 200), 'to'), /tag=c1/)
  const cancel = await at(callees, 0).nextRequest('CANCEL')
  t.equal(valueOf(cancel, 'via'), listOf(at(invites, 0), 'via')[0])
  t.equal(cancel.uri, at(invites, 0).uri)
  at(callees, 0).respond(cancel, udp, { status: 200 })
  at(callees, 0).respond(at(invites, 0), udp, { status: 487, tag: 'c0' })
  await at(callees, 0).nextRequest('ACK')
  await at(callees, 2).nextRequest('CANCEL')
  at(callees, 2).respond(at(invites, 2), udp, { status: 200, tag: 'c2', body: SDP })
  t.match(valueOf(await caller.nextResponse('INVITE', 200), 'to'), /tag=c2/, 'it answered while it was cancelled')
  t.match(await outcomes[0], { connected: true })
  t.notOk(caller.log.some((message) => message.kind === 'response' && message.status === 487))
})

t.test('the best failure goes back: 6xx before all, challenges together, and a 503 as 500', async (t) => {
  const { caller, callees, udp, invite, outcomes } = await proxied(t, { forking: 'simultaneous' }, { callees: 3 })
  const fork = async (answers: readonly [number, Record<string, string>?][]): Promise<SipResponse> => {
    invite()
    const invites = await Promise.all(callees.map((callee) => callee.nextRequest('INVITE')))
    answers.forEach(([status, headers = {}], index) =>
      at(callees, index).respond(at(invites, index), udp, { status, tag: `t${index}`, headers }),
    )
    const response = await caller.nextResponse('INVITE', 300, 699)
    caller.sendRaw(ackFor(at(invites, 0), response), udp)
    return response
  }
  t.equal((await fork([[404], [603], [301]])).status, 603)
  t.equal((await fork([[500], [486], [404]])).status, 486)
  const challenge = await fork([
    [407, { 'proxy-authenticate': 'Digest realm="a"' }],
    [480],
    [401, { 'www-authenticate': 'Digest realm="c"' }],
  ])
  t.equal(challenge.status, 407)
  t.same(
    [valueOf(challenge, 'proxy-authenticate'), valueOf(challenge, 'www-authenticate')],
    ['Digest realm="a"', 'Digest realm="c"'],
  )
  t.equal((await fork([[503], [503], [503]])).status, 500)
  t.same(statuses(await outcomes[3]), [503, 503, 503], 'the application hears what was said')
  t.match(await outcomes[3], { connected: false })
})

t.test('a 6xx cancels those that still ring', async (t) => {
  const { caller, callees, udp, invite } = await proxied(t, { forking: 'simultaneous' })
  invite()
  const [one, two] = await Promise.all(callees.map((callee) => callee.nextRequest('INVITE')))
  if (one === undefined || two === undefined) throw new Error('not forked')
  at(callees, 0).respond(one, udp, { status: 180, tag: 'r' })
  await caller.nextResponse('INVITE', 180)
  at(callees, 1).respond(two, udp, { status: 600, tag: 'x' })
  at(callees, 0).respond(await at(callees, 0).nextRequest('CANCEL'), udp, { status: 200 })
  at(callees, 0).respond(one, udp, { status: 487, tag: 'r' })
  await caller.nextResponse('INVITE', 600)
})

t.test(
  'a caller that cancels is answered at once, and the call ends with 487; no other destination rings',
  async (t) => {
    const { caller, callees, udp, invite, outcomes } = await proxied(t, {})
    const sent = invite()
    const received = await at(callees, 0).nextRequest('INVITE')
    const cancel = {
      method: 'CANCEL',
      headers: { via: valueOf(sent, 'via') ?? '', 'call-id': valueOf(sent, 'call-id') ?? '', contact: '' },
    }
    caller.request(udp, cancel)
    await caller.nextResponse('CANCEL', 200)
    t.notOk(at(callees, 0).log.some((message) => message.kind === 'request' && message.method === 'CANCEL'))
    at(callees, 0).respond(received, udp, { status: 180, tag: 'r' })
    at(callees, 0).respond(await at(callees, 0).nextRequest('CANCEL'), udp, { status: 200 })
    at(callees, 0).respond(received, udp, { status: 487, tag: 'r' })
    await caller.nextResponse('INVITE', 487)
    caller.request(udp, { ...cancel, headers: { ...cancel.headers, cseq: '1 CANCEL' } })
    t.match(await outcomes[0], { connected: false, finalStatus: 487 })
    t.equal(at(callees, 1).log.length, 0)
  },
)

t.test('a destination that is silent or rings too long is followed by the next', async (t) => {
  const waits = { provisionalTimeout: '150ms', finalTimeout: '600ms' }
  const { caller, callees, udp, invite, outcomes } = await proxied(t, waits, { callees: 3 })
  invite()
  await at(callees, 0).nextRequest('INVITE')
  const ringing = await at(callees, 1).nextRequest('INVITE')
  at(callees, 1).respond(ringing, udp, { status: 180, tag: 'r' })
  await at(callees, 1).nextRequest('CANCEL')
  const last = await at(callees, 2).nextRequest('INVITE')
  at(callees, 2).respond(last, udp, { status: 404, tag: 'n' })
  await caller.nextResponse('INVITE', 404)
  t.same(statuses(await outcomes[0]), [404])
})

t.test('nobody answers at all: 408 to an INVITE, and silence to another request (RFC 4320)', async (t) => {
  const { caller, invite, outcomes, udp } = await proxied(t, {}, { callees: 1, limits: QUICK })
  invite()
  await caller.nextResponse('INVITE', 408)
  t.match(await outcomes[0], { connected: false })
  caller.request(udp, { method: 'MESSAGE' })
  await new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (outcomes[1] === undefined) return
      clearInterval(poll)
      resolve()
    }, 5)
  })
  await outcomes[1]
  t.notOk(caller.log.some((message) => message.kind === 'response' && valueOf(message, 'cseq') === '1 MESSAGE'))
})

t.test('timer C ends a call that rings for ever', async (t) => {
  const limits = { ...QUICK, ringingMs: 200 }
  const { caller, callees, invite, udp } = await proxied(t, {}, { callees: 1, limits })
  invite()
  const received = await at(callees, 0).nextRequest('INVITE')
  at(callees, 0).respond(received, udp, { status: 180, tag: 'r' })
  await at(callees, 0).nextRequest('CANCEL')
  await caller.nextResponse('INVITE', 408)
})

t.test('redirections are followed if asked for, each target once, else passed back', async (t) => {
  const { caller, callees, udp, invite } = await proxied(
    t,
    { followRedirects: true },
    { callees: 3, to: (peers) => [at(peers, 0).uri] },
  )
  invite()
  const first = await at(callees, 0).nextRequest('INVITE')
  const contact = `<${at(callees, 0).uri}>, <tel:+1>, <${at(callees, 1).uri}>`
  at(callees, 0).respond(first, udp, { status: 302, tag: 'm', headers: { contact } })
  const second = await at(callees, 1).nextRequest('INVITE')
  at(callees, 1).respond(second, udp, { status: 302, tag: 'm', headers: { contact: `<${at(callees, 0).uri}>` } })
  const passed = await caller.nextResponse('INVITE', 302)
  t.equal(valueOf(passed, 'contact'), `<${at(callees, 0).uri}>`, 'it led nowhere new')
})

t.test(
  'a MESSAGE is proxied too, its user kept where the destination is a server, with the headers given',
  async (t) => {
    const { caller, callees, udp, outcomes } = await proxied(
      t,
      { headers: { 'X-Added': 'yes', Subject: 'new', Via: 'SIP/2.0/UDP forged', 'Call-ID': 'forged' } },
      { callees: 1, to: (peers) => [`127.0.0.1:${at(peers, 0).address.port}`] },
    )
    const sent = caller.request(udp, { method: 'MESSAGE', headers: { subject: 'old', 'max-forwards': '' } })
    const received = await at(callees, 0).nextRequest('MESSAGE')
    t.equal(received.uri, `sip:service@127.0.0.1:${at(callees, 0).address.port}`)
    t.same(
      ['x-added', 'subject', 'call-id', 'max-forwards'].map((key) => valueOf(received, key)),
      ['yes', 'new', valueOf(sent, 'call-id'), '70'],
    )
    t.equal(listOf(received, 'via').length, 2)
    at(callees, 0).respond(received, udp, { status: 202, tag: 'm' })
    await caller.nextResponse('MESSAGE', 202)
    t.same(statuses(await outcomes[0]), [202])
  },
)

t.test('call records tell of both halves, and a request without hops left goes nowhere', async (t) => {
  const { sipd, udp } = await serve(t)
  const [caller, callee] = [await RawPeer.udp(), await RawPeer.udp()]
  t.teardown(() => Promise.all([caller.close(), callee.close()]))
  const records: string[] = []
  const started = new Promise<void>((resolve) => {
    void application(t, sipd, (srf) => {
      srf.on('cdr:attempt', (source) => records.push(`attempt ${String(source)}`))
      srf.on('cdr:start', (source, _, role) => {
        records.push(`start ${String(source)} ${String(role)}`)
        if (role === 'proxy-uas') resolve()
      })
      for (const method of ['invite', 'options'])
        srf.use(method, (request) => void srf.proxyRequest(request, callee.uri, {}).catch(() => undefined))
    }).then(() => caller.request(udp, { method: 'INVITE', body: SDP }))
  })
  callee.respond(await callee.nextRequest('INVITE'), udp, { status: 200, tag: 'b', body: SDP })
  await started
  t.same(records, ['attempt network', 'attempt application', 'start network proxy-uac', 'start application proxy-uas'])
  caller.request(udp, { method: 'OPTIONS', headers: { 'max-forwards': '0' } })
  await caller.nextResponse('OPTIONS', 483)
})

t.test('what cannot be proxied is refused to the application', async (t) => {
  const { sipd, udp } = await serve(t)
  const caller = await RawPeer.udp()
  t.teardown(() => caller.close())
  const refused: Promise<unknown>[] = []
  await application(t, sipd, (srf) => {
    srf.use('message', (request, response) => {
      const order = (destination: string[], options: object): Promise<unknown> =>
        srf.proxyRequest(request, destination as unknown as string, options).catch((error: unknown) => error)
      refused.push(order(['sip:a@127.0.0.1'], { finalTimeout: 'soon' }))
      refused.push(order(['sip:a@127.0.0.1:99999'], {}))
      refused.push(
        order(
          Array.from({ length: 17 }, (_, index) => `sip:${index}@127.0.0.1`),
          {},
        ),
      )
      response.send(200)
      refused.push(order(['sip:a@127.0.0.1'], {}))
    })
  })
  caller.request(udp, { method: 'MESSAGE' })
  await caller.nextResponse('MESSAGE', 200)
  const invalid = 'Server error: invalid proxy request'
  t.same(await Promise.all(refused), [invalid, invalid, invalid, 'Server error: unable to find transaction to proxy'])
})

t.test('a server that closes cancels what rings, and answers the caller', async (t) => {
  const { caller, callees, udp, invite, sipd } = await proxied(t, {}, { callees: 1 })
  invite()
  const received = await at(callees, 0).nextRequest('INVITE')
  at(callees, 0).respond(received, udp, { status: 180, tag: 'r' })
  await caller.nextResponse('INVITE', 180)
  const closed = sipd.close()
  await at(callees, 0).nextRequest('CANCEL')
  await caller.nextResponse('INVITE', 503)
  await closed
})

/** The ACK of a failure, as the caller that got it sends it. */
function ackFor(received: SipRequest, response: SipResponse): string {
  const sequence = (valueOf(response, 'cseq') ?? '').split(' ')[0] ?? ''
  return [
    `ACK ${received.uri} SIP/2.0`,
    ...['via', 'from', 'to', 'call-id'].map((key) => `${key}: ${valueOf(response, key) ?? ''}`),
    `CSeq: ${sequence} ACK`,
    'Max-Forwards: 70',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}
