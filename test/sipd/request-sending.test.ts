import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve, type AppMessage } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const LARGE_SDP = `${SDP}${'a=fmtp:96 a-long-line-of-parameters-that-some-telephones-send\r\n'.repeat(25)}`

t.test(
  'a large INVITE falls back to UDP when TCP is refused, is cancelled there, and the next goes at once',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    const srf = await application(t, sipd)
    const provisional = new Promise<AppMessage>((resolve) => {
      void srf
        .createUAC(
          peer.uri,
          { localSdp: LARGE_SDP },
          {
            cbRequest: (_, request) => {
              t.match(request.get('Via'), /SIP\/2\.0\/TCP/, 'tried by TCP first')
              void provisional.then(() => request.cancel(() => undefined))
            },
            cbProvisional: resolve,
          },
        )
        .catch(() => undefined)
    })
    const invite = await peer.nextRequest('INVITE')
    t.match(valueOf(invite, 'via'), /^SIP\/2\.0\/UDP /)
    t.equal(invite.body.toString(), LARGE_SDP)
    peer.respond(invite, udp, { status: 180, tag: 'b' })
    const cancel = await peer.nextRequest('CANCEL')
    t.equal(valueOf(cancel, 'via'), valueOf(invite, 'via'), 'CANCEL follows the INVITE that arrived')
    peer.respond(cancel, udp, { status: 200 })
    peer.respond(invite, udp, { status: 487, tag: 'b' })
    await peer.nextRequest('ACK')
    const second = srf.createUAC(
      peer.uri,
      { localSdp: LARGE_SDP },
      { cbRequest: (_, request) => void t.match(request.get('Via'), /SIP\/2\.0\/UDP/, 'the refusal is remembered') },
    )
    const again = await peer.nextRequest('INVITE')
    peer.respond(again, udp, { status: 486, tag: 'c' })
    t.match(await second.catch((error: unknown) => error), { status: 486 })
  },
)

t.test('a peer that listens on TCP at the same port gets a large INVITE there and a small BYE by UDP', async (t) => {
  const { sipd, tcp, udp } = await serve(t)
  const { stream, datagram } = await samePort()
  t.teardown(() => Promise.all([stream.close(), datagram.close()]))
  const srf = await application(t, sipd)
  const calling = srf.createUAC(datagram.uri, { localSdp: LARGE_SDP })
  const invite = await stream.nextRequest('INVITE')
  t.match(valueOf(invite, 'via'), /^SIP\/2\.0\/TCP /)
  t.notMatch(valueOf(invite, 'contact'), /transport=/, 'small requests may still come by UDP')
  const from = Number(/:(\d+);/.exec(valueOf(invite, 'via') ?? '')?.[1])
  t.equal(from, tcp.port)
  const headers = { contact: `<${datagram.uri}>` }
  stream.respond(invite, stream.lastFrom ?? tcp, { status: 200, tag: 'b', body: SDP, headers })
  const dialog = await calling
  void dialog.destroy()
  const bye = await datagram.nextRequest('BYE')
  t.match(valueOf(bye, 'via'), /^SIP\/2\.0\/UDP /)
  datagram.respond(bye, udp, { status: 200 })
})

/** Two peers on one free port, one for each transport. */
async function samePort(): Promise<{ readonly stream: RawPeer; readonly datagram: RawPeer }> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const stream = await RawPeer.tcp()
    try {
      return { stream, datagram: await RawPeer.udp('127.0.0.1', stream.address.port) }
    } catch {
      await stream.close()
    }
  }
  throw new Error('no port is free for both')
}
