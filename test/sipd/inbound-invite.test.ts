import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve, type AppDialog, type AppRequest } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`drachtio-srf answers a call over ${transport}, and both sides may hang up`, async (t) => {
    const served = await serve(t)
    const to = served[transport]
    const peer = await RawPeer[transport]()
    t.teardown(() => peer.close())
    const calls: { request: AppRequest; dialog: AppDialog; acked: Promise<void>; gone: Promise<void> }[] = []
    let onCall: () => void = () => undefined
    const srf = await application(t, served.sipd, (srf) => {
      srf.invite((request, response) => {
        void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
          const acked = new Promise<void>((resolve) => dialog.on('ack', () => resolve()))
          const gone = new Promise<void>((resolve) => dialog.on('destroy', () => resolve()))
          calls.push({ request, dialog, acked, gone })
          onCall()
        })
      })
    })
    for (const hangUp of ['peer', 'application'] as const) {
      const called = new Promise<void>((resolve) => (onCall = resolve))
      const invite = peer.request(to, { method: 'INVITE', body: SDP, headers: { 'x-note': 'kept' } })
      const trying = await peer.nextResponse('INVITE', 100)
      t.notOk(valueOf(trying, 'to')?.includes('tag='), '100 has no tag')
      const ok = await peer.nextResponse('INVITE', 200)
      t.equal(valueOf(ok, 'content-type'), 'application/sdp')
      t.match(
        valueOf(ok, 'contact'),
        transport === 'tcp' ? `<sip:127.0.0.1:${to.port};transport=tcp>` : `<sip:127.0.0.1:${to.port}>`,
      )
      await called
      const call = calls.at(-1)
      if (call === undefined) throw new Error('no call')
      t.equal(call.request.get('X-Note'), 'kept')
      t.equal(call.request.source_port, peer.transport === 'udp' ? peer.address.port : call.request.source_port)
      t.equal(call.request.receivedOn, `127.0.0.1:${to.port}`)
      t.equal(call.dialog.id, `${valueOf(invite, 'call-id') ?? ''};from-tag=from${peer.address.port}`)
      peer.inDialog(to, { invite, response: ok }, { method: 'ACK', cseq: 1 })
      await call.acked
      if (hangUp === 'peer') {
        peer.inDialog(to, { invite, response: ok }, { method: 'BYE', cseq: 2 })
        await Promise.all([peer.nextResponse('BYE', 200), call.gone])
        peer.inDialog(to, { invite, response: ok }, { method: 'BYE', cseq: 3 })
        await peer.nextResponse('BYE', 481)
      } else {
        const done = call.dialog.destroy({ headers: { 'X-Reason': 'test' } })
        const bye = await peer.nextRequest('BYE')
        t.equal(valueOf(bye, 'x-reason'), 'test')
        t.equal(bye.uri, peer.uri)
        peer.respond(bye, to, { status: 200 })
        await done
      }
    }
    t.ok(srf)
  })
}

t.test(
  'an UPDATE before the answer reaches the application under the transaction of its INVITE, and gets its own answer',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    await application(t, sipd, (srf) => {
      srf.invite((request, response) => {
        request.on('update', (_, answer) => {
          answer.send(200, { body: SDP })
          response.send(200, { body: SDP })
        })
        response.send(183, { body: SDP })
      })
    })
    const invite = peer.request(udp, { method: 'INVITE', body: SDP })
    const early = await peer.nextResponse('INVITE', 183)
    peer.inDialog(udp, { invite, response: early }, { method: 'UPDATE', cseq: 2, body: SDP })
    const updated = await peer.nextResponse('UPDATE', 200)
    t.equal(updated.body.toString(), SDP)
    t.ok(valueOf(updated, 'contact'))
    const response = await peer.nextResponse('INVITE', 200)
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
    peer.inDialog(udp, { invite, response }, { method: 'BYE', cseq: 3 })
    await peer.nextResponse('BYE', 404)
  },
)

t.test(
  'a re-INVITE that is refused leaves the dialog; REFER, OPTIONS, NOTIFY, MESSAGE and UPDATE pass in both directions',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    let answered: (dialog: AppDialog) => void = () => undefined
    const dialogReady = new Promise<AppDialog>((resolve) => (answered = resolve))
    const seen: string[] = []
    await application(t, sipd, (srf) => {
      srf.invite((request, response) => {
        void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
          dialog.on('modify', (_, answer) => answer.send(488))
          for (const method of ['refer', 'options', 'notify', 'message', 'update']) {
            dialog.on(method, (received, answer) => {
              seen.push(received.method)
              answer.send(202)
            })
          }
          answered(dialog)
        })
      })
    })
    const invite = peer.request(udp, {
      method: 'INVITE',
      body: SDP,
      headers: { 'record-route': `<sip:127.0.0.1:${peer.address.port};lr>` },
    })
    const response = await peer.nextResponse('INVITE', 200)
    t.equal(valueOf(response, 'record-route'), `<sip:127.0.0.1:${peer.address.port};lr>`)
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
    const dialog = await dialogReady
    peer.inDialog(udp, { invite, response }, { method: 'INVITE', cseq: 2, body: `${SDP}a=new\r\n` })
    t.equal((await peer.nextResponse('INVITE', 488)).status, 488)
    let cseq = 3
    for (const method of ['REFER', 'OPTIONS', 'NOTIFY', 'MESSAGE', 'UPDATE']) {
      peer.inDialog(
        udp,
        { invite, response },
        {
          method,
          cseq,
          headers: { 'refer-to': '<sip:x@127.0.0.1>', event: 'refer', 'subscription-state': 'terminated' },
        },
      )
      t.equal((await peer.nextResponse(method, 202)).status, 202, method)
      cseq += 1
      const asking = dialog.request({
        method,
        headers: { 'Refer-To': '<sip:x@127.0.0.1>', Event: 'refer', 'Subscription-State': 'active' },
      })
      const asked = await peer.nextRequest(method)
      t.equal(valueOf(asked, 'route'), `<sip:127.0.0.1:${peer.address.port};lr>`)
      peer.respond(asked, udp, { status: 202 })
      t.equal((await asking).status, 202, method)
    }
    t.same(seen, ['REFER', 'OPTIONS', 'NOTIFY', 'MESSAGE', 'UPDATE'])
    const leaving = dialog.destroy()
    const challenged = await peer.nextRequest('BYE')
    peer.respond(challenged, udp, { status: 407 })
    await leaving
    peer.inDialog(udp, { invite, response }, { method: 'BYE', cseq })
    t.not((await peer.nextResponse('BYE', 200, 499)).status, 481, 'a challenged BYE leaves the dialog')
  },
)

t.test('call records reach the application that asked for them', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const records: unknown[] = []
  const stopped = new Promise<void>((resolve) => {
    void application(t, sipd, (srf) => {
      srf.on('cdr:attempt', (source) => records.push(['attempt', source]))
      srf.on('cdr:start', (source, _, role) => records.push(['start', source, role]))
      srf.on('cdr:stop', (source, _, reason) => {
        records.push(['stop', source, reason])
        resolve()
      })
      srf.invite((request, response) => void srf.createUAS(request, response, { localSdp: SDP }))
    }).then(async () => {
      const invite = peer.request(udp, { method: 'INVITE', body: SDP })
      const response = await peer.nextResponse('INVITE', 200)
      peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
      peer.inDialog(udp, { invite, response }, { method: 'BYE', cseq: 2 })
    })
  })
  await stopped
  t.same(records, [
    ['attempt', 'network'],
    ['start', 'application', 'uas'],
    ['stop', 'network', 'normal-release'],
  ])
})
