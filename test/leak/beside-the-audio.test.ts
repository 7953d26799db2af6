import t, { type Test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { startGuard } from '../../src/cde/guard/guard.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { eventually } from '../fakes/eventually.ts'
import { GuardedCall, PAYER_MARK } from '../fakes/guarded-call.ts'
import { freeUdpPort, startRtpengine } from '../fakes/rtpengine.ts'
import { audioPort, RtpParty } from '../fakes/rtp-party.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

/** What a payer's device might put beside its audio. Nothing else here has these bytes in a row. */
const CANARY = Buffer.from('4263982640269299')
const STRANGER_MARK = 0x33
const HEARD_PACKETS = 10
const ROUNDS = 12
const ROUND_MS = 20
/** What was on its way when something changed. */
const IN_FLIGHT_MS = 120

t.setTimeout(100_000)

const engine = await startRtpengine()
const guard = await startGuard({
  name: 'guard-1',
  merchant: 'shop',
  host: '127.0.0.1',
  port: 0,
  media: '127.0.0.1',
  windowsMax: 10,
  identity: sharedIdentity('guard'),
  // Nobody keys a card here, so no vault is asked.
  vault: { host: '127.0.0.1', port: await freeUdpPort() },
  recordsWindows: false,
  logger: createLogger({ role: 'guard', level: 'silent' }),
  metrics: new Metrics('guard'),
})
t.teardown(async () => {
  await guard.close()
  await engine.close()
})

for (const masking of ['hard', 'talk-through'] as const) {
  t.test(`RTCP, header extensions, sources and padding of the payer do not cross a window in ${masking}`, (t) =>
    onCall(t, masking, async (call) => {
      t.ok((await canariesHeard(call)).rtp > 0, 'the control: with no window the payer is not held back')
      const opened = await call.window.open()
      t.equal(opened.kind, 'open')
      await delay(IN_FLIGHT_MS)
      const before = call.agent.datagrams.length
      t.same(await canariesHeard(call), { rtp: 0, rtcp: 0 }, 'in the window none')
      const inside = call.agent.datagrams.slice(before)
      t.ok(
        inside.some(({ rtcpPort }) => !rtcpPort),
        'RTP goes on',
      )
      t.ok(
        inside.every(({ rtcpPort, bytes }) => rtcpPort || (bytes[0] === 0x80 && (bytes[1] ?? 0) % 0x80 === 0)),
        'plain: no extension, no sources, no padding, and no payload type but that of G.711',
      )
      t.same(
        inside.filter(({ rtcpPort }) => rtcpPort).map(({ bytes }) => bytes[1]),
        [],
        'no RTCP reaches the agent while the guard is between',
      )
    }),
  )
}

t.test('whoever sends to the ports of a call in a window is heard by nobody, and hears nobody', (t) =>
  onCall(t, 'hard', async (call) => {
    t.equal((await call.window.open()).kind, 'open')
    await delay(IN_FLIGHT_MS)
    call.maskedFromNow()
    const sinceMs = performance.now()
    const stranger = await RtpParty.open({ mark: STRANGER_MARK })
    t.teardown(() => stranger.close())
    const ports = await mediaPorts(call)
    t.ok(ports.length >= 4, 'towards both parties and both sides of the guard')
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      for (const port of ports) stranger.sendOne(port)
      // The payer's own packets, thrown at where the agent's are awaited, and at the guard's ways out.
      for (const port of ports) stranger.sendRaw(call.payer.nextPacket(), port)
      await delay(ROUND_MS)
    }
    for (const party of [call.payer, call.agent]) {
      const marks = party.marksSince(sinceMs)
      t.notOk(marks.has(STRANGER_MARK), 'nothing of the stranger is heard')
      t.ok(marks.size > 0, 'the call goes on')
    }
    t.same(stranger.datagrams, [], 'and nothing is sent to the stranger')
    t.notOk(call.leaked)
  }),
)

t.test('a payer that moves within a window is silent until it says so, and masked all the time', (t) =>
  onCall(t, 'hard', async (call) => {
    t.equal((await call.window.open()).kind, 'open')
    await delay(IN_FLIGHT_MS)
    call.maskedFromNow()
    const moved = await RtpParty.open({ mark: PAYER_MARK })
    t.teardown(() => moved.close())
    call.payer.stop()
    moved.sendTo(call.told.payer)
    await delay(IN_FLIGHT_MS)
    await delay(IN_FLIGHT_MS)
    const silentSince = call.agent.datagrams.length
    await delay(10 * ROUND_MS)
    t.equal(call.agent.datagrams.length, silentSince, 'a new address that nobody announced is not listened to')
    const reoffered = await call.exclusive(() => call.media.reofferInWindow('payer', moved.sdp()))
    t.equal(reoffered.kind, 'ok')
    await eventually(() => call.agent.datagrams.length > silentSince + ROUNDS)
    t.notOk(call.leaked, 'nothing of the payer came through, before or after')
    await moved.hears(({ mark }) => mark === 0x22)
    t.pass('and the payer hears the agent at the new address')
  }),
)

