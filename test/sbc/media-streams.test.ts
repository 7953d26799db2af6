import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import type { TrunkMedia } from '../../src/wire/configuration.ts'
import { eventually } from '../fakes/eventually.ts'
import { MediaParty } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
const GUARD = 0x33
const SEND_EVERY_MS = 10
const IN_FLIGHT_MS = 25
const A_MOMENT_MS = 80
const PASS: TrunkMedia = { ...ANY_MEDIA, video: 'pass', t38: 'pass' }

let engine: Rtpengine
let control: RtpengineControl
let nextCall = 0

t.before(async () => {
  engine = await startRtpengine()
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
})
t.after(async () => {
  control.close()
  await engine.close()
})

/** A second stream of a party: any datagrams, on a socket of its own. */
class OtherStream {
  readonly socket: Socket
  readonly #mark: number
  heard: number[] = []
  #timer: NodeJS.Timeout | null = null

  private constructor(socket: Socket, mark: number) {
    this.socket = socket
    this.#mark = mark
    socket.on('message', (datagram) => this.heard.push(datagram.at(-1) ?? 0))
  }

  static async open(mark: number): Promise<OtherStream> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new OtherStream(socket, mark)
  }

  get port(): number {
    return this.socket.address().port
  }

  /** As RTP, when it has a payload type; else as T.38 over UDPTL. */
  sendTo(port: number, payloadType?: number): void {
    let sequence = 1
    this.#timer = setInterval(() => {
      const packet = Buffer.alloc(60, this.#mark)
      packet.writeUInt16BE((sequence += 1), payloadType === undefined ? 0 : 2)
      if (payloadType !== undefined) packet.set([0x80, payloadType])
      this.socket.send(packet, port, '127.0.0.1')
    }, SEND_EVERY_MS)
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.socket.close()
  }
}

async function streams(): Promise<{
  readonly media: MediaSession
  readonly payer: MediaParty
  readonly agent: MediaParty
  readonly payerOther: OtherStream
  readonly agentOther: OtherStream
  readonly close: () => Promise<void>
}> {
  nextCall += 1
  const media = new MediaSession({ engine: control, callId: `streams-${nextCall}` })
  const payer = await MediaParty.open({ mark: PAYER })
  const agent = await MediaParty.open({ mark: AGENT })
  const payerOther = await OtherStream.open(PAYER)
  const agentOther = await OtherStream.open(AGENT)
  return {
    media,
    payer,
    agent,
    payerOther,
    agentOther,
    close: async () => {
      for (const each of [payer, agent, payerOther, agentOther]) each.close()
      await media.delete()
    },
  }
}

function portOf(kind: string, sdp: string): number {
  return Number(new RegExp(`^m=${kind} (\\d+)`, 'm').exec(sdp)?.[1] ?? -1)
}

function video(port: number): readonly string[] {
  return [`m=video ${port} RTP/AVP 96`, 'a=rtpmap:96 H264/90000']
}

t.test('video passes where both trunks let it, stands still in a window, and goes on after it', async (t) => {
  const { media, payer, agent, payerOther, agentOther, close } = await streams()
  for (const party of ['payer', 'agent'] as const) media.use(party, PASS)
  const offered = await media.offer('payer', payer.sdp({ lines: video(payerOther.port) }), { live: false })
  const answered = await media.answer('payer', agent.sdp({ lines: video(agentOther.port) }), { live: false })
  if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('no call')
  payer.talk(answered.value)
  agent.talk(offered.value)
  payerOther.sendTo(portOf('video', answered.value), 96)
  agentOther.sendTo(portOf('video', offered.value), 96)
  await eventually(() => payerOther.heard.includes(AGENT) && agentOther.heard.includes(PAYER))
  const guard = await PlainGuard.open(GUARD)
  await guard.enter(media)
  await agent.hears(GUARD)
  await delay(IN_FLIGHT_MS)
  agentOther.heard = []
  payerOther.heard = []
  await delay(A_MOMENT_MS)
  t.same([...agentOther.heard, ...payerOther.heard], [], 'while masked, only audio flows')
  const again = await media.reofferInWindow('payer', payer.sdp({ lines: video(payerOther.port) }))
  t.equal(again.kind === 'ok' ? portOf('video', again.value) : null, 0, 'and is refused when it is offered')
  guard.speaks = false
  t.equal((await media.closeGuard()).kind, 'ok')
  await eventually(() => payerOther.heard.includes(AGENT) && agentOther.heard.includes(PAYER))
  guard.close()
  await close()
})

