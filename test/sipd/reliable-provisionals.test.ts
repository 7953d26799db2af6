import t, { type Test } from 'tap'
import { valueOf, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { application, serve, type AppDialog, type AppRequest, type AppResponse } from './application.ts'
import { FakeClock } from './fake-clock.ts'
import { RawPeer, SDP } from './raw-peer.ts'

type Answering = (request: AppRequest, response: AppResponse) => void

/** A sipd with a clock of the test's own, a caller, and an application that answers as told. */
async function called(t: Test, answer: Answering) {
  const clock = new FakeClock()
  const { sipd, udp } = await serve(t, { clock, limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd, (srf) => srf.invite(answer))
  return { clock, peer, udp, srf }
}

const RELIABLE = { headers: { Require: '100rel' }, body: SDP }

function prack(early: SipResponse, cseq = 1): Record<string, string> {
  return { rack: `${valueOf(early, 'rseq') ?? ''} ${cseq} INVITE` }
}

function ofStatus(peer: RawPeer, status: number): SipResponse[] {
  return peer.log.filter((message): message is SipResponse => message.kind === 'response' && message.status === status)
}

t.test(
  'a reliable 183 is repeated with doubled pauses; without PRACK the call ends with 504 after 64 * T1',
  async (t) => {
    const { clock, peer, udp } = await called(t, (_, response) => response.send(183, RELIABLE))
    peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
    const first = await peer.nextResponse('INVITE', 183)
    t.equal(valueOf(first, 'require'), '100rel')
    for (const pauseMs of [500, 1_000, 2_000, 4_000, 8_000]) {
      clock.advance(pauseMs - 1)
      clock.advance(1)
      t.same((await peer.nextResponse('INVITE', 183)).headers, first.headers, `again after ${pauseMs} ms`)
    }
    clock.advance(32_000 - 15_500)
    t.equal((await peer.nextResponse('INVITE', 300, 699)).status, 504)
    t.equal(ofStatus(peer, 183).length, 7, 'at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s')
  },
)

t.test(
  'a 2xx waits for the PRACK of a reliable 183 with a description, and the application need not know',
  async (t) => {
    let dialogs: (dialog: AppDialog) => void = () => undefined
    const answered = new Promise<AppDialog>((resolve) => (dialogs = resolve))
    const { peer, udp, srf } = await called(t, (request, response) => {
      response.send(183, RELIABLE)
      void srf.createUAS(request, response, { localSdp: SDP }).then(dialogs)
    })
    const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
    const early = await peer.nextResponse('INVITE', 183)
    const dialog = await answered
    t.equal(ofStatus(peer, 200).length, 0)
    peer.inDialog(udp, { invite, response: early }, { method: 'PRACK', cseq: 2, headers: prack(early, 7) })
    t.equal((await peer.nextResponse('PRACK', 200, 699)).status, 481, 'of another INVITE')
    t.equal(ofStatus(peer, 200).length, 0)
    peer.inDialog(udp, { invite, response: early }, { method: 'PRACK', cseq: 3, headers: prack(early) })
    await peer.nextResponse('PRACK', 200)
    const response = await peer.nextResponse('INVITE', 200)
    t.equal(valueOf(response, 'to'), valueOf(early, 'to'))
    const acked = new Promise<void>((resolve) => dialog.on('ack', () => resolve()))
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
    await acked
    peer.inDialog(udp, { invite, response }, { method: 'PRACK', cseq: 4, headers: prack(early) })
    t.equal((await peer.nextResponse('PRACK', 200, 699)).status, 481, 'acknowledged already')
  },
)

t.test('a 2xx does not wait for a reliable 180 without a description, whose PRACK may come later', async (t) => {
  const { peer, udp, srf } = await called(t, (request, response) => {
    response.send(180, { headers: { Require: '100rel' } })
    void srf.createUAS(request, response, { localSdp: SDP })
  })
  const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
  const early = await peer.nextResponse('INVITE', 180)
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  peer.inDialog(udp, { invite, response: early }, { method: 'PRACK', cseq: 2, headers: prack(early) })
  t.equal((await peer.nextResponse('PRACK', 200, 699)).status, 200)
})

t.test('the second reliable provisional waits for the PRACK of the first, and counts on', async (t) => {
  const { peer, udp } = await called(t, (_, response) => {
    response.send(183, RELIABLE)
    response.send(180, { headers: { Require: '100rel' } })
  })
  const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
  const early = await peer.nextResponse('INVITE', 183)
  peer.inDialog(udp, { invite, response: early }, { method: 'OPTIONS', cseq: 2 })
  await peer.nextResponse('OPTIONS', 200, 699)
  t.equal(ofStatus(peer, 180).length, 0)
  peer.inDialog(udp, { invite, response: early }, { method: 'PRACK', cseq: 3, headers: prack(early) })
  const ringing = await peer.nextResponse('INVITE', 180)
  t.equal(Number(valueOf(ringing, 'rseq')), Number(valueOf(early, 'rseq')) + 1)
})

for (const what of ['CANCEL', 'no PRACK'] as const) {
  t.test(`an application whose 2xx still waits hears of the end by ${what}`, async (t) => {
    let ended: (reason: unknown) => void = () => undefined
    const reason = new Promise((resolve) => (ended = resolve))
    let answered: () => void = () => undefined
    const sent = new Promise<void>((resolve) => (answered = resolve))
    const { clock, peer, udp, srf } = await called(t, (request, response) => {
      response.send(183, RELIABLE)
      void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
        dialog.once('destroy', (_, why) => ended(why))
        answered()
      })
    })
    const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { supported: '100rel' } })
    await peer.nextResponse('INVITE', 183)
    await sent
    if (what === 'CANCEL') {
      peer.request(udp, {
        method: 'CANCEL',
        headers: { via: valueOf(invite, 'via') ?? '', 'call-id': valueOf(invite, 'call-id') ?? '' },
      })
      await peer.nextResponse('CANCEL', 200)
    } else clock.advance(32_000)
    t.equal((await peer.nextResponse('INVITE', 300, 699)).status, what === 'CANCEL' ? 487 : 504)
    t.equal(await reason, what === 'CANCEL' ? 'CANCEL after 200 OK' : 'PRACK timeout')
  })
}

