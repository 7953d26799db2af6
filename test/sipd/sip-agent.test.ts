import t from 'tap'
import { startSipd } from '../../src/sipd/sipd.ts'
import { valueOf } from '../../src/sipd/message.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { SECRET, application, serve, type Application } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const answering = (srf: Application): void =>
  srf.invite((request, response) => {
    if (request.uri.includes('silent')) return
    void srf.createUAS(request, response, { localSdp: SDP })
  })

t.test(
  'a 200 is repeated until its ACK; without one the call ends with BYE, and the application is told',
  async (t) => {
    const { sipd, udp } = await serve(t, { limits: { t1Ms: 10, t2Ms: 80 } })
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    let told: (reason: unknown) => void = () => undefined
    const destroyed = new Promise((resolve) => (told = resolve))
    await application(t, sipd, (srf) =>
      srf.invite((request, response) => {
        void srf
          .createUAS(request, response, { localSdp: SDP })
          .then((dialog) => dialog.once('destroy', (_, reason) => told(reason)))
      }),
    )
    peer.request(udp, { method: 'INVITE', body: SDP })
    const bye = await peer.nextRequest('BYE')
    peer.respond(bye, udp, { status: 200 })
    t.equal(valueOf(bye, 'reason'), 'SIP;cause=200;text="ACK timeout"')
    t.equal(await destroyed, 'ACK timeout')
    t.ok(peer.log.filter((message) => message.kind === 'response' && message.status === 200).length >= 6)
  },
)

t.test('when the application is gone its calls end after the grace: BYE, 503, and 481 meanwhile', async (t) => {
  const { sipd, udp } = await serve(t, { applicationGraceMs: 150 })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd, answering)
  const invite = peer.request(udp, { method: 'INVITE', body: SDP })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  peer.request(udp, { method: 'INVITE', body: SDP, uri: 'sip:silent@127.0.0.1' })
  await peer.nextResponse('INVITE', 100)
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  calling.catch(() => undefined)
  const ringing = await peer.nextRequest('INVITE')
  peer.respond(ringing, udp, { status: 180, tag: 'ringing' })
  srf.disconnect()
  const asked = async (): Promise<number> => {
    peer.inDialog(udp, { invite, response }, { method: 'INFO', cseq: 2 })
    return (await peer.nextResponse('INFO', 200, 699)).status
  }
  // The first INFO can overtake the loss of the connection; then srf's dialog still answers it.
  const statuses = [await asked(), await asked(), await asked()]
  t.ok(statuses.includes(481) || statuses.includes(503), 'nobody is there to answer')
  const bye = await peer.nextRequest('BYE')
  peer.respond(bye, udp, { status: 200 })
  t.equal(valueOf(bye, 'reason'), 'SIP;cause=200;text="Application lost"')
  t.equal((await peer.nextResponse('INVITE', 503)).status, 503)
  const cancel = await peer.nextRequest('CANCEL')
  peer.respond(cancel, udp, { status: 200 })
  peer.respond(ringing, udp, { status: 200, tag: 'ringing', body: SDP })
  t.match(
    valueOf(await peer.nextRequest('ACK'), 'to'),
    /ringing/,
    'an answer that crosses the CANCEL is acknowledged and ended',
  )
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
})

t.test(
  'an application that comes back gets new calls; what it left has ended, subscriptions without a word',
  async (t) => {
    const { sipd, udp } = await serve(t, { applicationGraceMs: 50 })
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    const routes = (srf: Application): void => {
      answering(srf)
      srf.use('subscribe', (request, response) => void srf.createUAS(request, response, {}))
    }
    const first = await application(t, sipd, routes)
    const invite = peer.request(udp, { method: 'INVITE', body: SDP })
    const response = await peer.nextResponse('INVITE', 200)
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
    const subscribe = peer.request(udp, { method: 'SUBSCRIBE', headers: { event: 'presence' } })
    const subscribed = await peer.nextResponse('SUBSCRIBE', 202)
    first.disconnect()
    await application(t, sipd, routes)
    const bye = await peer.nextRequest('BYE')
    peer.respond(bye, udp, { status: 200 })
    for (const [method, dialog] of [
      ['INFO', { invite, response }],
      ['SUBSCRIBE', { invite: subscribe, response: subscribed }],
    ] as const) {
      peer.inDialog(udp, dialog, { method, cseq: 2, headers: { event: 'presence' } })
      t.equal((await peer.nextResponse(method, 200, 699)).status, 481, method)
    }
    peer.request(udp, { method: 'INVITE', body: SDP })
    await peer.nextResponse('INVITE', 200)
    t.equal(peer.log.filter((message) => message.kind === 'request').length, 1, 'nothing but the BYE')
  },
)

t.test('close() ends every call and is quick although nobody answers', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  await application(t, sipd, answering)
  const invite = peer.request(udp, { method: 'INVITE', body: SDP })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  peer.request(udp, { method: 'INVITE', body: SDP, uri: 'sip:silent@127.0.0.1' })
  await peer.nextResponse('INVITE', 100)
  await peer.nextResponse('INVITE', 100)
  const began = performance.now()
  const closing = sipd.close()
  t.equal(valueOf(await peer.nextRequest('BYE'), 'reason'), 'SIP;cause=200;text="Server shutdown"')
  t.equal((await peer.nextResponse('INVITE', 503)).status, 503)
  await closing
  await sipd.close()
  t.ok(performance.now() - began < 2_000)
})

t.test('an address that is taken is named in the error', async (t) => {
  const { sipd, udp, tcp } = await serve(t)
  const base = {
    udp: [],
    tcp: [],
    logger: createLogger({ role: 'sipd', level: 'silent' }),
    metrics: new Metrics('sipd'),
  } as const
  const control = { host: '127.0.0.1', port: 0, secret: SECRET }
  await t.rejects(startSipd({ ...base, control, udp: [udp] }), { code: 'EADDRINUSE', transport: 'udp', address: udp })
  const other = { ...base, metrics: new Metrics('sipd') }
  await t.rejects(startSipd({ ...other, control, tcp: [tcp] }), { code: 'EADDRINUSE', transport: 'tcp', address: tcp })
  const third = { ...base, metrics: new Metrics('sipd') }
  await t.rejects(startSipd({ ...third, control: { ...sipd.addresses.control, secret: SECRET } }), {
    code: 'EADDRINUSE',
    transport: 'control',
  })
})
