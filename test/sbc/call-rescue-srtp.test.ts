import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { CallRescue, type RescuedCall } from '../../src/sbc/call-rescue.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { otherParty, type Party } from '../../src/sbc/party.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import type { TrunkMedia } from '../../src/wire/configuration.ts'
import { NO_RESCUE } from '../fakes/call-places.ts'
import { dtlsCertificate, type DtlsCertificate } from '../fakes/dtls-keys.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeDialog } from '../fakes/fake-sip.ts'
import { KeyedPhone, type KeyKind } from '../fakes/keyed-phone.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

Object.assign(globalThis.console, { log: () => undefined })
const logger = createLogger({ role: 'test', level: 'silent' })
const MARKS = { payer: 0x11, agent: 0x22 } as const
const GUARD = 0x33
const A_MOMENT_MS = 100
const PARTIES = ['payer', 'agent'] as const

let second: Rtpengine
let control: RtpengineControl
let certificate: DtlsCertificate
t.before(async () => {
  second = await startRtpengine()
  control = new RtpengineControl({ host: second.host, port: second.port, logger })
  certificate = dtlsCertificate()
})
t.after(async () => {
  certificate.close()
  control.close()
  await second.close()
})

type Phones = { readonly [Side in Party]: KeyedPhone }

/** A call of these kinds of keys whose rtpengine dies; it goes to the second one. */
async function moved(
  t: Test,
  kinds: { readonly [Side in Party]: KeyKind },
  guard: PlainGuard | null = null,
): Promise<{ readonly media: MediaSession; readonly phones: Phones }> {
  const first = await startRtpengine()
  const dying = new RtpengineControl({ host: first.host, port: first.port, logger })
  // Who is called is offered keys as its trunk says; a caller may have them without a word in the configuration.
  const mediaOf = (party: Party): TrunkMedia =>
    party === 'payer' || kinds.agent === 'ice' ? ANY_MEDIA : { ...ANY_MEDIA, profile: kinds.agent }
  const open = (party: Party) => KeyedPhone.open({ mark: MARKS[party], kind: kinds[party], certificate })
  const phones: Phones = { payer: await open('payer'), agent: await open('agent') }
  let media = new MediaSession({ engine: dying, callId: 'keyed' })
  for (const party of PARTIES) media.use(party, mediaOf(party))
  const offered = await media.offer('payer', phones.payer.offer(), { live: false })
  if (offered.kind === 'failed') throw new Error('no offer')
  const answered = await media.answer('payer', phones.agent.answer(offered.value), { live: false })
  if (answered.kind === 'failed') throw new Error('no answer')
  await Promise.all([phones.payer.talk(answered.value), phones.agent.talk(offered.value)])
  await hearEachOther(phones)
  if (guard !== null) {
    await guard.enter(media)
    await phones.agent.party.hears(GUARD)
  }
  await first.close()
  t.teardown(async () => {
    await media.delete()
    dying.close()
    phones.payer.close()
    phones.agent.close()
  })
  const lostMs = performance.now()
  const outcome = Promise.withResolvers<string>()
  const call: RescuedCall = {
    callId: PARTIES.map((party) => kinds[party]).join('-'),
    logger,
    get media() {
      return media
    },
    window: guard === null ? null : windowOf(guard, () => media),
    leg: (party) => ({
      party,
      trunk: { ...testTrunk({ name: party, side: 'carrier' }), party, media: mediaOf(party) },
      dialog: new FakeDialog({ callId: party, sdp: '' }),
      origin: { sessionId: 1, version: 1 },
    }),
    hasEnded: () => false,
    end: () => undefined,
    offer: (leg, sdp) => {
      const answer = phones[leg.party].answer(sdp)
      void phones[leg.party].talk(sdp)
      return Promise.resolve({ kind: 'ok', sdp: answer })
    },
    settle: (to) => (media = to),
    changed: () => undefined,
    exclusive: (action) => action(),
  }
  const rescue = new CallRescue(call, {
    ...NO_RESCUE,
    engine: () => Promise.resolve({ name: 'engine', control, isUp: true, lives: 0 }),
    ended: outcome.resolve,
  })
  rescue.lose(media)
  t.equal(await outcome.promise, 'moved')
  await Promise.all(PARTIES.map((party) => phones[party].isTalking))
  t.comment(`${Math.round(performance.now() - lostMs)} ms until both talk again`)
  return { media, phones }
}

/** What a rescue asks of an open window: the guard is between the parties before they are told. */
function windowOf(guard: PlainGuard, media: () => MediaSession): NonNullable<RescuedCall['window']> {
  return {
    isClosed: false,
    loseMedia: () => undefined,
    maskMoved: async () => {
      await guard.enter(media())
      return true
    },
  } as unknown as NonNullable<RescuedCall['window']>
}

async function hearEachOther(phones: Phones): Promise<void> {
  for (const party of PARTIES) await phones[party].party.hears(MARKS[otherParty(party)])
}

for (const kinds of [
  { payer: 'srtp-sdes', agent: 'any' },
  { payer: 'srtp-sdes', agent: 'srtp-sdes' },
  { payer: 'srtp-dtls', agent: 'any' },
  { payer: 'srtp-sdes', agent: 'srtp-dtls' },
  { payer: 'ice', agent: 'any' },
] as const)
  t.test(`keys are agreed anew when the rtpengine dies: payer ${kinds.payer}, agent ${kinds.agent}`, async (t) => {
    const { phones } = await moved(t, kinds)
    await hearEachOther(phones)
    for (const party of PARTIES) t.equal(phones[party].refusedChecks, 0, 'no check under an old password')
  })

for (const payer of ['srtp-sdes', 'srtp-dtls', 'ice'] as const)
  t.test(`in a window a payer with ${payer} goes on being masked in the other rtpengine`, async (t) => {
    const guard = await PlainGuard.open(GUARD)
    const { media, phones } = await moved(t, { payer, agent: 'srtp-sdes' }, guard)
    t.ok(media.isGuarded)
    guard.payerMarks.clear()
    await phones.agent.party.hears(GUARD)
    await eventually(() => guard.payerMarks.has(MARKS.payer))
    const sinceMs = performance.now()
    await delay(A_MOMENT_MS)
    t.same([...phones.agent.party.marksSince(sinceMs)], [GUARD], 'the agent hears nothing but the guard')
    guard.speaks = false
    t.equal((await media.closeGuard()).kind, 'ok')
    await hearEachOther(phones)
    guard.close()
  })

t.end()
