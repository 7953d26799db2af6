import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { FrameDecoder } from '../../src/sipd/control-frame.ts'
import { SECRET, serve } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

/** An application that speaks the protocol by hand. */
async function raw(t: Test, address: { readonly host: string; readonly port: number }) {
  const socket = connect(address)
  await once(socket, 'connect')
  t.teardown(() => socket.destroy())
  const decoder = new FrameDecoder()
  const frames: string[] = []
  let arrived: () => void = () => undefined
  // Frames to applications may be longer than five digits of length; none here is.
  socket.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) frames.push(String(frame))
    arrived()
  })
  const closed = once(socket, 'close')
  const next = async (): Promise<string> => {
    for (;;) {
      const frame = frames.shift()
      if (frame !== undefined) return frame
      await new Promise<void>((resolve) => (arrived = resolve))
    }
  }
  const send = (text: string): boolean => socket.write(`${Buffer.byteLength(text)}#${text}`)
  const ask = async (text: string): Promise<string[]> => {
    send(text)
    return (await next()).split('\r\n', 1)[0]?.split('|').slice(1) ?? []
  }
  return { send, ask, next, closed, socket }
}

t.test('nothing is served before the secret, and a wrong one closes the connection', async (t) => {
  const { sipd, udp, tcp } = await serve(t)
  const early = await raw(t, sipd.addresses.control)
  t.same(await early.ask('1|route|invite'), ['response', '1', 'NO', 'not authenticated'])
  t.same(await early.ask('2|authenticate|wrong|'), ['response', '2', 'NO', 'incorrect secret'])
  await early.closed
  const good = await raw(t, sipd.addresses.control)
  const hostPorts = `udp/127.0.0.1:${udp.port},tcp/127.0.0.1:${tcp.port}`
  t.same(await good.ask(`1|authenticate|${SECRET}|`), ['response', '1', 'OK', hostPorts, 'v0.9.10', hostPorts])
  t.same(await good.ask('2|ping'), ['response', '2', 'OK', 'pong'])
  t.same(await good.ask('3|dance'), ['response', '3', 'NOK', 'Server error: unknown message type'])
  t.same(await good.ask('4|sip||\r\nnot sip'), ['response', '4', 'NOK', 'Server error: invalid SIP message'])
  t.same(await good.ask('5|sip|unknown|\r\nSIP/2.0 200 OK\r\n\r\n'), [
    'response',
    '5',
    'NOK',
    'Response not sent due to unknown transaction',
  ])
  t.same(await good.ask('6|sip||unknown\r\nBYE sip:placeholder SIP/2.0\r\n\r\n'), [
    'response',
    '6',
    'NOK',
    'Server error: unable to find dialog for dialog id provided',
  ])
  t.same(await good.ask('7|sip||\r\nMESSAGE sip:a@127.0.0.1 SIP/2.0\r\n\r\nhello'), [
    'response',
    '7',
    'NOK',
    'Server error: missing content-type',
  ])
  t.same(await good.ask('8|sip||\r\nOPTIONS tel:+123 SIP/2.0\r\n\r\n'), [
    'response',
    '8',
    'NOK',
    'requested protocol/transport not available',
  ])
  good.socket.write('nonsense')
  await good.closed
})

t.test(
  'new requests go round the applications that routed the verb; the text and fields are the protocol page',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    const [one, two, other] = [
      await raw(t, sipd.addresses.control),
      await raw(t, sipd.addresses.control),
      await raw(t, sipd.addresses.control),
    ]
    for (const application of [one, two, other]) await application.ask(`1|authenticate|${SECRET}|`)
    for (const application of [one, two]) t.same(await application.ask('2|route|options'), ['response', '2', 'OK'])
    t.same(await one.ask('3|route|options'), ['response', '3', 'OK'], 'srf repeats its routes')
    t.same(await other.ask('2|route|invite'), ['response', '2', 'OK'])
    for (const application of [two, one, two, one]) {
      peer.request(udp, { method: 'OPTIONS' })
      const frame = await application.next()
      const fields = frame.split('\r\n', 1)[0]?.split('|') ?? []
      t.same(fields.slice(1, 3), ['sip', 'network'])
      t.ok(Number(fields[3]) > 100, 'bytes')
      t.same(fields.slice(4, 7), ['udp', '127.0.0.1', String(peer.address.port)])
      t.match(fields[7], /^\d\d:\d\d:\d\d\.\d{6}$/)
      t.match(fields[8], /^[0-9a-f-]{36}$/)
      t.same(fields.slice(9), ['', '127.0.0.1', String(udp.port), ''])
      application.send(`9|sip|${fields[8] ?? ''}|\r\nSIP/2.0 200 OK\r\n\r\n`)
      const reply = (await application.next()).split('\r\n', 1)[0]?.split('|') ?? []
      t.same(reply.slice(1, 5), ['response', '9', 'OK', 'application'])
      t.same(reply.slice(10), [fields[8], '', '', 'Msg sent:', ''])
    }
    await one.ask('5|remove_route|options')
    for (let round = 0; round < 2; round += 1) {
      peer.request(udp, { method: 'OPTIONS' })
      t.match(await two.next(), /\|sip\|network\|/)
    }
    peer.request(udp, { method: 'INVITE', body: SDP })
    const invite = await other.next()
    const transactionId = invite.split('|')[8] ?? ''
    other.send(`8|proxy|${transactionId}||fullResponse||serial|||${peer.uri}\r\nINVITE ${peer.uri} SIP/2.0\r\n\r\n`)
    peer.respond(await peer.nextRequest('INVITE'), udp, { status: 486, tag: 'b' })
    const [final = '', ...sip] = (await other.next()).split('\r\n')
    const fields = final.split('|')
    t.same(fields.slice(1, 5), ['response', '8', 'OK', 'network'])
    t.same(fields.slice(6, 9), ['udp', '127.0.0.1', String(peer.address.port)])
    t.same(fields.slice(10), ['', '', 'continue'])
    t.match(sip[0], /^SIP\/2\.0 486 /)
    t.same((await other.next()).split('|').slice(1), ['response', '8', 'OK', 'done'])
  },
)
