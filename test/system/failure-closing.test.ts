import t from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { nowUs } from '../../src/demo/monotonic.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { heardFromPayer, nothingRecovered } from './failure-assertions.ts'

/**
 * Closing takes milliseconds. rtpengine is stopped just before, so that the guard is drained and silent while the sbc
 * waits for rtpengine to connect the parties; then the target is killed, and rtpengine goes on. The cool-down is over
 * by then, so what is typed after it is typed in the clear, as it would be had nothing died.
 */
const STOPPED_BEFORE_MS = 150
const KILLED_AFTER_MS = 200
const COOL_DOWN_MS = 1_000
const CLOSED_MS_MAX = 20_000
/** A close that rtpengine was asked for before the kill is carried out by then, or was not. */
const SETTLED_MS = 600
const BYE_MS_MAX = 6_000
const OPEN_MS_MAX = 5_000
const LOOK_EVERY_MS = 100
const CALL_MS_MAX = 15_000
const FILE_MS_MAX = 100_000
/** The vault and the desk have no part in a closing: they go together. */
const TARGETS = [['guard-1'], ['vault', 'desk'], ['sbc'], ['sipd'], ['media-1']] as const
const KEYS = '739205861473'

t.setTimeout(FILE_MS_MAX)

t.test(
  'a process that is killed while a window closes leaves the parties masked, direct, or without a call',
  async (t) => {
    t.setTimeout(FILE_MS_MAX)
    const site = await Site.start({ lines: 1, guards: 1, coolDownMs: COOL_DOWN_MS, say: (text) => t.comment(text) })
    const line = await SiteLine.open(site, { line: 0 })
    t.teardown(async () => {
      await line.close()
      await site.close()
    })
    await line.call()
    // Speech can be as regular as a tone and keep a window open; here the moment of the closing must be known.
    await line.payer.speak(false)

    for (const targets of TARGETS) {
      await t.test(targets.join(' and '), async (t) => {
        t.setTimeout(FILE_MS_MAX)
        const [target = ''] = targets
        // A call is moved to the rtpengine that was started in the place of the dead one.
        const isCallKept = ['guard-1', 'vault', 'media-1'].includes(target)
        await openWhenBack(line)
        t.match((await line.pay('both')).token, /^tok_/)
        // The last key was let go some milliseconds ago.
        const quietMs = performance.now()
        await delay(quietMs + COOL_DOWN_MS - STOPPED_BEFORE_MS - performance.now())
        const stopped = site.signal('media-1', 'SIGSTOP')
        await delay(STOPPED_BEFORE_MS + KILLED_AFTER_MS)
        const killed = targets.map((name) => ({ name, pid: name === 'media-1' ? stopped : site.pidOf(name) }))
        for (const { pid } of killed) process.kill(pid, 'SIGKILL')
        if (target !== 'media-1') process.kill(stopped, 'SIGCONT')
        if (isCallKept) {
          await delay(SETTLED_MS)
          const { state } = await line.untilPayment(({ state }) => state !== 'cooling', CLOSED_MS_MAX)
          t.comment(`after the kill the window is ${state}`)
          // While it is not over, keys are masked; once it is, they are the customer's own affair.
          if (state === 'held') await line.press(KEYS, 'both')
          for (const { name, pid } of killed) await site.untilBack(name, pid)
          await line.untilState('closed', CLOSED_MS_MAX)
          await heardFromPayer(t, line, nowUs())
          return
        }
        // Nobody can tell the telephones when the SIP server is gone; the others end the call with BYE.
        if (target === 'sipd') await Promise.all([line.payer.hangup(), line.agent.hangup()])
        for (const phone of [line.payer, line.agent])
          await phone.until('ended', { count: line.calls, deadlineMs: BYE_MS_MAX })
        for (const { name, pid } of killed) await site.untilBack(name, pid)
        const untilMs = performance.now() + CALL_MS_MAX
        while (!(await line.tryCall())) if (performance.now() > untilMs) throw new Error('no call can be made')
        t.pass('a new call can be made')
      })
    }

    await openWhenBack(line)
    const paid = await line.pay('both')
    t.match(paid, { failure: null, token: /^tok_/ }, 'and a new payment')
    await line.untilState('closed', CLOSED_MS_MAX)
    await line.payer.hangup()
    await nothingRecovered(t, line)
  },
)

/** The sbc finds a guard that was started again within a second. */
async function openWhenBack(line: SiteLine): Promise<void> {
  const isOpen = () =>
    line.openWindow().then(
      () => true,
      () => delay(LOOK_EVERY_MS, false),
    )
  const untilMs = performance.now() + OPEN_MS_MAX
  while (!(await isOpen())) if (performance.now() > untilMs) throw new Error('no window can be opened')
}
