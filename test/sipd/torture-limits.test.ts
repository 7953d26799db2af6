import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { BODY_BYTES_MAX, HEADERS_MAX, HEADER_BYTES_MAX, HEAD_BYTES_MAX } from '../../src/sipd/message-parser.ts'
import { eventually } from '../fakes/eventually.ts'
import { application, serve, type Served } from './application.ts'
import { overTcp, probe, registrar, ViaPeer } from './torture-peer.ts'

const DRIP_EVERY_MS = 20

t.test('a message that is larger than the limits is refused and counted, by UDP and TCP', async (t) => {
  const served = await serve(t)
  const peer = await ViaPeer.open(t)
  const ask = async (lines: string): Promise<number> => (await peer.ask(withLines(lines), served.udp)).status
  t.equal(await ask('X: a\r\n'.repeat(HEADERS_MAX - 7)), 503, 'as many as may be, and no application')
  t.equal(await ask('X: a\r\n'.repeat(HEADERS_MAX)), 513)
  t.equal(await ask(`X: ${'a'.repeat(HEADER_BYTES_MAX)}\r\n`), 513)
  t.equal(await limited(served, 'message'), 2)
  const body = withLines('')
    .toString()
    .replace('Content-Length: 0', `Content-Length: ${BODY_BYTES_MAX + 1}`)
  const { answers } = await overTcp(served.tcp, [Buffer.from(body)], { answers: 1, close: true })
  t.equal(answers[0]?.status, 413, 'before the body has come')
  const endless = await connected(t, served)
  endless.write(`OPTIONS sip:a SIP/2.0\r\nX: ${'a'.repeat(HEAD_BYTES_MAX)}`)
  await once(endless, 'close')
  t.equal(await limited(served, 'message'), 3)
})

t.test(
  'who drips a message in, byte by byte, or sends nothing, loses the connection; who sends keep-alives not',
  async (t) => {
    const served = await serve(t, { limits: { tcpMessageMs: 300, tcpFirstMessageMs: 600 } })
    const dripping = await connected(t, served)
    const bytes = probe('drip')
    let sent = 0
    const drip = setInterval(() => dripping.write(bytes.subarray(sent, (sent += 1))), DRIP_EVERY_MS)
    const alive = await connected(t, served)
    alive.write('\r\n\r\n')
    const halfOpen = await connected(t, served)
    await once(dripping, 'close')
    clearInterval(drip)
    t.ok(sent < bytes.length, 'each byte was in time, the message was not')
    await once(halfOpen, 'close')
    alive.write('\r\n')
    t.equal(await limited(served, 'slow_sender'), 1)
    t.equal(await limited(served, 'silent_connection'), 1)
    t.notOk(alive.closed)
    alive.write(probe('alive'))
    await once(alive, 'data')
    t.pass('and its next request is answered')
  },
)

t.test('one peer cannot take all connections, and all peers not more than there may be', async (t) => {
  const crowded = await serve(t, { limits: { tcpConnectionsPerPeerMax: 3, tcpConnectionsMax: 5 } })
  const sockets: Socket[] = []
  for (let count = 0; count < 4; count += 1) sockets.push(await connected(t, crowded))
  await eventually(() => sockets.filter(({ closed }) => closed).length === 1)
  t.equal(await limited(crowded, 'connections_per_peer'), 1)
  const others = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
  for (const localAddress of others) sockets.push(await connected(t, crowded, localAddress))
  await eventually(async () => (await limited(crowded, 'connections')) === 1)
  t.pass('the sixth connection is counted and closed')
})

t.test('transactions and dialogs beyond their limit are answered with 503 and counted', async (t) => {
  const served = await serve(t, { limits: { transactionsMax: 4, closeMs: 100 } })
  await application(t, served.sipd, (srf) => srf.use('options', () => undefined))
  const peer = await ViaPeer.open(t)
  for (let count = 0; count < 4; count += 1) peer.send(probe(`held-${count}`), served.udp)
  t.equal((await peer.ask(probe('one-more'), served.udp)).status, 503)
  t.equal(await limited(served, 'transactions'), 1)
  const full = await serve(t, { limits: { dialogsMax: 0, closeMs: 100 } })
  await registrar(t, full.sipd)
  const invite = Buffer.from(probe('call').toString().replaceAll('OPTIONS', 'INVITE'))
  t.equal((await peer.ask(invite, full.udp)).status, 503)
  t.equal(await limited(full, 'dialogs'), 1)
})

function withLines(lines: string): Buffer {
  return Buffer.from(probe('large').toString().replace('Content-Length', `${lines}Content-Length`))
}

async function connected(t: Test, { tcp }: Served, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ ...tcp, localAddress })
  t.teardown(() => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** How often a limit was reached, as the metrics say. */
async function limited({ metrics }: Served, limit: string): Promise<number> {
  const text = await metrics.registry.metrics()
  return Number(new RegExp(`tonewall_sipd_limited_total\\{limit="${limit}",role="sipd"\\} (\\d+)`).exec(text)?.[1] ?? 0)
}