t.test('video that one trunk refuses is answered with port 0 and never offered', async (t) => {
  const { media, payer, agent, payerOther, close } = await streams()
  media.use('payer', PASS)
  media.use('agent', ANY_MEDIA)
  const offered = await media.offer('payer', payer.sdp({ lines: video(payerOther.port) }), { live: false })
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  t.equal(offered.kind === 'ok' ? portOf('video', offered.value) : null, -1)
  t.equal(answered.kind === 'ok' ? portOf('video', answered.value) : null, 0)
  t.ok(answered.kind === 'ok' && portOf('audio', answered.value) > 0)
  await close()
})

t.test('a call that turns to fax passes T.38 by policy, opens no window, and turns back', async (t) => {
  const { media, payer, agent, payerOther, agentOther, close } = await streams()
  for (const party of ['payer', 'agent'] as const) media.use(party, PASS)
  await media.offer('payer', payer.sdp(), { live: false })
  await media.answer('payer', agent.sdp(), { live: false })
  const fax = (sdp: string, port: number): string =>
    sdp.replace(/m=audio[^]*$/, '') + `m=image ${port} udptl t38\r\na=T38FaxVersion:0\r\n`
  const offered = await media.offer('agent', fax(agent.sdp(), agentOther.port), { live: true })
  const answered = await media.answer('agent', fax(payer.sdp(), payerOther.port), { live: true })
  if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('no fax')
  agentOther.sendTo(portOf('image', answered.value))
  payerOther.sendTo(portOf('image', offered.value))
  await eventually(() => payerOther.heard.includes(AGENT) && agentOther.heard.includes(PAYER))
  const guard = await PlainGuard.open(GUARD)
  t.same(await media.openGuard(guard.sides), { kind: 'failed', code: 'unusable' })
  t.notOk(media.isGuarded)
  await media.offer('agent', agent.sdp(), { live: true })
  t.equal((await media.answer('agent', payer.sdp(), { live: true })).kind, 'ok')
  await guard.enter(media)
  t.same(await media.reofferInWindow('agent', fax(agent.sdp(), agentOther.port)), { kind: 'failed', code: 'unusable' })
  guard.close()
  await close()
})

t.test('fax is refused where a trunk does not let it pass, and the call stays', async (t) => {
  const { media, payer, agent, close } = await streams()
  await media.offer('payer', payer.sdp(), { live: false })
  await media.answer('payer', agent.sdp(), { live: false })
  const fax = agent.sdp().replace(/m=audio[^]*$/, 'm=image 4000 udptl t38\r\n')
  t.same(await media.offer('agent', fax, { live: true }), { kind: 'failed', code: 'unusable' })
  t.equal(media.audioOf('agent')?.port, agent.port)
  await close()
})

t.test('packets of another length are asked for on both legs, and else are as the parties have them', async (t) => {
  const { media, payer, agent, close } = await streams()
  media.use('payer', { ...ANY_MEDIA, packetMs: 30 })
  const offered = await media.offer('payer', payer.sdp(), { live: false })
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  t.match(offered.kind === 'ok' ? offered.value : '', /a=ptime:30\r\n/)
  t.match(answered.kind === 'ok' ? answered.value : '', /a=ptime:30\r\n/)
  await close()
  const plain = await streams()
  const kept = await plain.media.offer('payer', plain.payer.sdp(), { live: false })
  t.match(kept.kind === 'ok' ? kept.value : '', /a=ptime:20\r\n/)
  await plain.close()
})

t.test('a leg that fails over to a trunk with other media is offered that, and talks', async (t) => {
  const { media, agent, close } = await streams()
  const payer = await MediaParty.open({ mark: PAYER, suites: ['AES_CM_128_HMAC_SHA1_80'] })
  media.use('agent', { ...ANY_MEDIA, profile: 'srtp-sdes' })
  const first = await media.offer('payer', payer.sdp(), { live: false })
  t.match(first.kind === 'ok' ? first.value : '', /RTP\/SAVP/)
  media.use('agent', ANY_MEDIA)
  const second = await media.offer('payer', payer.sdp(), { live: false })
  if (second.kind === 'failed') throw new Error('no offer')
  t.match(second.value, /RTP\/AVP/)
  const answered = await media.answer('payer', agent.answer(second.value), { live: false })
  if (answered.kind === 'failed') throw new Error('no answer')
  payer.talk(answered.value)
  agent.talk(second.value)
  await agent.hears(PAYER)
  await payer.hears(AGENT)
  const facts = await media.facts()
  t.match(facts, { value: { partiesAreDirect: true } })
  payer.close()
  await close()
})

t.end()
