import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA, calledMedia, showsItsKeys } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { dtlsCertificate, dtlsKeys, type DtlsCertificate } from '../fakes/dtls-keys.ts'
import { endpointOf, MediaParty } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { freeUdpPort, startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
const GUARD = 0x33
const IN_FLIGHT_MS = 25
const A_MOMENT_MS = 100
/** Twice what a handshake takes whose first flight is repeated. */
const FORGED_MS = 2_500

let engine: Rtpengine
let control: RtpengineControl
let certificate: DtlsCertificate

t.before(async () => {
  engine = await startRtpengine()
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
  certificate = dtlsCertificate()
})
t.after(async () => {
  certificate.close()
  control.close()
  await engine.close()
})

function dtlsSdp(options: { readonly port: number; readonly setup: string; readonly fingerprint?: string }): string {
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${options.port} UDP/TLS/RTP/SAVP 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    `a=setup:${options.setup}`,
    `a=fingerprint:sha-256 ${options.fingerprint ?? certificate.fingerprint}`,
    'a=sendrecv',
    '',
  ].join('\r\n')
}

/** Two windows: only the guard is heard in them, with the keys of the one handshake at set-up. */
async function standsWindows(
  t: Test,
  call: { readonly media: MediaSession; readonly payer: MediaParty; readonly agent: MediaParty },
): Promise<void> {
  const { media, payer, agent } = call
  await agent.hears(PAYER)
  await payer.hears(AGENT)
  payer.failures = 0
  agent.failures = 0
  for (let window = 0; window < 2; window += 1) {
    const guard = await PlainGuard.open(GUARD)
    await guard.enter(media)
    await agent.hears(GUARD)
    await payer.hears(GUARD)
    const openMs = performance.now() + IN_FLIGHT_MS
    await delay(A_MOMENT_MS)
    t.notOk(agent.marksSince(openMs).has(PAYER), 'nothing of the payer bypasses the guard')
    t.ok(guard.payerMarks.has(PAYER), 'the guard hears the payer in the clear')
    guard.speaks = false
    t.equal((await media.closeGuard()).kind, 'ok')
    await agent.hears(PAYER)
    await payer.hears(AGENT)
    guard.close()
  }
  t.equal(payer.failures + agent.failures, 0, 'no other key and no other handshake')
}

t.test('a payer with DTLS-SRTP talks to an agent in the clear, in and out of windows', async (t) => {
  const port = await freeUdpPort()
  const media = new MediaSession({ engine: control, callId: 'dtls-payer' })
  media.use('payer', { ...ANY_MEDIA, profile: 'srtp-dtls' })
  const agent = await MediaParty.open({ mark: AGENT })
  const keying = dtlsKeys({ certificate, port, connectTo: null })
  const offered = await media.offer('payer', dtlsSdp({ port, setup: 'actpass' }), { live: false })
  if (offered.kind === 'failed') throw new Error('no offer')
  const answered = await media.answer('payer', agent.answer(offered.value), { live: false })
  if (answered.kind === 'failed') throw new Error('no answer')
  t.match(offered.value, /RTP\/AVP/)
  t.notMatch(offered.value, /fingerprint|setup/)
  t.match(answered.value, /UDP\/TLS\/RTP\/SAVP[^]*a=setup:active/)
  const payer = await MediaParty.open({ mark: PAYER, port, dtls: await keying })
  payer.talk(answered.value)
  agent.talk(offered.value)
  await standsWindows(t, { media, payer, agent })
  payer.close()
  agent.close()
  await media.delete()
})

for (const payerKeys of ['none', 'SDES'] as const) {
  t.test(`an agent with DTLS-SRTP is called by a payer with keys of ${payerKeys}`, async (t) => {
    const port = await freeUdpPort()
    const media = new MediaSession({ engine: control, callId: `dtls-agent-${payerKeys}` })
    media.use('agent', { ...ANY_MEDIA, profile: 'srtp-dtls' })
    const payer = await MediaParty.open({
      mark: PAYER,
      ...(payerKeys === 'SDES' ? { suites: ['AES_CM_128_HMAC_SHA1_80'] as const } : {}),
    })
    const offered = await media.offer('payer', payer.sdp(), { live: false })
    if (offered.kind === 'failed') throw new Error('no offer')
    t.match(offered.value, /UDP\/TLS\/RTP\/SAVP 0[^]*a=setup:actpass/)
    t.notMatch(offered.value, /a=crypto/)
    const answered = await media.answer('payer', dtlsSdp({ port, setup: 'active' }), { live: false })
    if (answered.kind === 'failed') throw new Error('no answer')
    const keys = await dtlsKeys({ certificate, port, connectTo: endpointOf(offered.value).port })
    const agent = await MediaParty.open({ mark: AGENT, port, dtls: keys })
    payer.talk(answered.value)
    agent.talk(offered.value)
    await standsWindows(t, { media, payer, agent })
    payer.close()
    agent.close()
    await media.delete()
  })
}

t.test('a certificate that is not the one of the description is not talked to', async (t) => {
  const port = await freeUdpPort()
  const media = new MediaSession({ engine: control, callId: 'dtls-forged' })
  const agent = await MediaParty.open({ mark: AGENT })
  const forged = certificate.fingerprint.replace(/^../, (octet) => (octet === '00' ? '11' : '00'))
  const keying = dtlsKeys({ certificate, port, connectTo: null, withinMs: FORGED_MS })
  const sdp = dtlsSdp({ port, setup: 'actpass', fingerprint: forged })
  const offered = await media.offer('payer', sdp, { live: false })
  if (offered.kind === 'failed') throw new Error('no offer')
  t.equal((await media.answer('payer', agent.answer(offered.value), { live: false })).kind, 'ok')
  await t.rejects(keying, 'the handshake does not come to its end')
  agent.close()
  await media.delete()
})

t.test('a trunk that asks for DTLS is not given keys in SDP, nor RTP in the clear', async (t) => {
  const media = new MediaSession({ engine: control, callId: 'dtls-asked' })
  media.use('payer', { ...ANY_MEDIA, profile: 'srtp-dtls' })
  for (const party of [
    await MediaParty.open({ mark: PAYER }),
    await MediaParty.open({ mark: PAYER, suites: ['AES_CM_128_HMAC_SHA1_80'] }),
  ]) {
    t.same(await media.offer('payer', party.sdp(), { live: false }), { kind: 'failed', code: 'unusable' })
    party.close()
  }
})

t.test('a called trunk has the family of its first target, unless it says another', (t) => {
  const trunk = (host: string, media = {}) =>
    testTrunk({ name: 'carrier', side: 'carrier', target: { host, port: 5_060 }, media })
  t.equal(calledMedia(trunk('192.0.2.1')).family, 'ipv4')
  t.equal(calledMedia(trunk('2001:db8::1')).family, 'ipv6')
  t.equal(calledMedia(trunk('carrier.example.com')).family, null)
  t.equal(calledMedia(trunk('192.0.2.1', { family: 'ipv6' })).family, 'ipv6')
  t.end()
})

t.test('keys in SDP without TLS are told of', (t) => {
  const trunk = (profile: 'srtp-sdes' | 'any', transport: 'udp' | 'tls') =>
    testTrunk({ name: 'carrier', side: 'carrier', target: { host: '192.0.2.1', transport }, media: { profile } })
  t.ok(showsItsKeys(trunk('srtp-sdes', 'udp')))
  t.notOk(showsItsKeys(trunk('srtp-sdes', 'tls')))
  t.notOk(showsItsKeys(trunk('any', 'udp')))
  t.end()
})

t.end()