t.test('a peer that requires 100rel gets each provisional reliably, one that cannot gets none', async (t) => {
  const refusals: string[] = []
  let refused: () => void = () => undefined
  const heard = new Promise<void>((resolve) => (refused = resolve))
  const { peer, udp } = await called(t, (request, response) => {
    if (request.has('Require')) return response.send(180)
    response.send(183, RELIABLE, (error) => {
      refusals.push(String(error))
      response.send(486)
      refused()
    })
  })
  peer.request(udp, { method: 'INVITE', body: SDP, headers: { require: '100rel' } })
  const ringing = await peer.nextResponse('INVITE', 180)
  t.equal(valueOf(ringing, 'require'), '100rel')
  t.match(valueOf(ringing, 'rseq'), /^\d+$/)
  peer.request(udp, { method: 'INVITE', body: SDP })
  await heard
  t.same(refusals, ['Remote endpoint does not support 100rel'], 'the text of drachtio-server')
  t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 486)
})

t.test('as a caller: provisionals in order and once, each fork has its own PRACK, a 420 is passed up', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const seen: string[] = []
  const calling = srf.createUAC(
    peer.uri,
    { localSdp: SDP, headers: { Supported: '100rel' } },
    { cbProvisional: (response) => seen.push(`${response.status} ${response.get('RSeq') ?? ''}`) },
  )
  const invite = await peer.nextRequest('INVITE')
  const early = (tag: string, rseq: number): void =>
    peer.respond(invite, udp, { status: 183, tag, body: SDP, headers: { Require: '100rel', RSeq: String(rseq) } })
  early('one', 5)
  early('two', 5)
  const pracks = [await peer.nextRequest('PRACK'), await peer.nextRequest('PRACK')]
  t.same(
    pracks.map((request) => valueOf(request, 'to')?.split('tag=')[1]),
    ['one', 'two'],
    'although both forks count alike',
  )
  t.same(new Set(pracks.map((request) => valueOf(request, 'rack'))), new Set([`5 ${valueOf(invite, 'cseq') ?? ''}`]))
  early('one', 7)
  early('one', 5)
  early('one', 6)
  const third: SipRequest = await peer.nextRequest('PRACK')
  t.equal(valueOf(third, 'rack')?.split(' ')[0], '6')
  t.match(valueOf(third, 'to'), 'tag=one')
  for (const request of [...pracks, third]) peer.respond(request, udp, { status: 200 })
  t.same(seen, ['183 5', '183 5', '183 6'], '7 came before 6, and 5 twice')
  peer.respond(invite, udp, { status: 420, tag: 'one', headers: { Unsupported: '100rel' } })
  const failed: unknown = await calling.catch((error: unknown) => error)
  t.match(failed, { status: 420 })
})
