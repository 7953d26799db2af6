import t from 'tap'
import { listOf, valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { at, proxied } from './proxy-site.ts'
import { RawPeer, SDP } from './raw-peer.ts'

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