t.test('packets of before a window that come late are masked like all others', (t) =>
  onCall(t, 'talk-through', async (call) => {
    // They are kept on the way for longer than the window takes to open.
    const late = Array.from({ length: ROUNDS }, () => call.payer.nextPacket())
    for (const packet of late) packet.fill(LATE_MARK, 12)
    t.equal((await call.window.open()).kind, 'open')
    await delay(2 * IN_FLIGHT_MS)
    const sinceMs = performance.now()
    for (const packet of late) call.payer.sendRaw(packet, audioPort(call.told.payer))
    await delay(10 * ROUND_MS)
    t.notOk(call.agent.marksSince(sinceMs).has(LATE_MARK))
  }),
)

const LATE_MARK = 0x44

async function onCall(
  t: Test,
  masking: 'hard' | 'talk-through',
  run: (call: GuardedCall) => Promise<void>,
): Promise<void> {
  const identity = sharedIdentity('sbc')
  const call = await GuardedCall.start({
    enginePort: engine.port,
    identity,
    guardPorts: [guard.port],
    masking,
    withRtcp: true,
  })
  t.teardown(() => call.close())
  // In its first moments a call's endpoints are learnt.
  await eventually(async () => {
    const facts = await call.media.facts()
    return (
      facts.kind === 'ok' && Math.min(facts.value.packetsFrom.payer, facts.value.packetsFrom.agent) >= HEARD_PACKETS
    )
  })
  await run(call)
}

/** Sends every kind of thing beside the audio for a while; how many datagrams of the agent's hold the canary. */
async function canariesHeard(call: GuardedCall): Promise<{ readonly rtp: number; readonly rtcp: number }> {
  const from = call.agent.datagrams.length
  const port = audioPort(call.told.payer)
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const bytes of rtcpWithCanary()) {
      call.payer.sendRaw(bytes, port + 1, { fromRtcp: true })
      call.payer.sendRaw(bytes, port)
    }
    for (const bytes of rtpWithCanary(call.payer)) call.payer.sendRaw(bytes, port)
    await delay(ROUND_MS)
  }
  await delay(2 * IN_FLIGHT_MS)
  const heard = call.agent.datagrams.slice(from).filter(({ bytes }) => bytes.includes(CANARY))
  return {
    rtp: heard.filter(({ rtcpPort }) => !rtcpPort).length,
    rtcp: heard.filter(({ rtcpPort }) => rtcpPort).length,
  }
}

/** APP (RFC 3550 section 6.7), SDES with CNAME and NOTE, BYE with a reason, XR (RFC 3611), each behind an empty RR. */
function rtcpWithCanary(): readonly Buffer[] {
  const ssrc = Buffer.from('00005eed', 'hex')
  const report = packetOf(201, 0, ssrc)
  const item = (type: number) => Buffer.concat([Buffer.of(type, CANARY.length), CANARY])
  const chunk = padded(Buffer.concat([ssrc, item(1), item(7), Buffer.of(0)]))
  return [
    packetOf(204, 1, Buffer.concat([ssrc, Buffer.from('DTMF'), CANARY])),
    packetOf(202, 1, chunk),
    packetOf(203, 1, padded(Buffer.concat([ssrc, Buffer.of(CANARY.length), CANARY]))),
    packetOf(207, 0, Buffer.concat([ssrc, Buffer.of(200, 0, 0, 4), CANARY])),
  ].map((packet) => Buffer.concat([report, packet]))
}

function packetOf(type: number, count: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x80 | count, type, 0, body.length / 4), body])
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}

/** A header extension (RFC 8285), contributing sources, padding, comfort noise, and a payload type that nobody agreed. */
function rtpWithCanary(payer: RtpParty): readonly Buffer[] {
  const extension = Buffer.concat([Buffer.of(0xbe, 0xde, 0, 5, 0x1f), CANARY, Buffer.alloc(3)])
  const padding = Buffer.concat([CANARY, Buffer.alloc(3), Buffer.of(20)])
  return [
    between(payer.besidePacket(), 0x90, extension),
    between(payer.besidePacket(), 0x84, CANARY),
    Buffer.concat([first(payer.besidePacket(), 0xa0), padding]),
    Buffer.concat([typed(payer.besidePacket(), 13), CANARY]),
    Buffer.concat([typed(payer.besidePacket(), 77 + 20), CANARY]),
    Buffer.concat([typed(payer.besidePacket(), 101), CANARY]),
  ]
}

function between(packet: Buffer, firstByte: number, bytes: Buffer): Buffer {
  return Buffer.concat([first(packet.subarray(0, 12), firstByte), bytes, packet.subarray(12)])
}

function first(packet: Buffer, firstByte: number): Buffer {
  packet[0] = firstByte
  return packet
}

function typed(packet: Buffer, payloadType: number): Buffer {
  packet[1] = payloadType
  return packet.subarray(0, 12)
}

/** Every port that rtpengine has opened for this call. */
async function mediaPorts(call: GuardedCall): Promise<readonly number[]> {
  const reply = await call.control.request('query', { 'call-id': call.callId }, { deadlineMs: 1_000 })
  const found = JSON.stringify(reply).matchAll(/"local port":(\d+)/g)
  return [...new Set([...found].map(([, port]) => Number(port)))]
}
