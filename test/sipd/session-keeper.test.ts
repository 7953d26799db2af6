import t, { type Test } from 'tap'
import { valueOf, type SipMessage, type SipRequest } from '../../src/sipd/message.ts'
import type { SipdOptions } from '../../src/sipd/sipd.ts'
import { application, serve, type AppDialog } from './application.ts'
import { FakeClock } from './fake-clock.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const HALF_HOUR_MS = 1_800_000

/** What the application heard and the call records said, in order. */
type Heard = string[]

async function served(t: Test, options: Partial<SipdOptions> = {}) {
  const clock = new FakeClock()
  const { sipd, udp } = await serve(t, { clock, limits: { closeMs: 50 }, ...options })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const heard: Heard = []
  let told: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (told = resolve))
  const attend = (dialog: AppDialog): AppDialog =>
    dialog
      .on('modify', (_, answer) => {
        heard.push('modify')
        answer.send(200, { body: SDP })
      })
      .on('destroy', (_, reason: unknown) => {
        heard.push(typeof reason === 'string' ? `destroy ${reason}` : 'destroy')
        told()
      })
  const srf = await application(t, sipd, (srf) => {
    srf.on('cdr:stop', (_, __, reason) => heard.push(typeof reason === 'string' ? `stop ${reason}` : 'stop'))
    srf.invite((request, response) => void srf.createUAS(request, response, { localSdp: SDP }).then(attend))
  })
  return { clock, udp, peer, srf, heard, attend, ended }
}

type Served = Awaited<ReturnType<typeof served>>

/** A call of the peer's, up to its ACK. */
async function incoming({ peer, udp }: Served, headers: Readonly<Record<string, string>> = {}) {
  const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  // The answer to this has passed the ACK on its way, so the server has seen it.
  peer.inDialog(udp, { invite, response }, { method: 'OPTIONS', cseq: 2 })
  await peer.nextResponse('OPTIONS', 200)
  return { invite, response }
}

/** A call of the application's, up to its ACK. */
async function outgoing({ peer, udp, srf, attend }: Served, headers: Readonly<Record<string, string>> = {}) {
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, { status: 200, tag: 'callee', body: SDP, headers })
  const dialog = attend(await calling)
  await peer.nextRequest('ACK')
  return { invite, dialog }
}

const cseqOf = (message: SipMessage): number => Number(valueOf(message, 'cseq')?.split(' ')[0])

t.test(
  'a caller that can refreshes, and when it does not the call ends with BYE and the record says why',
  async (t) => {
    const call = await served(t)
    const { clock, peer, udp, heard, ended } = call
    const { invite, response } = await incoming(call, { supported: 'timer', 'session-expires': '1800' })
    t.equal(valueOf(response, 'session-expires'), '1800;refresher=uac')
    t.equal(valueOf(response, 'require'), 'timer')
    clock.advance(HALF_HOUR_MS / 2)
    peer.inDialog(
      udp,
      { invite, response },
      {
        method: 'INVITE',
        cseq: 3,
        body: SDP,
        headers: { supported: 'timer', 'session-expires': '1200;refresher=uac' },
      },
    )
    const refreshed = await peer.nextResponse('INVITE', 200)
    t.equal(valueOf(refreshed, 'session-expires'), '1200;refresher=uac', 'the shorter interval of the peer')
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 3 })
    peer.inDialog(udp, { invite, response }, { method: 'OPTIONS', cseq: 4 })
    await peer.nextResponse('OPTIONS', 200)
    clock.advance(1_200_000 - 32_000 - 1)
    t.same(heard, ['modify'], 'a refresh of the peer is the application’s to answer')
    clock.advance(1)
    const bye = await peer.nextRequest('BYE')
    t.equal(valueOf(bye, 'reason'), 'SIP;cause=200;text="Session timer expired"')
    peer.respond(bye, udp, { status: 200 })
    await ended
    t.same(heard, ['modify', 'stop session-expired', 'destroy Session timer expired'])
  },
)

