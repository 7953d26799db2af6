import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { createLogger, type LogFields } from '../../src/kit/log.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { NgProxy } from '../fakes/ng-proxy.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { freeUdpPort, startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
// The library prints late replies; in the sbc the console is silent.
Object.assign(globalThis.console, { log: () => undefined })

let engine: Rtpengine
let proxy: NgProxy
let control: RtpengineControl
let party: RtpParty

t.before(async () => {
  engine = await startRtpengine()
  party = await RtpParty.open({ mark: 1 })
})
t.beforeEach(async () => {
  proxy = await NgProxy.start(engine.port)
  control = new RtpengineControl({ host: '127.0.0.1', port: proxy.port, logger })
})
t.afterEach(() => {
  control.close()
  proxy.close()
})
t.after(async () => {
  party.close()
  await engine.close()
})

function offer(callId: string): Readonly<Record<string, unknown>> {
  return { 'call-id': callId, 'from-tag': 'payer', sdp: party.sdp() }
}

async function listed(): Promise<unknown> {
  const result = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
  return result.kind === 'ok' ? result.reply['calls'] : result.kind
}

t.test('a command is answered by the daemon', async (t) => {
  t.match(await control.request('ping', {}, { deadlineMs: 1_000 }), { kind: 'ok', reply: { result: 'pong' } })
})

t.test('an offer that is refused or stays without answer is told in the log, a forgotten call is not', async (t) => {
  const told: unknown[] = []
  const warn = ({ code, method }: LogFields) => told.push([code, method])
  const talking = new RtpengineControl({ host: '127.0.0.1', port: proxy.port, logger: { ...logger, warn } })
  t.teardown(() => talking.close())
  await talking.request('offer', { ...offer('no-sdp'), sdp: 'nonsense' }, { deadlineMs: 1_000 })
  await talking.request('query', { 'call-id': 'nobody' }, { deadlineMs: 1_000 })
  proxy.loses = () => true
  await talking.request('answer', { ...offer('no-answer'), 'to-tag': 'agent' }, { deadlineMs: 50 })
  await talking.request('ping', {}, { deadlineMs: 50 })
  t.same(told, [
    ['rtpengine_refused', 'offer'],
    ['rtpengine_silent', 'answer'],
  ])
})

t.test('a request that is lost is sent again with the same cookie', async (t) => {
  proxy.loses = ({ direction, nth }) => direction === 'request' && nth <= 2
  const result = await control.request('offer', offer('lost-request'), { deadlineMs: 2_000 })
  t.equal(result.kind, 'ok')
  t.equal(proxy.requests.length, 3)
  t.equal(proxy.cookiesOf('offer').size, 1)
})

t.test('a request whose reply is lost is answered again and done once', async (t) => {
  const replies: string[] = []
  proxy.loses = ({ direction, nth, text }) => {
    if (direction === 'reply') replies.push(text)
    return direction === 'reply' && nth === 1
  }
  const result = await control.request('offer', offer('lost-reply'), { deadlineMs: 2_000 })
  t.equal(result.kind, 'ok')
  t.equal(proxy.cookiesOf('offer').size, 1)
  t.equal(new Set(replies).size, 1, 'the same answer, ports included, from the memory of the daemon')
  proxy.loses = () => false
  t.same(((await listed()) as string[]).filter((call) => call === 'lost-reply').length, 1)
})

t.test('an error of the daemon is a refusal, and an unknown call is told apart', async (t) => {
  t.match(await control.request('query', { 'call-id': 'nobody' }, { deadlineMs: 1_000 }), {
    kind: 'refused',
    unknownCall: true,
  })
  t.match(await control.request('offer', { 'call-id': 'x', 'from-tag': 'a' }, { deadlineMs: 1_000 }), {
    kind: 'refused',
    unknownCall: false,
  })
})

t.test('a daemon that does not answer is silent at the deadline, not later', async (t) => {
  const quiet = new RtpengineControl({ host: '127.0.0.1', port: await freeUdpPort(), logger })
  const startedMs = performance.now()
  t.same(await quiet.request('ping', {}, { deadlineMs: 150 }), { kind: 'silent' })
  const tookMs = performance.now() - startedMs
  t.ok(tookMs >= 145 && tookMs < 400, 'near the deadline')
  quiet.close()
})

t.test('after the deadline nothing is sent again, since the request was given up', async (t) => {
  proxy.loses = ({ direction }) => direction === 'request'
  t.same(await control.request('offer', offer('given-up'), { deadlineMs: 60 }), { kind: 'silent' })
  proxy.loses = () => false
  const sent = proxy.requests.length
  // Longer than the resend that would have followed, at 120 ms; a request of its own proves that the wire works.
  await new Promise((resolve) => setTimeout(resolve, 250))
  t.equal(proxy.requests.length, sent)
  t.notOk(((await listed()) as string[]).includes('given-up'))
})

t.test('a reply that comes after the deadline harms nothing', async (t) => {
  let late = ''
  proxy.loses = ({ direction, text }) => {
    if (direction === 'reply') late = text
    return direction === 'reply'
  }
  t.same(await control.request('ping', {}, { deadlineMs: 20 }), { kind: 'silent' })
  await eventually(() => late !== '')
  proxy.loses = () => false
  proxy.inject(late)
  proxy.inject(late)
  proxy.inject('00000000-0000-4000-8000-000000000000 d6:result4:ponge')
  proxy.inject('no cookie and no bencode')
  t.match(await control.request('ping', {}, { deadlineMs: 1_000 }), { kind: 'ok' })
})

t.test('replies that are no bencode, or not a dictionary, leave the request unanswered', async (t) => {
  const fake = createSocket('udp4')
  fake.bind(0, '127.0.0.1')
  await once(fake, 'listening')
  const bodies = ['', 'd', 'i1e', 'le', 'd6:result', '9999999:x', '\u0000\u0001']
  let body = ''
  fake.on('message', (datagram, from) => {
    fake.send(`${datagram.toString('latin1').slice(0, 36)} ${body}`, from.port, from.address)
  })
  const client = new RtpengineControl({ host: '127.0.0.1', port: fake.address().port, logger })
  for (body of bodies) {
    const result = await client.request('ping', {}, { deadlineMs: 50 })
    t.not(result.kind, 'refused')
    if (result.kind === 'ok') t.notOk('sdp' in Object(result.reply), 'nothing that could be taken for a description')
  }
  client.close()
  fake.close()
})

t.test('close answers what is pending at once, and can be called twice', async (t) => {
  proxy.loses = () => true
  const startedMs = performance.now()
  const pending = control.request('ping', {}, { deadlineMs: 5_000 })
  control.close()
  control.close()
  t.same(await pending, { kind: 'silent' })
  t.ok(performance.now() - startedMs < 1_000)
  t.same(await control.request('ping', {}, { deadlineMs: 5_000 }), { kind: 'silent' })
})

t.end()
