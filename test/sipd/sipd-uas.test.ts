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