t.test(
  'a caller without timers is asked by re-INVITE whether it is alive, and the application sees nothing',
  async (t) => {
    const call = await served(t)
    const { clock, peer, udp, heard, ended } = call
    const { response } = await incoming(call)
    t.equal(valueOf(response, 'session-expires'), '1800;refresher=uas')
    t.notOk(valueOf(response, 'require'))
    for (const status of [200, 488]) {
      clock.advance(HALF_HOUR_MS / 2)
      const refresh = await peer.nextRequest('INVITE')
      t.equal(refresh.body.toString(), SDP, 'the same description')
      t.equal(valueOf(refresh, 'session-expires'), '1800')
      t.equal(valueOf(refresh, 'contact'), valueOf(response, 'contact'))
      peer.respond(refresh, udp, { status, ...(status === 200 ? { body: SDP } : {}) })
      t.equal(cseqOf(await peer.nextRequest('ACK')), cseqOf(refresh))
    }
    t.same(heard, [], 'a refusal is a sign of life too')
    clock.advance(HALF_HOUR_MS / 2)
    await peer.nextRequest('INVITE')
    clock.advance(32_000)
    const bye = await peer.nextRequest('BYE')
    peer.respond(bye, udp, { status: 200 })
    await ended
    t.same(heard, ['stop session-expired', 'destroy Session timer expired'])
  },
)

t.test('a 422 is answered with the longer interval, and an UPDATE refreshes where the peer takes it', async (t) => {
  const call = await served(t)
  const { clock, peer, udp, srf, attend, heard, ended } = call
  const statuses: number[] = []
  const calling = srf.createUAC(peer.uri, { localSdp: SDP }, { cbProvisional: ({ status }) => statuses.push(status) })
  const invite = await peer.nextRequest('INVITE')
  t.equal(valueOf(invite, 'session-expires'), '1800')
  t.equal(valueOf(invite, 'min-se'), '90')
  t.equal(valueOf(invite, 'supported'), 'timer')
  peer.respond(invite, udp, { status: 422, tag: 'x', headers: { 'Min-SE': '3600' } })
  await peer.nextRequest('ACK')
  const again = await peer.nextRequest('INVITE')
  t.equal(valueOf(again, 'session-expires'), '3600')
  t.equal(valueOf(again, 'min-se'), '3600')
  t.equal(cseqOf(again), cseqOf(invite) + 1)
  for (const name of ['call-id', 'from', 'to']) t.equal(valueOf(again, name), valueOf(invite, name))
  const reliable = { status: 183, tag: 'y', body: SDP, headers: { Require: '100rel', RSeq: '9' } }
  peer.respond(again, udp, reliable)
  const prack = await peer.nextRequest('PRACK')
  t.equal(valueOf(prack, 'rack'), `9 ${cseqOf(again)} INVITE`, 'of the INVITE that the peer took')
  peer.respond(prack, udp, { status: 200 })
  const headers = { 'Session-Expires': '3600;refresher=uac', Require: 'timer', Allow: 'INVITE, UPDATE, BYE' }
  peer.respond(again, udp, { status: 200, tag: 'y', headers })
  attend(await calling)
  t.equal(cseqOf(await peer.nextRequest('ACK')), cseqOf(again))
  clock.advance(HALF_HOUR_MS)
  const update = await peer.nextRequest('UPDATE')
  t.equal(update.body.length, 0)
  t.equal(valueOf(update, 'session-expires'), '3600;refresher=uac')
  peer.respond(update, udp, { status: 501 })
  await tick(clock, peer)
  const instead = await peer.nextRequest('INVITE')
  t.equal(instead.body.toString(), SDP, 'which the peer claimed, but did not take')
  peer.respond(instead, udp, { status: 491 })
  await peer.nextRequest('ACK')
  clock.advance(4_000)
  const later = await peer.nextRequest('INVITE')
  peer.respond(later, udp, { status: 200, body: SDP, headers: { 'Session-Expires': '3600;refresher=uac' } })
  await peer.nextRequest('ACK')
  clock.advance(HALF_HOUR_MS)
  // The one before was repeated while the clock went on.
  const last = await peer.next(
    (message) => message.kind === 'request' && message.method === 'INVITE' && cseqOf(message) > cseqOf(later),
    'the next refresh',
  )
  if (last.kind === 'request') peer.respond(last, udp, { status: 481 })
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await ended
  t.same(heard, ['stop session-expired', 'destroy Session timer expired'])
  t.same(statuses, [183])
})

