import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { parseMessage } from '../../src/sipd/message-parser.ts'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { application, serve } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

/** A longer run by hand: FUZZ_CALLS=20000 FUZZ_SEED=2 TAP_TIMEOUT=3600 node test/sipd/proxy-fuzz.test.ts */
const CALLS = Number(process.env['FUZZ_CALLS'] ?? 200)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)

/** Calls that are under way together. */
const BATCH = 20

t.test(`${CALLS} calls are proxied to callees that answer anything at all`, async (t) => {
  const { below } = seededRandom(SEED)
  const limits = { t1Ms: 5, t2Ms: 20, t4Ms: 20, ringingMs: 400, closeMs: 200 }
  const { sipd, udp, metrics } = await serve(t, { limits })
  const caller = await RawPeer.udp()
  t.teardown(() => caller.close())
  const callee = createSocket('udp4').bind(0, '127.0.0.1')
  await once(callee, 'listening')
  t.teardown(() => callee.close())
  const { port } = callee.address()
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[below(items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
  callee.on('message', (bytes, from) => {
    const parsed = parseMessage(bytes)
    if (parsed.kind !== 'message' || parsed.message.kind !== 'request' || parsed.message.method === 'ACK') return
    for (let count = below(4); count > 0; count -= 1) {
      const answer = anAnswer(parsed.message, pick, below, port)
      if (below(8) === 0) answer[below(answer.length)] = below(256)
      callee.send(below(12) === 0 ? answer.subarray(0, below(answer.length)) : answer, from.port, from.address)
    }
  })
  let ordered = 0
  let done = 0
  await application(t, sipd, (srf) => {
    for (const method of ['invite', 'message'])
      srf.use(method, (request) => {
        ordered += 1
        const destinations = Array.from({ length: 1 + below(4) }, (_, index) => `sip:${index}@127.0.0.1:${port}`)
        const options = {
          forking: pick(['simultaneous', 'sequential']),
          remainInDialog: below(2) === 0,
          followRedirects: below(2) === 0,
          provisionalTimeout: pick(['', '30ms']),
          finalTimeout: pick(['', '60ms']),
        }
        const finished = (): void => void (done += 1)
        srf.proxyRequest(request, destinations as unknown as string, options).then(finished, finished)
      })
  })
  for (let call = 0; call < CALLS; call += 1) {
    const method = pick(['INVITE', 'INVITE', 'INVITE', 'MESSAGE'])
    const sent = caller.request(udp, { method, ...(method === 'INVITE' ? { body: SDP } : {}) })
    if (below(3) === 0) cancel(caller, udp, sent)
    if (call % BATCH === BATCH - 1) await eventually(() => done === call + 1)
  }
  await eventually(() => done === CALLS)
  t.equal(ordered, CALLS, 'every call reached the application, and every order ended')
  t.match(await metrics.registry.metrics(), /tonewall_sipd_faults_total\{role="sipd"\} 0/)
  caller.request(udp, { method: 'BYE' })
  await caller.nextResponse('BYE', 481)
})

function anAnswer(
  request: SipRequest,
  pick: <Item>(items: readonly Item[]) => Item,
  below: (limit: number) => number,
  port: number,
): Buffer {
  const status = pick([
    100, 180, 183, 199, 200, 202, 299, 300, 302, 380, 401, 407, 404, 408, 480, 486, 487, 500, 503, 600, 603, 699,
  ])
  const strange = pick([
    '',
    'Contact: *',
    'Contact: <<',
    `Contact: <sip:r${below(30)}@127.0.0.1:${port}>, <tel:+1>`,
    'Contact: <sips:x@y>',
  ])
  const more = pick([
    '',
    'Retry-After: 99999999999',
    'RSeq: 0',
    'Record-Route: <sip:>,,<',
    'WWW-Authenticate: Digest',
    'Via: broken',
  ])
  const copied = request.headers.filter(
    ({ key }) => ['via', 'from', 'call-id', 'cseq'].includes(key) || below(40) === 0,
  )
  const lines = [
    `SIP/2.0 ${status} Any`,
    ...copied.map(({ name, value }) => `${name}: ${value}`),
    `To: ${valueOf(request, 'to') ?? ''}${below(5) === 0 ? '' : `;tag=${below(9)}`}`,
    strange,
    more,
    `Content-Length: ${below(20) === 0 ? 99 : 0}`,
  ].filter((line) => line !== '')
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

function cancel(caller: RawPeer, to: { readonly host: string; readonly port: number }, sent: SipRequest): void {
  const headers = Object.fromEntries(['via', 'from', 'to', 'call-id'].map((key) => [key, valueOf(sent, key) ?? '']))
  caller.request(to, { method: 'CANCEL', uri: sent.uri, headers: { ...headers, cseq: '1 CANCEL', contact: '' } })
}
