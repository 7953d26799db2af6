import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { ANY_MEDIA } from '../../src/sbc/leg-media.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import type { Party } from '../../src/sbc/party.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { MediaParty } from '../fakes/media-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'

/** Outside of windows: keys of either party reach the other as they were sent. INFO is in call.test.ts. */
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

/** Stands for audio with a tone in it: what passes is compared by its octets, and no other audio of these parties has these. */
const TONE = Buffer.alloc(160, Uint8Array.of(0x9c, 0x1c))

type Events = { readonly payer: number | null; readonly agent: number | null }
/** The numbers that each party has for events, who called, and what each is told of the other's. */
const CASES: readonly (readonly [string, Events, Party, Events])[] = [
  ['both have the usual number', { payer: 101, agent: 101 }, 'payer', { payer: 101, agent: 101 }],
  ['both have another one', { payer: 96, agent: 96 }, 'payer', { payer: 96, agent: 96 }],
  ['the agent called', { payer: 96, agent: 96 }, 'agent', { payer: 96, agent: 96 }],
  ['the callee answers with a number of its own', { payer: 96, agent: 101 }, 'payer', { payer: null, agent: 96 }],
  ['the callee has none', { payer: 101, agent: null }, 'payer', { payer: null, agent: 101 }],
  ['the caller has none', { payer: null, agent: 101 }, 'payer', { payer: null, agent: null }],
]

CASES.forEach(([title, events, offerer, expected], index) => {
  t.test(`${title}: events and tones pass as they are, and who hears of no events sends tones`, async (t) => {
    const parties = {
      payer: await MediaParty.open({ mark: 0x11, events: events.payer }),
      agent: await MediaParty.open({ mark: 0x22, events: events.agent }),
    }
    const answerer = offerer === 'payer' ? 'agent' : 'payer'
    const session = new MediaSession({ engine: control, callId: `keys-${index}` })
    for (const party of ['payer', 'agent'] as const) session.use(party, ANY_MEDIA)
    const offered = await session.offer(offerer, parties[offerer].sdp(), { live: false })
    if (offered.kind === 'failed') return void t.fail('not offered')
    const answered = await session.answer(offerer, parties[answerer].answer(offered.value), { live: false })
    if (answered.kind === 'failed') return void t.fail('not answered')
    const told =
      offerer === 'payer'
        ? { payer: answered.value, agent: offered.value }
        : { payer: offered.value, agent: answered.value }
    for (const party of ['payer', 'agent'] as const) parties[party].talk(told[party])
    for (const [party, other] of [
      ['payer', 'agent'],
      ['agent', 'payer'],
    ] as const) {
      await parties[other].hears(parties[party].mark)
      const number = Number(/^a=rtpmap:(\d+) telephone-event/m.exec(told[party])?.[1] ?? 0) || null
      t.equal(number, expected[party])
      const { heard } = parties[other]
      heard.length = 0
      parties[party].says(TONE)
      await eventually(() => heard.some(({ mark, octets }) => mark === 0x9c && octets === TONE.length))
      parties[party].says(null)
      await parties[other].hears(parties[party].mark)
      t.same(new Set(heard.map(({ type }) => type)), new Set([0]), 'a tone is audio like any other')
      if (number === null) continue
      await parties[party].press('5', told[party])
      await eventually(() => heard.filter(({ type, mark }) => type === number && mark === 5).length >= 7)
    }
    for (const party of Object.values(parties)) party.close()
    await session.delete()
  })
})

t.end()
