import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import type { MediaFacts } from '../../src/sbc/media-facts.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import type { Address } from '../../src/wire/guard-protocol.ts'
import { eventually } from '../fakes/eventually.ts'
import { isCloseOffer, NgProxy } from '../fakes/ng-proxy.ts'
import { audioPort, RtpParty, type PartyCodec } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
const GUARD = 0x33
const THIRD = 0x44

let engine: Rtpengine
let proxy: NgProxy
let control: RtpengineControl
let nextCall = 0

t.before(async () => {
  engine = await startRtpengine()
  proxy = await NgProxy.start(engine.port)
  control = new RtpengineControl({ host: '127.0.0.1', port: proxy.port, logger })
})
t.afterEach(() => {
  proxy.loses = () => false
})
t.after(async () => {
  control.close()
  proxy.close()
  await engine.close()
})

type TestCall = {
  readonly media: MediaSession
  readonly callId: string
  readonly payer: RtpParty
  readonly agent: RtpParty
  readonly payerTold: string
  readonly agentTold: string
  close(): Promise<void>
}

async function setUp(
  options: { readonly payer?: PartyCodec; readonly agent?: PartyCodec; readonly talking?: boolean } = {},
): Promise<TestCall> {
  const payer = await RtpParty.open({ mark: PAYER, codec: options.payer ?? 'PCMU' })
  const agent = await RtpParty.open({ mark: AGENT, codec: options.agent ?? options.payer ?? 'PCMU' })
  nextCall += 1
  const callId = `call-${nextCall}`
  const media = new MediaSession({ engine: control, callId })
  const offered = await media.offer('payer', payer.sdp(), { live: false })
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('the call was not set up')
  if (options.talking !== false) {
    payer.sendTo(answered.value)
    agent.sendTo(offered.value)
  }
  return {
    media,
    callId,
    payer,
    agent,
    payerTold: answered.value,
    agentTold: offered.value,
    close: async () => {
      payer.close()
      agent.close()
      await media.delete()
    },
  }
}

/** Two sockets that answer what they hear with the guard's own mark, towards where rtpengine says. */
class PlainGuard {
  readonly #sockets: { readonly payer: Socket; readonly agent: Socket }
  #targets: { readonly payer: Address; readonly agent: Address } | null = null
  readonly types = new Set<number>()
  readonly heard = { payer: 0, agent: 0 }
  speaks = true

  private constructor(sockets: { readonly payer: Socket; readonly agent: Socket }) {
    this.#sockets = sockets
    for (const side of ['payer', 'agent'] as const) {
      const other = side === 'payer' ? 'agent' : 'payer'
      sockets[side].on('message', (datagram) => {
        this.types.add((datagram[1] ?? 0) & 0x7f)
        this.heard[side] += 1
        const target = this.#targets?.[other]
        if (target === undefined || !this.speaks) return
        datagram.fill(GUARD, 12)
        sockets[other].send(datagram, target.port, target.host)
      })
    }
  }

  static async open(): Promise<PlainGuard> {
    const sockets = { payer: createSocket('udp4'), agent: createSocket('udp4') }
    for (const socket of Object.values(sockets)) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return new PlainGuard(sockets)
  }

