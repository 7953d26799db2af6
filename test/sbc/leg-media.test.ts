import { isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import type { MediaFacts } from '../../src/sbc/media-facts.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import type { Party } from '../../src/sbc/party.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import type { TrunkMedia } from '../../src/wire/configuration.ts'
import { endpointOf, MediaParty, type PartyMedia } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import type { SrtpSuite } from '../fakes/srtp.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const PAYER = 0x11
const AGENT = 0x22
const GUARD = 0x33
/** What was on its way when something changed. */
const IN_FLIGHT_MS = 25
const A_MOMENT_MS = 60
const STRONG: SrtpSuite = 'AES_CM_128_HMAC_SHA1_80'
const SHORT: SrtpSuite = 'AES_CM_128_HMAC_SHA1_32'

let engine: Rtpengine
let control: RtpengineControl
let nextCall = 0

t.before(async () => {
  engine = await startRtpengine({ interfaces: ['lo/127.0.0.1', 'lo/::1'] })
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
})
t.after(async () => {
  control.close()
  await engine.close()
})

type Side = { readonly media?: Partial<TrunkMedia>; readonly party?: Omit<PartyMedia, 'mark'> }
type Bridged = {
  readonly media: MediaSession
  readonly payer: MediaParty
  readonly agent: MediaParty
  /** What each party was told last. */
  readonly told: { payer: string; agent: string }
  close(): Promise<void>
}

/** A talking call between two parties of any kind; `offerer` called. */
async function bridged(options: {
  readonly payer?: Side
  readonly agent?: Side
  readonly offerer?: Party
}): Promise<Bridged> {
  const { offerer = 'payer' } = options
  const answerer = offerer === 'payer' ? 'agent' : 'payer'
  const parties = {
    payer: await MediaParty.open({ ...options.payer?.party, mark: PAYER }),
    agent: await MediaParty.open({ ...options.agent?.party, mark: AGENT }),
  }
  nextCall += 1
  const media = new MediaSession({ engine: control, callId: `bridged-${nextCall}` })
  media.use('payer', { ...ANY_MEDIA, ...options.payer?.media })
  media.use('agent', { ...ANY_MEDIA, ...options.agent?.media })
  const offered = await media.offer(offerer, parties[offerer].sdp(), { live: false })
  if (offered.kind === 'failed') throw new Error('the offer did not pass')
  const answered = await media.answer(offerer, parties[answerer].answer(offered.value), { live: false })
  if (answered.kind === 'failed') throw new Error('the answer did not pass')
  const told =
    offerer === 'payer'
      ? { payer: answered.value, agent: offered.value }
      : { payer: offered.value, agent: answered.value }
  parties.payer.talk(told.payer)
  parties.agent.talk(told.agent)
  await parties.agent.hears(PAYER)
  await parties.payer.hears(AGENT)
  return {
    media,
    ...parties,
    told,
    close: async () => {
      parties.payer.close()
      parties.agent.close()
      await media.delete()
    },
  }
}

async function factsOf(media: MediaSession): Promise<MediaFacts> {
  const facts = await media.facts()
  if (facts.kind === 'failed') throw new Error('no facts')
  return facts.value
}

/** Two windows: only the guard is heard in them, on the same ports, with the same keys. */
async function standsWindows(t: Test, call: Bridged): Promise<void> {
  const { media, payer, agent } = call
  for (let window = 0; window < 2; window += 1) {
    const guard = await PlainGuard.open(GUARD)
    await guard.enter(media)
    await agent.hears(GUARD)
    await payer.hears(GUARD)
    const openMs = performance.now() + IN_FLIGHT_MS
    t.ok(guard.payerMarks.has(PAYER), 'the guard hears the payer in the clear')
    t.match(await factsOf(media), { guardIsBetween: true, partiesAreDirect: false })
    await delay(A_MOMENT_MS)
    t.notOk(agent.marksSince(openMs).has(PAYER), 'nothing of the payer bypasses the guard')
    t.notOk(payer.marksSince(openMs).has(AGENT))
    guard.speaks = false
    t.same(await media.closeGuard(), { kind: 'ok', value: null })
    await agent.hears(PAYER)
    await payer.hears(AGENT)
    t.match(await factsOf(media), { guardIsBetween: false, partiesAreDirect: true })
    guard.close()
  }
  t.equal(payer.failures + agent.failures, 0, 'every packet fitted the keys that were told at set-up')
  t.same(
    [...new Set(payer.heard.map(({ from }) => from)), ...new Set(agent.heard.map(({ from }) => from))],
    [String(endpointOf(call.told.payer).port), String(endpointOf(call.told.agent).port)],
    'each party heard from one port all the time',
  )
}

const SDES = { media: { profile: 'srtp-sdes' }, party: { suites: [STRONG] } } as const satisfies Side
const PLAIN = { media: { profile: 'rtp' } } as const satisfies Side
const V6 = { media: { family: 'ipv6' }, party: { family: 'ipv6' } } as const satisfies Side
const CALLS: readonly (readonly [string, { readonly payer: Side; readonly agent: Side; readonly offerer?: Party }])[] =
  [
    ['SRTP to RTP', { payer: SDES, agent: PLAIN }],
    ['RTP to SRTP', { payer: PLAIN, agent: SDES }],
    ['SRTP to SRTP', { payer: SDES, agent: SDES }],
    ['SRTP to SRTP, the agent called', { payer: SDES, agent: SDES, offerer: 'agent' }],
    ['SRTP whose second suite is taken', { payer: { party: { suites: [SHORT, STRONG] } }, agent: SDES }],
    ['SRTP with a tag of 32 bits, where there is no other', { payer: { party: { suites: [SHORT] } }, agent: SDES }],
    ['IPv6 to IPv4', { payer: V6, agent: PLAIN }],
    ['IPv4 to IPv6', { payer: PLAIN, agent: V6 }],
    [
      'SRTP over IPv6 to RTP over IPv4',
      { payer: { media: SDES.media, party: { ...SDES.party, family: 'ipv6' } }, agent: PLAIN },
    ],
  ]
for (const [title, options] of CALLS) {
  t.test(`${title}: both hear each other, and a window masks on the same ports and keys`, async (t) => {
    const call = await bridged(options)
    await standsWindows(t, call)
    await call.close()
  })
}

t.test('no leg is told the key of the other', async (t) => {
  const call = await bridged({ payer: SDES, agent: SDES })
  const keys = (sdp: string): readonly string[] => [...sdp.matchAll(/inline:(\S+)/g)].map((match) => match[1] ?? '')
  t.notOk(keys(call.told.agent).includes(keys(call.payer.sdp())[0] ?? ''), 'the payer’s stays on the payer’s side')
  t.notOk(keys(call.told.payer).includes(keys(call.agent.sdp())[0] ?? ''))
  await call.close()
})

t.test('what is offered is strong, and nothing weak is taken', async (t) => {
  const call = await bridged({ payer: PLAIN, agent: SDES })
  t.notMatch(call.told.agent, /NULL|F8_128|SHA1_32/)
  t.match(call.told.agent, /AEAD_AES_128_GCM[^]*AES_CM_128_HMAC_SHA1_80|AES_CM_128_HMAC_SHA1_80[^]*AEAD_AES_128_GCM/)
  await call.close()
  const media = new MediaSession({ engine: control, callId: 'weak' })
  media.use('payer', { ...ANY_MEDIA, profile: 'srtp-sdes' })
  const party = await MediaParty.open({ mark: PAYER, suites: [STRONG] })
  const sdp = party.sdp()
  for (const weak of [
    sdp.replace(STRONG, 'NULL_HMAC_SHA1_80'),
    sdp.replace(STRONG, 'F8_128_HMAC_SHA1_80'),
    sdp.replace(/(a=crypto:.*)/, '$1 UNENCRYPTED_SRTP'),
    sdp.replace(/(a=crypto:.*)/, '$1 UNAUTHENTICATED_SRTP'),
    sdp.replace(/a=crypto:.*\r\n/, ''),
    sdp.replace('RTP/SAVP', 'RTP/AVP'),
  ])
    t.same(await media.offer('payer', weak, { live: false }), { kind: 'failed', code: 'unusable' })
  media.use('payer', { ...ANY_MEDIA, profile: 'rtp' })
  t.same(
    await media.offer('payer', sdp, { live: false }),
    { kind: 'failed', code: 'unusable' },
    'nor SRTP where RTP is asked for',
  )
  party.close()
  await media.delete()
})

t.test('hold in every way, on either side, in and out of a window, and the way back', async (t) => {
  const call = await bridged({ payer: SDES, agent: V6 })
  const guard = await PlainGuard.open(GUARD)
  const holds = [{ direction: 'sendonly' }, { direction: 'inactive' }, { host: '0.0.0.0' }, {}] as const
  for (const isOpen of [false, true]) {
    if (isOpen) await guard.enter(call.media)
    for (const party of ['payer', 'agent'] as const) {
      for (const hold of holds) {
        const host = 'host' in hold && party === 'agent' ? { host: '::' } : {}
        const sdp = call[party].again({ ...hold, ...host })
        if (isOpen) {
          const answer = await call.media.reofferInWindow(party, sdp)
          t.equal(answer.kind, 'ok')
          if (answer.kind === 'ok') t.same(endpointOf(answer.value), endpointOf(call.told[party]))
        } else {
          const other = party === 'payer' ? 'agent' : 'payer'
          const offered = await call.media.offer(party, sdp, { live: true })
          t.equal(offered.kind, 'ok')
          if (offered.kind !== 'ok') continue
          const shown = endpointOf(offered.value)
          t.equal(shown.port, endpointOf(call.told[other]).port, 'the other side keeps its port')
          t.equal(isIPv6(shown.host), other === 'agent', 'and its family')
          const answer = await call.media.answer(party, call[other].again(), { live: true })
          t.equal(answer.kind, 'ok')
          if (answer.kind === 'ok') t.same(endpointOf(answer.value), endpointOf(call.told[party]))
        }
      }
    }
    const sinceMs = performance.now()
    await call.agent.hears(isOpen ? GUARD : PAYER)
    await call.payer.hears(isOpen ? GUARD : AGENT)
    if (isOpen) t.notOk(call.agent.marksSince(sinceMs).has(PAYER))
  }
  guard.speaks = false
  t.equal((await call.media.closeGuard()).kind, 'ok')
  await call.agent.hears(PAYER)
  t.equal(call.payer.failures, 0)
  guard.close()
  await call.close()
})

t.test('music on hold passes to the payer', async (t) => {
  const call = await bridged({})
  const offered = await call.media.offer('agent', call.agent.again({ direction: 'sendonly' }), { live: true })
  const answered = await call.media.answer('agent', call.payer.again({ direction: 'recvonly' }), { live: true })
  t.equal(offered.kind === 'ok' && readAudio(offered.value)?.direction, 'sendonly')
  t.equal(answered.kind === 'ok' && readAudio(answered.value)?.direction, 'recvonly')
  await call.payer.hears(AGENT)
  await call.close()
})

t.test('of several early answers the last one is heard, and the final answer decides', async (t) => {
  const caller = await MediaParty.open({ mark: PAYER })
  const forks = [await MediaParty.open({ mark: 0x41 }), await MediaParty.open({ mark: 0x42 })] as const
  const media = new MediaSession({ engine: control, callId: 'forked' })
  const offered = await media.offer('payer', caller.sdp(), { live: false })
  if (offered.kind === 'failed') throw new Error('no offer')
  let told = ''
  for (const [index, fork] of [...forks, forks[0]].entries()) {
    const answered = await media.answer('payer', fork.sdp(), { live: index > 0 })
    t.equal(answered.kind, 'ok')
    if (answered.kind === 'failed') continue
    if (told !== '') t.same(endpointOf(answered.value), endpointOf(told), 'the caller keeps its port')
    told = answered.value
    caller.talk(told)
    for (const each of forks) each.stop()
    fork.talk(offered.value)
    await caller.hears(index === 1 ? 0x42 : 0x41)
    await fork.hears(PAYER)
  }
  for (const party of [caller, ...forks]) party.close()
  await media.delete()
})

t.end()
