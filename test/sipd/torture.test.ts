import t, { type Test } from 'tap'
import { valueOf, type SipResponse } from '../../src/sipd/message.ts'
import { serve } from './application.ts'
import { RFC4475_INVALID } from './data/rfc4475-invalid.ts'
import { RFC4475_SEMANTIC } from './data/rfc4475-semantic.ts'
import { RFC4475_VALID } from './data/rfc4475-valid.ts'
import { RFC5118 } from './data/rfc5118.ts'
import type { TortureMessage } from './data/torture-message.ts'
import { onTheWire, overTcp, probe, registrar, ViaPeer } from './torture-peer.ts'

/**
 * What the RFC asks of each message: a status, or that no answer is given. The application refuses calls with 486 (so
 * that no dialog stays), registers with 200 and is the one to answer 400, 406 and 415 where the RFC means the element
 * that reads a registration or an offer.
 */
const ANSWERS: Readonly<Record<string, number | 'ignored'>> = {
  // Section 3.1.1: well formed. A To tag or a BYE of a dialog that does not exist is 481 (RFC 3261 section 12.2.2).
  wsinv: 481,
  intmeth: 501,
  esc01: 486,
  escnull: 200,
  esc02: 501,
  lwsdisp: 200,
  longreq: 486,
  dblreq: 200,
  semiuri: 200,
  transports: 200,
  mpart01: 200,
  unreason: 'ignored',
  noreason: 'ignored',
  // Section 3.1.2: malformed. baddate, badaspec and baddn may be refused or understood all the same; they are understood.
  badinv01: 400,
  clerr: 400,
  ncl: 400,
  scalar02: 400,
  scalarlg: 'ignored',
  quotbal: 400,
  ltgtruri: 400,
  lwsruri: 400,
  lwsstart: 400,
  trws: 400,
  escruri: 400,
  baddate: 486,
  regbadct: 400,
  badaspec: 200,
  baddn: 200,
  badvers: 505,
  mismatch01: 400,
  mismatch02: 400,
  bigcode: 'ignored',
  // Sections 3.2 to 3.4.
  badbranch: 200,
  insuf: 400,
  unkscm: 416,
  novelsc: 416,
  unksm2: 400,
  bext01: 420,
  invut: 415,
  regaut01: 200,
  multi01: 400,
  mcl01: 400,
  bcast: 'ignored',
  zeromf: 200,
  cparam01: 200,
  cparam02: 200,
  regescrt: 200,
  sdp01: 406,
  inv2543: 486,
  // RFC 5118.
  'ipv6-good': 200,
  'ipv6-bad': 400,
  'port-ambiguous': 200,
  'port-unambiguous': 200,
  'via-received-param-with-delim': 481,
  'via-received-param-no-delim': 200,
  'ipv6-in-sdp': 486,
  'mult-ip-in-header': 481,
  'mult-ip-in-sdp': 486,
  'ipv4-mapped-ipv6': 486,
  'ipv6-bug-abnf-3-colons': 200,
  'ipv6-correct-abnf-2-colons': 200,
}

const RFC4475 = [...RFC4475_VALID, ...RFC4475_INVALID, ...RFC4475_SEMANTIC]

/** It has method, branch and sent-by of the message before it, so a server that remembers takes it for a repetition. */
const SAME_BRANCH = RFC4475_SEMANTIC.find(({ name }) => name === 'cparam02')

/** Their Content-Length cannot be believed, so a stream with them cannot be cut (RFC 4475 sections 3.1.2.3 and 3.3.9). */
const CLOSES_A_STREAM = new Set(['ncl', 'mcl01'])

const NO_FAULTS = /tonewall_sipd_faults_total\{role="sipd"\} 0/

t.test('every message of RFC 4475 over UDP is answered as the RFC asks', async (t) => {
  const { sipd, udp, metrics } = await serve(t, { limits: { closeMs: 100 } })
  const bodies = await registrar(t, sipd)
  const peer = await ViaPeer.open(t)
  for (const message of RFC4475) if (message !== SAME_BRANCH) await checkOverUdp(t, message, { peer, udp })
  t.notOk(
    peer.finals.some((answer) => valueOf(answer, 'call-id')?.startsWith('dblreq.0ha0isnda977') === true),
    'what stands behind the body in a datagram is no message (section 3.1.1.8)',
  )
  t.ok((bodies.get('3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..') ?? 0) >= 553, 'a body with NULs is whole')
  t.match(await metrics.registry.metrics(), NO_FAULTS)
})

