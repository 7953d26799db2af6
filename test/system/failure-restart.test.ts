import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { CARD_KEYS, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { nothingRecovered } from './failure-assertions.ts'

/** The SIP server's grace of two seconds begins anew when the sbc dies again. */
const ENDED_MS_MAX = 12_000
const CALL_MS_MAX = 15_000
/** Twenty-five seconds on a machine that does nothing else. */
const FILE_MS_MAX = 150_000
/** Of the voice before keys, for the judge. */
const VOICE_MS = 5_000

t.setTimeout(FILE_MS_MAX)

t.test('an sbc that is killed, and killed again as soon as it is back, leaves no call hanging anywhere', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const site = await Site.start({ lines: 4, guards: 1, coolDownMs: 500, say: (line) => t.comment(line) })
  const lines: SiteLine[] = []
  const [media] = site.configuration.rtpengines
  const [guard] = site.configuration.guards
  if (media === undefined || guard === undefined) throw new Error('the test configuration lacks something')
  const control = new RtpengineControl({ ...media, logger: createLogger({ role: 'test', level: 'silent' }) })
  t.teardown(async () => {
    control.close()
    await Promise.all(lines.map((line) => line.close()))
    await site.close()
  })
  for (const line of [0, 1, 2, 3]) lines.push(await SiteLine.open(site, { line }))
  const [paying, ringing, changing, talking] = lines
  if (paying === undefined || ringing === undefined || changing === undefined || talking === undefined)
    throw new Error('four lines')
  // The judge learns from the rest of the call what the voice looks like that talk-through lets pass.
  await talking.call()
  const talkingMs = performance.now()
  await paying.call()
  await changing.call()
  await ringing.agent.answer({ kind: 'ring' })
  const unanswered = ringing.payer.call({ to: site.uriOf(1) })
  await ringing.agent.until('incoming', { deadlineMs: CALL_MS_MAX })
  // These calls are too short for that: here there must be no voice.
  await paying.openWindow('hard')
  await delay(Math.max(0, talkingMs + VOICE_MS - performance.now()))
  await talking.openWindow('talk-through')
  await Promise.all([paying, talking].map((line) => line.press(CARD_KEYS.slice(0, 6), 'both')))
  const typing = Promise.all([paying, talking].map((line) => line.press(CARD_KEYS.slice(6), 'both')))

  // The re-INVITE is on its way while the sbc dies.
  const changed = changing.payer.reinvite({ direction: 'sendonly' })
  const first = site.signal('sbc', 'SIGKILL')
  await site.untilBack('sbc', first)
  const second = site.signal('sbc', 'SIGKILL')
  const killedMs = performance.now()
  for (const phone of [paying, talking, changing].flatMap(({ payer, agent }) => [payer, agent]))
    await phone.until('ended', { deadlineMs: killedMs + ENDED_MS_MAX - performance.now() })
  t.pass('both sides of every call get a BYE')
  t.not((await unanswered).kind, 'answered')
  await ringing.agent.until('cancelled', { deadlineMs: killedMs + ENDED_MS_MAX - performance.now() })
  t.pass('who rang is not rung any more')
  t.comment(`all ended ${Math.round(performance.now() - killedMs)} ms after the second kill`)
  t.comment(`the re-INVITE: ${(await changed).kind}`)
  await typing
  await site.untilBack('sbc', second)

  await eventually(async () => {
    const listed = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
    const calls = listed.kind === 'ok' ? (listed.reply['calls'] as string[]) : ['unknown']
    return calls.every((callId) => callId.includes('self-test'))
  }, ENDED_MS_MAX)
  t.pass('rtpengine has no call')
  await eventually(async () => (await site.counted(guard.metricsPort, 'tonewall_guard_windows')) === 0, ENDED_MS_MAX)
  t.pass('no guard has a window')
  const untilMs = performance.now() + CALL_MS_MAX
  await ringing.agent.answer({ kind: 'answer', afterMs: 20, earlyMedia: false })
  while (!(await ringing.tryCall())) if (performance.now() > untilMs) throw new Error('no call can be made')
  t.pass('a new call can be made')
  await ringing.payer.hangup()
  for (const line of [paying, talking]) await nothingRecovered(t, line)
})