  get sides(): { readonly payer: Address; readonly agent: Address } {
    return {
      payer: { host: '127.0.0.1', port: this.#sockets.payer.address().port },
      agent: { host: '127.0.0.1', port: this.#sockets.agent.address().port },
    }
  }

  async enter(media: MediaSession): Promise<void> {
    const opened = await media.openGuard(this.sides)
    if (opened.kind === 'failed') throw new Error('the guard was not taken in')
    this.#targets = opened.value
  }

  close(): void {
    for (const socket of Object.values(this.#sockets)) socket.close()
  }
}

async function factsOf(media: MediaSession): Promise<MediaFacts> {
  const facts = await media.facts()
  if (facts.kind === 'failed') throw new Error('no facts')
  return facts.value
}

async function isKnown(callId: string): Promise<boolean> {
  return (await control.request('query', { 'call-id': callId }, { deadlineMs: 1_000 })).kind === 'ok'
}

for (const codec of ['PCMU', 'PCMA', 'G722'] as const) {
  t.test(`${codec}: the guard comes between and goes, twice, without a port that a party would see`, async (t) => {
    const call = await setUp({ payer: codec })
    const { media, payer, agent } = call
    await agent.hears((heard) => heard.mark === PAYER)
    await payer.hears((heard) => heard.mark === AGENT)
    t.match(await factsOf(media), { guardIsBetween: false, partiesAreDirect: true })
    const law = codec === 'PCMA' ? 8 : 0
    t.equal(media.guardCodec, codec === 'PCMA' ? 'PCMA' : 'PCMU')
    t.equal(media.isTranscodedInWindow, codec === 'G722')
    for (let window = 0; window < 2; window += 1) {
      const guard = await PlainGuard.open()
      await guard.enter(media)
      t.ok(media.isGuarded)
      const openedMs = performance.now()
      await eventually(async () => (await factsOf(media)).packetsFrom.guardAgent > 3)
      t.match(await factsOf(media), { guardIsBetween: true, partiesAreDirect: false })
      t.ok(guard.heard.payer > 0 && guard.heard.agent > 0)
      t.same([...guard.types], [law], 'the guard hears its own law only')
      await delay(40)
      t.notOk(agent.marksSince(openedMs + 25).has(PAYER), 'nothing of the payer bypasses the guard')
      t.notOk(payer.marksSince(openedMs + 25).has(AGENT))
      guard.speaks = false
      t.same(await media.closeGuard(), { kind: 'ok', value: null })
      t.notOk(media.isGuarded)
      guard.speaks = true
      const closedMs = performance.now()
      await agent.hears((heard) => heard.mark === PAYER)
      await payer.hears((heard) => heard.mark === AGENT)
      t.match(await factsOf(media), { guardIsBetween: false, partiesAreDirect: true })
      t.notOk(agent.marksSince(closedMs).has(GUARD), 'what the guard still says reaches nobody')
      guard.close()
    }
    t.same(
      new Set([...payer.heard, ...agent.heard].map((heard) => heard.fromPort)),
      new Set([audioPort(call.payerTold), audioPort(call.agentTold)]),
      'both parties heard from one port all the time',
    )
    await call.close()
  })
}

t.test('the counts of a query are the packets that were sent', async (t) => {
  const call = await setUp({ talking: false })
  for (let sent = 0; sent < 7; sent += 1) call.payer.sendOne(audioPort(call.payerTold))
  for (let sent = 0; sent < 4; sent += 1) call.agent.sendOne(audioPort(call.agentTold))
  await eventually(async () => {
    const { packetsFrom } = await factsOf(call.media)
    return packetsFrom.payer === 7 && packetsFrom.agent === 4
  })
  t.match(await factsOf(call.media), { packetsFrom: { payer: 7, agent: 4, guardPayer: 0, guardAgent: 0 } })
  await call.close()
})

t.test('another guard takes the place of a dead one on the same ports', async (t) => {
  const call = await setUp()
  const first = await PlainGuard.open()
  await first.enter(call.media)
  await eventually(() => first.heard.payer > 2)
  first.close()
  const deadMs = performance.now()
  const second = await PlainGuard.open()
  await second.enter(call.media)
  await call.agent.hears((heard) => heard.mark === GUARD)
  t.notOk(call.agent.marksSince(deadMs).has(PAYER), 'between the two the agent hears nothing of the payer')
  second.speaks = false
  t.equal((await call.media.closeGuard()).kind, 'ok')
  await call.agent.hears((heard) => heard.mark === PAYER)
  second.close()
  await call.close()
})

t.test('hold and resume in a window keep the guard between and the port', async (t) => {
  const call = await setUp()
  const { media, agent, payer } = call
  const guard = await PlainGuard.open()
  await guard.enter(media)
  await eventually(() => guard.heard.payer > 2)
  const openedMs = performance.now() + 25
  for (const [direction, mirrored] of [
    ['sendonly', 'recvonly'],
    ['inactive', 'inactive'],
    ['sendrecv', 'sendrecv'],
  ] as const) {
    for (const [party, side, told] of [
      ['agent', agent, call.agentTold],
      ['payer', payer, call.payerTold],
    ] as const) {
      const answered = await media.reofferInWindow(party, side.sdp({ direction }))
      t.equal(answered.kind, 'ok')
      if (answered.kind === 'ok') {
        t.equal(readAudio(answered.value)?.direction, mirrored)
        t.equal(audioPort(answered.value), audioPort(told))
      }
      t.equal((await factsOf(media)).guardIsBetween, true, `${party} ${direction}`)
    }
  }
  await agent.hears((heard) => heard.mark === GUARD)
  t.notOk(agent.marksSince(openedMs).has(PAYER), 'no moment of it unmasked')
  guard.speaks = false
  t.equal((await media.closeGuard()).kind, 'ok')
  await agent.hears((heard) => heard.mark === PAYER)
  guard.close()
  await call.close()
})

t.test('a party that changes its codec in a window is transcoded; the guard keeps the law it was told', async (t) => {
  const call = await setUp({ payer: 'PCMA' })
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  await eventually(() => guard.heard.payer > 2)
  const moved = await RtpParty.open({ mark: AGENT, codec: 'PCMU' })
  t.equal((await call.media.reofferInWindow('agent', moved.sdp())).kind, 'ok')
  t.equal(call.media.guardCodec, 'PCMA')
  call.agent.stop()
  moved.sendTo(call.agentTold)
  await moved.hears((heard) => heard.type === 0)
  t.same([...guard.types], [8])
  t.equal(call.agent.marksSince(0).has(GUARD), true)
  guard.speaks = false
  t.equal((await call.media.closeGuard()).kind, 'ok')
  await moved.hears((heard) => heard.type === 0)
  guard.close()
  moved.close()
  await call.close()
})

t.test('a third party that sends to a port in a window is neither heard nor answered', async (t) => {
  const call = await setUp()
  // rtpengine learns endpoints for the first 3 s of a stream; what is tested is that a window does not reopen that.
  await delay(3_200)
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  await call.agent.hears((heard) => heard.mark === GUARD)
  const third = await RtpParty.open({ mark: THIRD })
  for (let sent = 0; sent < 25; sent += 1) {
    third.sendOne(audioPort(call.payerTold))
    third.sendOne(audioPort(call.agentTold))
    await delay(4)
  }
  const before = await factsOf(call.media)
  await call.agent.hears((heard) => heard.mark === GUARD)
  await call.payer.hears((heard) => heard.mark === GUARD)
  t.equal(third.heard.length, 0, 'the stream was not taken over')
  t.ok(before.guardIsBetween)
  guard.speaks = false
  await call.media.closeGuard()
  for (let sent = 0; sent < 25; sent += 1) {
    third.sendOne(audioPort(call.payerTold))
    await delay(4)
  }
  await call.agent.hears((heard) => heard.mark === PAYER)
  t.notOk(call.agent.marksSince(0).has(THIRD))
  t.notOk(call.payer.marksSince(0).has(THIRD))
  t.equal(third.heard.length, 0)
  third.close()
  guard.close()
  await call.close()
})

t.test('a close that fails half-way is told as failed, and the guard can be put back', async (t) => {
  const call = await setUp()
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  await eventually(() => guard.heard.payer > 2)
  guard.speaks = false
  const parties = (text: string) => text.includes('8:from-tag5:payer') && text.includes('6:to-tag5:agent')
  proxy.loses = ({ direction, command, text }) => direction === 'request' && command === 'answer' && parties(text)
  t.same(await call.media.closeGuard(), { kind: 'failed', code: 'silent' })
  t.ok(call.media.isGuarded, 'as long as it is not sure, the window is not over')
  proxy.loses = () => false
  await guard.enter(call.media)
  guard.speaks = true
  const backMs = performance.now() + 25
  await call.agent.hears((heard) => heard.mark === GUARD)
  t.match(await factsOf(call.media), { guardIsBetween: true })
  t.notOk(call.agent.marksSince(backMs).has(PAYER))
  guard.speaks = false
  t.equal((await call.media.closeGuard()).kind, 'ok')
  await call.agent.hears((heard) => heard.mark === PAYER)
  guard.close()
  await call.close()
})

t.test('a close offer that was given up does not reach the daemon later', async (t) => {
  const call = await setUp()
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  proxy.loses = (seen) => seen.direction === 'request' && isCloseOffer(seen)
  t.same(await call.media.closeGuard(), { kind: 'failed', code: 'silent' })
  proxy.loses = () => false
  await delay(900)
  t.match(await factsOf(call.media), { guardIsBetween: true })
  guard.close()
  await call.close()
})

t.test('a description without usable audio changes nothing', async (t) => {
  const call = await setUp({ talking: false })
  const before = call.media.sdpOf('payer')
  t.same(await call.media.offer('payer', 'v=0\r\n', { live: true }), { kind: 'failed', code: 'unusable' })
  t.same(await call.media.answer('payer', '', { live: true }), { kind: 'failed', code: 'unusable' })
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  t.same(await call.media.reofferInWindow('payer', 'nonsense'), { kind: 'failed', code: 'unusable' })
  t.equal(call.media.sdpOf('payer'), before)
  guard.close()
  await call.close()
})

t.test('an offer that fails leaves the description of the party as it was', async (t) => {
  const call = await setUp({ talking: false })
  const before = call.media.sdpOf('agent')
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  proxy.loses = ({ command, text, direction }) =>
    direction === 'request' && command === 'offer' && text.includes('8:from-tag5:agent')
  t.same(await call.media.reofferInWindow('agent', call.agent.sdp({ direction: 'sendonly' })), {
    kind: 'failed',
    code: 'silent',
  })
  t.equal(call.media.sdpOf('agent'), before)
  t.match(await factsOf(call.media), { guardIsBetween: true })
  guard.close()
  await call.close()
})

t.test('while a guard is between, an offer or answer between the parties is a broken assumption', async (t) => {
  const call = await setUp({ talking: false })
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  await t.rejects(call.media.offer('payer', call.payer.sdp(), { live: true }))
  await t.rejects(call.media.answer('payer', call.agent.sdp(), { live: true }))
  guard.close()
  await call.close()
})

t.test('a call that rtpengine has lost is gone, whatever is asked of it, and nothing of it is left', async (t) => {
  const call = await setUp()
  await control.request('delete', { 'call-id': call.callId, 'delete delay': 0 }, { deadlineMs: 1_000 })
  t.same(await call.media.facts(), { kind: 'failed', code: 'gone' })
  t.same(await call.media.offer('agent', call.agent.sdp(), { live: true }), { kind: 'failed', code: 'gone' })
  const guard = await PlainGuard.open()
  t.same(await call.media.openGuard(guard.sides), { kind: 'failed', code: 'gone' })
  t.same(await call.media.closeGuard(), { kind: 'failed', code: 'gone' })
  t.equal((await call.media.delete()).kind, 'ok')
  t.notOk(await isKnown(call.callId))
  guard.close()
  await call.close()
})

t.test('a call of an rtpengine that was restarted is gone', async (t) => {
  const first = await startRtpengine()
  const own = new RtpengineControl({ host: '127.0.0.1', port: first.port, logger })
  const payer = await RtpParty.open({ mark: PAYER })
  const media = new MediaSession({ engine: own, callId: 'restart' })
  await media.offer('payer', payer.sdp(), { live: false })
  await media.answer('payer', payer.sdp(), { live: false })
  await first.close()
  t.same(await media.facts(), { kind: 'failed', code: 'silent' })
  const second = await startRtpengine({ port: first.port })
  t.same(await media.facts(), { kind: 'failed', code: 'gone' })
  const guard = await PlainGuard.open()
  t.same(await media.openGuard(guard.sides), { kind: 'failed', code: 'gone' })
  guard.close()
  payer.close()
  own.close()
  await second.close()
})

t.test('a delete ends the call also when an open was under way, which could make it anew', async (t) => {
  for (let round = 0; round < 10; round += 1) {
    const call = await setUp({ talking: false })
    const guard = await PlainGuard.open()
    const opening = call.media.openGuard(guard.sides)
    if (round % 2 === 1) await delay(round / 5)
    await call.media.delete()
    await opening
    t.notOk(await isKnown(call.callId))
    t.same(await call.media.facts(), { kind: 'failed', code: 'gone' }, 'nothing is sent for a deleted session')
    guard.close()
    await call.close()
  }
})

t.test('a call that only rings is deleted too', async (t) => {
  const payer = await RtpParty.open({ mark: PAYER })
  const media = new MediaSession({ engine: control, callId: 'ringing' })
  t.equal((await media.offer('payer', payer.sdp(), { live: false })).kind, 'ok')
  t.ok(await isKnown('ringing'))
  t.equal((await media.delete()).kind, 'ok')
  t.notOk(await isKnown('ringing'))
  payer.close()
})

t.test('a leg that is heard from another address than it said is followed there in a window', async (t) => {
  const call = await setUp({ talking: false })
  // The payer said one port and sends from another, as behind NAT.
  const behindNat = await RtpParty.open({ mark: PAYER })
  behindNat.sendTo(call.payerTold)
  call.agent.sendTo(call.agentTold)
  await behindNat.hears((heard) => heard.mark === AGENT)
  await call.agent.hears((heard) => heard.mark === PAYER)
  // What it says of itself in a hold is what it said first.
  const holdAndResume = async () => {
    for (const direction of ['sendonly', 'sendrecv']) {
      const said = call.payer.sdp().replace('a=sendrecv', `a=${direction}`)
      t.equal((await call.media.offer('payer', said, { live: true })).kind, 'ok')
      t.equal((await call.media.answer('payer', call.agent.sdp(), { live: true })).kind, 'ok')
    }
    await behindNat.hears((heard) => heard.mark === AGENT)
    await call.agent.hears((heard) => heard.mark === PAYER)
  }
  await holdAndResume()
  t.match(call.media.audioOf('payer'), { host: '127.0.0.1', port: behindNat.port })
  const guard = await PlainGuard.open()
  await guard.enter(call.media)
  await behindNat.hears((heard) => heard.mark === GUARD)
  guard.speaks = false
  await call.media.closeGuard()
  await behindNat.hears((heard) => heard.mark === AGENT)
  await holdAndResume()
  guard.close()
  behindNat.close()
  await call.close()
})

t.test('a leg that moves to another address behind NAT is heard from there too', async (t) => {
  const call = await setUp()
  await call.agent.hears((heard) => heard.mark === PAYER)
  // It says one port of two that are not its own in the end.
  const [said, behindNat] = [await RtpParty.open({ mark: THIRD }), await RtpParty.open({ mark: THIRD })]
  t.equal((await call.media.offer('payer', said.sdp(), { live: true })).kind, 'ok')
  t.equal((await call.media.answer('payer', call.agent.sdp(), { live: true })).kind, 'ok')
  call.payer.close()
  behindNat.sendTo(call.payerTold)
  await call.agent.hears((heard) => heard.mark === THIRD)
  await behindNat.hears((heard) => heard.mark === AGENT)
  for (const party of [said, behindNat]) party.close()
  await call.close()
})

t.end()