t.test('every message of RFC 5118 over UDP is answered as the RFC asks', async (t) => {
  const peer = await ViaPeer.open(t)
  t.ok(SAME_BRANCH)
  for (const message of [...RFC5118, ...(SAME_BRANCH === undefined ? [] : [SAME_BRANCH])]) {
    // Several are the same transaction for a server that remembers, so each gets a server of its own.
    await t.test(message.name, async (t) => {
      const { sipd, udp, metrics } = await serve(t, { limits: { closeMs: 100 } })
      await registrar(t, sipd)
      await checkOverUdp(t, message, { peer, udp })
      t.match(await metrics.registry.metrics(), NO_FAULTS)
    })
  }
})

t.test('every message over TCP is answered as its RFC asks, and a stream that cannot be cut is closed', async (t) => {
  const { sipd, tcp, metrics } = await serve(t, { limits: { closeMs: 100 } })
  await registrar(t, sipd)
  for (const message of [...RFC4475, ...RFC5118]) {
    // The rest of its body never comes: over a stream this is a slow sender, and ends as such.
    if (message.name === 'clerr') continue
    const bytes = onTheWire(message)
    const ignored = ANSWERS[message.name] === 'ignored'
    const close = CLOSES_A_STREAM.has(message.name)
    const { answers, closed } = await overTcp(tcp, ignored ? [bytes, probe('after')] : [bytes], { answers: 1, close })
    if (ignored) t.same(answers.map(callId), ['after'], `${message.section} ${message.name} is ignored`)
    else t.equal(answers[0]?.status, ANSWERS[message.name], `${message.section} ${message.name}`)
    t.equal(closed, close, `${message.section} ${message.name} and its connection`)
  }
  t.match(await metrics.registry.metrics(), NO_FAULTS)
})

t.test('in a stream, what stands behind a body is the next message', async (t) => {
  const { sipd, tcp } = await serve(t)
  await registrar(t, sipd)
  const { answers } = await overTcp(tcp, [named('dblreq')], { answers: 2, close: false })
  t.same(answers.map(({ status }) => status).sort(), [200, 486])
})

t.test('two requests whose branch is the bare cookie are two transactions', async (t) => {
  const { sipd, udp } = await serve(t)
  await registrar(t, sipd)
  const peer = await ViaPeer.open(t)
  const first = named('badbranch')
  t.match(callId(await peer.ask(first, udp)), /^badbranch/)
  const second = Buffer.from(first.toString('latin1').replace('Call-ID: bad', 'Call-ID: other'), 'latin1')
  t.match(callId(await peer.ask(second, udp)), /^otherbranch/)
})

t.test('a refusal without a transaction has the same To tag each time, and names what is not supported', async (t) => {
  const { tcp } = await serve(t)
  const { answers } = await overTcp(tcp, [named('bext01'), named('bext01')], { answers: 2, close: false })
  const tags = answers.map((answer) => /;tag=([0-9a-f]{16})$/.exec(valueOf(answer, 'to') ?? '')?.[1])
  t.ok(tags[0])
  t.equal(tags[0], tags[1])
  t.same(answers.map((answer) => valueOf(answer, 'unsupported'))[0]?.split(', '), [
    'nothingSupportsThis',
    'nothingSupportsThisEither',
    'noProxiesSupportThis',
    'norDoAnyProxiesSupportThis',
  ])
})

async function checkOverUdp(
  t: Test,
  message: TortureMessage,
  to: { readonly peer: ViaPeer; readonly udp: { readonly host: string; readonly port: number } },
): Promise<void> {
  const expected = ANSWERS[message.name]
  const title = `${message.section} ${message.name}`
  if (expected !== 'ignored') {
    t.equal((await to.peer.ask(onTheWire(message), to.udp)).status, expected, title)
    return
  }
  // What is ignored is followed by something that is not: when that is answered, the time to answer is over.
  const before = to.peer.finals.length
  to.peer.send(onTheWire(message), to.udp)
  await to.peer.ask(probe(`after-${message.name}`), to.udp)
  t.same(to.peer.finals.slice(before).map(callId), [`after-${message.name}`], `${title} is ignored`)
}

function callId(answer: SipResponse): string | undefined {
  return valueOf(answer, 'call-id')
}

function named(name: string): Buffer {
  const message = RFC4475.find((candidate) => candidate.name === name)
  if (message === undefined) throw new Error('no such message')
  return onTheWire(message)
}
