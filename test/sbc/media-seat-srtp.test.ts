import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { MediaParty } from '../fakes/media-party.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

/** Legs that take a party's place, where some of them have keys from SDP: two such legs are connected by a relay. */
const MARKS = { payer: 0x11, agent: 0x22, newcomer: 0x33, guard: 0x44 } as const
/** What was on its way when something changed. */
const IN_FLIGHT_MS = 25

let engine: Rtpengine
let control: RtpengineControl
t.before(async () => {
  engine = await startRtpengine()
  const logger = createLogger({ role: 'test', level: 'silent' })
  control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
})
t.after(async () => {
  control.close()
  await engine.close()
})

const open = (mark: number, isSrtp: boolean) =>
  MediaParty.open({ mark, ...(isSrtp ? { suites: ['AES_CM_128_HMAC_SHA1_80'] as const } : {}) })
const mediaOf = (isSrtp: boolean) => ({ ...ANY_MEDIA, profile: isSrtp ? ('srtp-sdes' as const) : ('rtp' as const) })

let count = 0
for (const [payerIs, agentIs, newcomerIs] of [
  [false, false, true],
  [true, false, false],
  [true, false, true],
  [true, true, false],
  [true, true, true],
] as const)
  for (const inWindow of [false, true]) {
    const name = (isSrtp: boolean): string => (isSrtp ? 'SRTP' : 'RTP')
    const title = `payer ${name(payerIs)}, agent ${name(agentIs)}, then ${name(newcomerIs)}${inWindow ? ', in a window' : ''}`
    t.test(title, async (t) => {
      count += 1
      const session = new MediaSession({ engine: control, callId: `seat-${count}` })
      session.use('payer', mediaOf(payerIs))
      session.use('agent', mediaOf(agentIs))
      const payer = await open(MARKS.payer, payerIs)
      const agent = await open(MARKS.agent, agentIs)
      const newcomer = await open(MARKS.newcomer, newcomerIs)
      const guard = await PlainGuard.open(MARKS.guard)
      t.teardown(async () => {
        for (const part of [payer, agent, newcomer, guard]) part.close()
        await session.delete()
      })
      const offered = await session.offer('payer', payer.sdp(), { live: false })
      if (offered.kind === 'failed') return void t.fail('not offered')
      const answered = await session.answer('payer', agent.answer(offered.value), { live: false })
      if (answered.kind === 'failed') return void t.fail('not answered')
      payer.talk(answered.value)
      agent.talk(offered.value)
      await agent.hears(MARKS.payer)
      await payer.hears(MARKS.agent)
      if (inWindow) {
        await guard.enter(session)
        await agent.hears(MARKS.guard)
      }
      const maskedMs = performance.now() + IN_FLIGHT_MS

      const seat = session.newSeat('agent')
      const place = await seat.offer(mediaOf(newcomerIs))
      if (place.kind === 'failed') return void t.fail('no place')
      t.same(await seat.answered(newcomer.answer(place.value)), { kind: 'ok', value: null })
      newcomer.talk(place.value)
      t.same(await seat.sit(), { kind: 'ok', value: null })
      await newcomer.hears(inWindow ? MARKS.guard : MARKS.payer)
      await payer.hears(inWindow ? MARKS.guard : MARKS.newcomer)
      const seatedMs = performance.now() + IN_FLIGHT_MS

      if (inWindow) {
        t.match(await session.facts(), { value: { guardIsBetween: true } })
        t.notOk(newcomer.marksSince(maskedMs).has(MARKS.payer), 'the new leg hears the guard alone')
        guard.speaks = false
        t.same(await session.closeGuard(), { kind: 'ok', value: null })
      }
      await newcomer.hears(MARKS.payer)
      await payer.hears(MARKS.newcomer)
      t.match(await session.facts(), { value: { partiesAreDirect: true, guardIsBetween: false } })
      t.notOk(agent.marksSince(seatedMs).has(MARKS.payer), 'who left hears nothing')

      guard.speaks = true
      await guard.enter(session)
      await newcomer.hears(MARKS.guard)
      t.match(await session.facts(), { value: { guardIsBetween: true } })
      guard.speaks = false
      t.same(await session.closeGuard(), { kind: 'ok', value: null })
      await newcomer.hears(MARKS.payer)
      await payer.hears(MARKS.newcomer)
      t.equal(payer.failures + newcomer.failures, 0, 'every packet fitted its keys')
    })
  }

t.end()
