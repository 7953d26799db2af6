import t, { type Test } from 'tap'
import { listOf, valueOf, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { application, serve, type AppRequest, type Application } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

type Outcome = {
  readonly connected: boolean
  readonly finalStatus?: number
  readonly responses: readonly { readonly msgs: readonly { readonly status: number }[] }[]
}

/** Times of RFC 3261 but shorter, for tests that wait for them. */
const QUICK = { t1Ms: 25, t2Ms: 100, t4Ms: 100 }

/** A caller, callees, and an application that proxies every INVITE and MESSAGE to the callees. */
async function proxied(
  t: Test,
  options: object,
  setting: {
    readonly callees?: number
    readonly transport?: 'udp' | 'tcp'
    readonly limits?: object
    readonly to?: (peers: readonly RawPeer[], request: AppRequest) => string[]
  } = {},
) {
  const served = await serve(t, { limits: setting.limits ?? {} })
  const caller = await RawPeer.udp()
  const callees = await Promise.all(
    Array.from({ length: setting.callees ?? 2 }, () => (setting.transport === 'tcp' ? RawPeer.tcp() : RawPeer.udp())),
  )
  t.teardown(() => Promise.all([caller, ...callees].map((peer) => peer.close())))
  const outcomes: Promise<Outcome | Error>[] = []
  const proxy = (srf: Application, request: AppRequest): void => {
    const destination = setting.to?.(callees, request) ?? callees.map(({ uri }) => uri)
    outcomes.push(
      (srf.proxyRequest(request, destination as unknown as string, { ...options }) as Promise<Outcome>).catch(
        (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
      ),
    )
  }
  await application(t, served.sipd, (srf) => {
    srf.invite((request) => proxy(srf, request))
    srf.use('message', (request) => proxy(srf, request))
  })
  return {
    ...served,
    caller,
    callees,
    outcomes,
    invite: () => caller.request(served.udp, { method: 'INVITE', body: SDP }),
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index]
  if (item === undefined) throw new Error('there is none')
  return item
}

const statuses = (outcome: Outcome | Error | undefined): number[] =>
  outcome === undefined || outcome instanceof Error
    ? []
    : outcome.responses.flatMap(({ msgs }) => msgs.map(({ status }) => status))

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

t.test('with Record-Route later requests come this way too, from both ends, over two transports', async (t) => {
  const setting = { callees: 1, transport: 'tcp' as const }
  const { caller, callees, udp, tcp, invite } = await proxied(t, { remainInDialog: true }, setting)
  const callee = at(callees, 0)
  const sent = invite()
  const received = await callee.nextRequest('INVITE')
  const route = listOf(received, 'record-route')
  t.equal(route.length, 2, 'one entry for each transport (RFC 5658)')
  t.match(route[0], new RegExp(`<sip:[0-9a-f]{32}@127\\.0\\.0\\.1:${tcp.port};transport=tcp;lr>`))
  t.match(route[1], new RegExp(`<sip:[0-9a-f]{32}@127\\.0\\.0\\.1:${udp.port};lr>`))
  const back = callee.lastFrom ?? tcp
  callee.respond(received, back, { status: 200, tag: 'b', body: SDP })
  const response = await caller.nextResponse('INVITE', 200)
  const toCallee = [...listOf(response, 'record-route')].reverse().join(', ')
  const later = (method: string, cseq: number, extra: Record<string, string> = {}): SipRequest =>
    caller.request(udp, {
      method,
      uri: callee.uri,
      headers: {
        from: valueOf(sent, 'from') ?? '',
        to: valueOf(response, 'to') ?? '',
        'call-id': valueOf(sent, 'call-id') ?? '',
        cseq: `${cseq} ${method}`,
        route: toCallee,
        ...extra,
      },
    })
  later('ACK', 1)
  const ack = await callee.nextRequest('ACK')
  t.equal(valueOf(ack, 'route'), undefined)
  t.equal(valueOf(ack, 'max-forwards'), '69')
  later('INFO', 2)
  const info = await callee.nextRequest('INFO')
  callee.respond(info, back, { status: 200 })
  t.equal(listOf(await caller.nextResponse('INFO', 200), 'via').length, 1)
  later('INVITE', 3)
  const again = await callee.nextRequest('INVITE')
  callee.respond(again, back, { status: 488 })
  later('ACK', 3, { via: valueOf(await caller.nextResponse('INVITE', 488), 'via') ?? '' })
  await callee.nextRequest('ACK')
  t.equal(callee.log.filter((message) => message.kind === 'request' && message.method === 'ACK').length, 2)

  callee.request(tcp, {
    method: 'BYE',
    uri: caller.uri,
    headers: {
      from: `${valueOf(received, 'to') ?? ''};tag=b`,
      to: valueOf(received, 'from') ?? '',
      'call-id': valueOf(received, 'call-id') ?? '',
      route: route.join(', '),
    },
  })
  const bye = await caller.nextRequest('BYE')
  t.match(valueOf(bye, 'via'), /^SIP\/2\.0\/UDP /)
  caller.respond(bye, udp, { status: 200 })
  await callee.nextResponse('BYE', 200)
})

t.test(
  'a strict router before us is understood, and one behind us is served (RFC 3261 sections 16.4 and 16.6)',
  async (t) => {
    const { caller, callees, udp, invite } = await proxied(t, { remainInDialog: true }, { callees: 1 })
    const callee = at(callees, 0)
    const strict = await RawPeer.udp()
    t.teardown(() => strict.close())
    const sent = invite()
    const received = await callee.nextRequest('INVITE')
    callee.respond(received, udp, { status: 200, tag: 'b', body: SDP })
    const response = await caller.nextResponse('INVITE', 200)
    const entry = /<(.*)>/.exec(listOf(response, 'record-route')[0] ?? '')?.[1] ?? ''
    const dialog = {
      from: valueOf(sent, 'from') ?? '',
      to: valueOf(response, 'to') ?? '',
      'call-id': valueOf(sent, 'call-id') ?? '',
    }
    caller.request(udp, {
      method: 'INFO',
      uri: entry,
      headers: { ...dialog, cseq: '2 INFO', route: `<${callee.uri}>` },
    })
    const info = await callee.nextRequest('INFO')
    t.same([info.uri, valueOf(info, 'route')], [callee.uri, undefined])
    callee.respond(info, udp, { status: 200 })
    await caller.nextResponse('INFO', 200)
    caller.request(udp, {
      method: 'INFO',
      uri: callee.uri,
      headers: { ...dialog, cseq: '3 INFO', route: `<${entry}>, <${strict.uri}>` },
    })
    const passed = await strict.nextRequest('INFO')
    t.same([passed.uri, valueOf(passed, 'route')], [strict.uri, `<${callee.uri}>`])
    strict.respond(passed, udp, { status: 200 })
    await caller.nextResponse('INFO', 200)

    const forged = entry.replace(/sip:[0-9a-f]{32}/, `sip:${'0'.repeat(32)}`)
    caller.request(udp, {
      method: 'INFO',
      uri: strict.uri,
      headers: { ...dialog, cseq: '4 INFO', route: `<${forged}>` },
    })
    await caller.nextResponse('INFO', 481)
    caller.request(udp, {
      method: 'INFO',
      uri: strict.uri,
      headers: { ...dialog, 'call-id': 'another', cseq: '5 INFO', route: `<${entry}>` },
    })
    await caller.nextResponse('INFO', 481)
    t.equal(strict.log.length, 1, 'nobody makes us relay what belongs to no call of ours')
  },
)

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

t.test('a request that comes back unchanged is a loop, one that changed is a spiral', async (t) => {
  const hops: string[] = []
  const { caller, invite, udp } = await proxied(
    t,
    {},
    {
      callees: 0,
      to: (_, request) => {
        hops.push(request.uri)
        const here = /127\.0\.0\.1:\d+/.exec(request.uri)?.[0] ?? ''
        return [`sip:${hops.length === 1 ? 'second' : 'third'}@${here}`]
      },
    },
  )
  invite()
  await caller.nextResponse('INVITE', 482)
  const user = (uri: string): string => /sip:(\w+)@/.exec(uri)?.[1] ?? ''
  t.same(hops.map(user), ['service', 'second', 'third', 'third'])
  caller.request(udp, { method: 'MESSAGE', headers: { 'max-forwards': '1' } })
  await caller.nextResponse('MESSAGE', 483)
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
