import t from 'tap'
import { DeskEvents } from '../fakes/desk-events.ts'
import { nowUs } from '../../src/demo/monotonic.ts'
import { CARD_KEYS, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { heardFromPayer, nothingRecovered } from './failure-assertions.ts'

/** A channel pings each second, and three missed pings end it. */
const NOTICED_MS_MAX = 5_500
const REFUSED_MS_MAX = 700
const CLOSED_MS_MAX = 20_000
const COOL_DOWN_MS = 1_000
const FILE_MS_MAX = 100_000

t.setTimeout(FILE_MS_MAX)

t.test('a guard that hangs, and one that hears nothing', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const site = await Site.start({ lines: 1, guards: 2, coolDownMs: COOL_DOWN_MS, say: (line) => t.comment(line) })
  const events = new DeskEvents({ address: site.deskAddress, token: site.token })
  const line = await SiteLine.open(site, { line: 0 })
  t.teardown(async () => {
    events.close()
    await line.close()
    await site.close()
  })
  await line.call()
  await site.untilTested()

  await t.test('a window that cannot be proven is undone, and the call is as it was', async (t) => {
    t.setTimeout(FILE_MS_MAX)
    t.same(await line.payer.reinvite({ direction: 'inactive' }), { kind: 'done', status: 200 })
    const orderedMs = performance.now()
    await t.rejects(line.openWindow(), { code: 'not_proven' }, 'the payer sends nothing, so nothing is proven')
    t.ok(performance.now() - orderedMs < REFUSED_MS_MAX, 'the agent is told soon not to ask')
    const payment = await line.payment()
    t.match(payment, { failure: 'not_proven', token: null })
    await line.untilState('closed', CLOSED_MS_MAX)
    t.same(await line.payer.reinvite({ direction: 'sendrecv' }), { kind: 'done', status: 200 })
    await heardFromPayer(t, line, nowUs())
    await line.openWindow()
    t.match((await line.pay('both')).token, /^tok_/, 'the next window works')
    await line.untilState('closed', CLOSED_MS_MAX)
  })

  await t.test('a guard that is stopped in a window is noticed, and the other one masks', async (t) => {
    t.setTimeout(FILE_MS_MAX)
    await line.openWindow()
    await line.press(CARD_KEYS.slice(0, 6), 'both')
    const typing = line.press(`${CARD_KEYS.slice(6)}73920586147309258614`, 'both')
    const stoppedMs = performance.now()
    const stopped = site.signal('guard-1', 'SIGSTOP')
    const { call } = await events.until(({ call }) => call?.payment?.state === 'held', {
      sinceMs: stoppedMs,
      deadlineMs: NOTICED_MS_MAX,
    })
    t.comment(`noticed after ${Math.round(performance.now() - stoppedMs)} ms`)
    t.equal(call?.payment?.failure, 'guard_lost')
    await typing
    await line.press('4155', 'inband')
    // What the stopped guard still holds comes out of it now.
    process.kill(stopped, 'SIGCONT')
    await line.press('2673', 'both')
    await line.untilState('closed', CLOSED_MS_MAX)
    await heardFromPayer(t, line, nowUs())
    await line.openWindow()
    t.match((await line.pay('inband')).token, /^tok_/, 'a new window on the same call takes a payment')
    await line.untilState('closed', CLOSED_MS_MAX)
  })

  await line.payer.hangup()
  await nothingRecovered(t, line)
})