t.test('an interval that is too short is refused with 422, unless nobody could understand it', async (t) => {
  const call = await served(t)
  const { peer, udp } = call
  peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: 'timer', 'session-expires': '60' } })
  const refused = await peer.nextResponse('INVITE', 200, 699)
  t.equal(refused.status, 422)
  t.equal(valueOf(refused, 'min-se'), '90')
  const { invite, response } = await incoming(call, { 'session-expires': '60' })
  t.equal(valueOf(response, 'session-expires'), '60;refresher=uas', 'put there by a proxy')
  peer.inDialog(
    udp,
    { invite, response },
    { method: 'UPDATE', cseq: 3, headers: { supported: 'timer', 'session-expires': '30' } },
  )
  t.equal((await peer.nextResponse('UPDATE', 200, 699)).status, 422)
})

t.test('when the callee refreshes, its silence ends the call', async (t) => {
  const call = await served(t)
  const { clock, peer, udp, ended } = call
  await outgoing(call, { 'Session-Expires': '90;refresher=uas', Require: 'timer' })
  clock.advance(60_000)
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await ended
})

t.test('an INVITE of the application waits until the refresh is answered', async (t) => {
  const call = await served(t)
  const { clock, peer, udp } = call
  const { dialog } = await outgoing(call)
  clock.advance(HALF_HOUR_MS / 2)
  const refresh = await peer.nextRequest('INVITE')
  const moved = SDP.replace('4000', '4002')
  const modifying = dialog.modify(moved)
  const asking = dialog.request({ method: 'INFO' })
  peer.respond(await peer.nextRequest('INFO'), udp, { status: 200 })
  t.equal((await asking).status, 200, 'other requests do not wait')
  t.equal(requests(peer, 'INVITE').length, 2)
  peer.respond(refresh, udp, { status: 200, body: SDP })
  await peer.nextRequest('ACK')
  const reinvite = await peer.nextRequest('INVITE')
  t.equal(reinvite.body.toString(), moved)
  peer.respond(reinvite, udp, { status: 200, body: SDP })
  await modifying
  await peer.nextRequest('ACK')
  clock.advance(HALF_HOUR_MS / 2)
  t.equal((await peer.nextRequest('INVITE')).body.toString(), moved, 'what was agreed last')
})

t.test('without a timer nothing is asked and nothing runs, but one of the application’s own does', async (t) => {
  const call = await served(t, { sessionTimer: null })
  const { clock, peer, udp, srf } = call
  const { invite, dialog } = await outgoing(call)
  for (const name of ['session-expires', 'min-se', 'supported']) t.notOk(valueOf(invite, name), name)
  const leaving = dialog.destroy()
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await leaving
  const { response } = await incoming(call, { supported: 'timer', 'session-expires': '1800' })
  t.notOk(valueOf(response, 'session-expires'))
  clock.advance(2 * HALF_HOUR_MS)
  t.equal(requests(peer, 'BYE').length, 1)
  void srf.createUAC(peer.uri, { localSdp: SDP, headers: { 'Session-Expires': '200', Supported: 'timer' } })
  const own = await peer.nextRequest('INVITE')
  t.equal(valueOf(own, 'session-expires'), '200')
  peer.respond(own, udp, { status: 200, tag: 'own', body: SDP, headers: { 'Session-Expires': '200;refresher=uac' } })
  await peer.nextRequest('ACK')
  clock.advance(100_000)
  t.equal((await peer.nextRequest('INVITE')).body.toString(), SDP)
})

function requests(peer: RawPeer, method: string): SipRequest[] {
  return peer.log.filter((message): message is SipRequest => message.kind === 'request' && message.method === method)
}

/** Lets the timers that are due at once fire, after what is on its way has arrived. */
async function tick(clock: FakeClock, peer: RawPeer): Promise<void> {
  const before = peer.log.length
  for (let round = 0; round < 200 && peer.log.length === before; round += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(0)
  }
}
