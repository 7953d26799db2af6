import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { readAudio } from '../../src/sbc/sdp.ts'
import { PlainGuard } from '../fakes/plain-guard.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

const [PCMU, PCMA] = [0, 8]
const MARKS = { payer: 0x11, agent: 0x22, newcomer: 0x33, guard: 0x44 } as const

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

for (const inWindow of [false, true])
  t.test(
    `a new leg that speaks no codec of the other party is transcoded${inWindow ? ', in a window' : ''}`,
    async (t) => {
      const session = new MediaSession({ engine: control, callId: inWindow ? 'in-window' : 'clear' })
      const payer = await RtpParty.open({ mark: MARKS.payer, codec: 'PCMU' })
      const agent = await RtpParty.open({ mark: MARKS.agent, codec: 'PCMU' })
      const newcomer = await RtpParty.open({ mark: MARKS.newcomer, codec: 'PCMA' })
      const guard = await PlainGuard.open(MARKS.guard)
      t.teardown(async () => {
        for (const part of [payer, agent, newcomer, guard]) part.close()
        await session.delete()
      })
      const offered = await session.offer('payer', payer.sdp(), { live: false })
      const answered = await session.answer('payer', agent.sdp(), { live: false })
      if (offered.kind === 'failed' || answered.kind === 'failed') return void t.fail('not set up')
      payer.sendTo(answered.value)
      agent.sendTo(offered.value)
      await agent.hears(({ mark }) => mark === MARKS.payer)
      if (inWindow) await guard.enter(session)
      const seat = session.newSeat('agent')
      const place = await seat.offer()
      if (place.kind === 'failed') return void t.fail('no place')
      t.same(
        readAudio(place.value)?.codecs.map(({ name }) => name),
        ['PCMU', 'PCMA', 'TELEPHONE-EVENT'],
        'first what needs no transcoding',
      )
      t.same(await seat.answered(newcomer.sdp()), { kind: 'ok', value: null })
      newcomer.sendTo(place.value)
      t.same(await seat.sit(), { kind: 'ok', value: null })
      const isTalking = async (): Promise<void> => {
        await newcomer.hears(({ type, mark }) => type === PCMA && mark !== MARKS.payer)
        await payer.hears(({ type, mark }) => type === PCMU && mark !== MARKS.agent && mark !== MARKS.guard)
        const [fromMs, untilCount] = [performance.now(), newcomer.heard.length + 5]
        await newcomer.hears(() => newcomer.heard.length >= untilCount)
        t.same(new Set(newcomer.heard.filter(({ atMs }) => atMs >= fromMs).map(({ type }) => type)), new Set([PCMA]))
      }
      if (inWindow) {
        await newcomer.hears(({ type }) => type === PCMA)
        await payer.hears(({ mark }) => mark === MARKS.guard)
        t.match(await session.facts(), { value: { guardIsBetween: true } })
        guard.speaks = false
        t.same(await session.closeGuard(), { kind: 'ok', value: null })
      }
      await isTalking()
      guard.speaks = true
      await guard.enter(session)
      await payer.hears(({ mark }) => mark === MARKS.guard)
      t.equal(session.isTranscodedInWindow, true)
      guard.speaks = false
      t.same(await session.closeGuard(), { kind: 'ok', value: null })
      await isTalking()
    },
  )

t.end()
