import t, { type Test } from 'tap'
import { nowUs } from '../../src/demo/monotonic.ts'
import type { KeyTransport } from '../../src/demo/phone/phone-protocol.ts'
import { DeskEvents } from '../fakes/desk-events.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { strikeInAllStates, type WindowStates } from '../fakes/window-states.ts'
import { heardFromPayer, nothingRecovered } from './failure-assertions.ts'

/** What the page has to say, it says within this after a process died. */
const TOLD_MS_MAX = 3_000
/** A guard, vault or desk is back and the windows are closed within this, on a busy machine. */
const CLOSED_MS_MAX = 20_000
const COOL_DOWN_MS = 1_500
const FILE_MS_MAX = 115_000

t.setTimeout(FILE_MS_MAX)

t.test(
  'a guard, a vault or a desk that is killed in any window state leaks nothing, and the calls go on',
  async (t) => {
    t.setTimeout(FILE_MS_MAX)
    const site = await Site.start({ lines: 4, guards: 1, coolDownMs: COOL_DOWN_MS, say: (line) => t.comment(line) })
    const events = new DeskEvents({ address: site.deskAddress, token: site.token })
    const lines: SiteLine[] = []
    t.teardown(async () => {
      events.close()
      await Promise.all(lines.map((line) => line.close()))
      await site.close()
    })
    for (const line of [0, 1, 2, 3]) lines.push(await SiteLine.open(site, { line }))
    const [capturing, storing, cooling, opening] = lines
    if (capturing === undefined || storing === undefined || cooling === undefined || opening === undefined)
      throw new Error('four lines')
    const states: WindowStates = { capturing, storing, cooling, opening }
    await Promise.all(lines.map((line) => line.call()))

    await t.test('the guard', { timeout: FILE_MS_MAX }, async (t) => {
      const { opened } = await strike(site, states, {
        target: 'guard-1',
        transport: 'both',
        told: async (sinceMs) => {
          const held = async (line: SiteLine) => {
            const { call } = await events.until(
              ({ call }) => call?.callId === line.callId && call.payment?.state === 'held',
              { sinceMs, deadlineMs: sinceMs + TOLD_MS_MAX - performance.now() },
            )
            return call?.payment
          }
          t.equal((await held(capturing))?.failure, 'guard_lost', 'the page says what happened')
          t.equal((await held(storing))?.failure, 'guard_lost')
          t.match((await held(cooling))?.token, /^tok_/, 'a token that was returned stays returned')
        },
      })
      t.match(opened, /^(guard_unavailable|not_proven|media_unavailable)$/, 'the order is refused')
      t.not((await opening.payment()).failure, null, 'the agent is told why')
      await allClosed(t, lines)
      await payAgain(t, lines, 'inband')
    })

    await t.test('the vault', { timeout: FILE_MS_MAX }, async (t) => {
      const { opened } = await strike(site, states, {
        target: 'vault',
        transport: 'inband',
        told: async (sinceMs) => {
          for (const line of [capturing, storing, cooling])
            t.equal((await line.payment()).failure, null, 'nothing has failed yet: the guard asks the next vault')
          t.equal((await storing.payment()).state, 'storing')
          t.ok(performance.now() - sinceMs < TOLD_MS_MAX)
        },
      })
      t.match(opened, /^(open|not_recorded)$/, 'a window opens once the next vault has written it down, or not at all')
      if (opened === 'open') await opening.pay('both')
      await capturing.finishForm('inband')
      for (const line of opened === 'open' ? [capturing, storing, opening] : [capturing, storing]) {
        const { token, failure } = await line.untilPayment((now) => now.token !== null || now.failure !== null, 14_000)
        t.match(token, /^tok_/, 'the guard asks again until the vault is back')
        t.equal(failure, null)
      }
      await allClosed(t, lines)
      await payAgain(t, lines, 'both')
    })

    await t.test('the desk', { timeout: FILE_MS_MAX }, async (t) => {
      const { struckMs, opened } = await strike(site, states, {
        target: 'desk',
        transport: 'events',
        told: async (sinceMs) => {
          await events.until(({ type }) => type === 'lost', { sinceMs, deadlineMs: TOLD_MS_MAX })
        },
      })
      await events.until(({ type }) => type === 'resumed', { sinceMs: struckMs, deadlineMs: CLOSED_MS_MAX })
      t.equal(opened, 'lost', 'nobody is told that the window is open')
      // The order may have reached the sbc. Then the window is open, and the page shows it as soon as it is back.
      const shown = await events.until(({ call }) => call?.callId === opening.callId, {
        sinceMs: struckMs,
        deadlineMs: CLOSED_MS_MAX,
      })
      if (shown.call?.payment?.token === null) await site.desk.cancelWindow(opening.callId).catch(() => undefined)
      await capturing.finishForm('events')
      for (const line of [capturing, storing])
        t.match((await line.untilPayment(({ token }) => token !== null, 14_000)).token, /^tok_/)
      await allClosed(t, lines)
      await payAgain(t, lines, 'inband')
    })

    await Promise.all(lines.map((line) => line.payer.hangup()))
    for (const line of lines) await nothingRecovered(t, line)
  },
)

/** Kills a process and waits for the next one of its name. */
async function strike(
  site: Site,
  states: WindowStates,
  options: {
    readonly target: string
    readonly transport: KeyTransport
    readonly told: (sinceMs: number) => Promise<void>
  },
): Promise<{ readonly opened: string; readonly struckMs: number }> {
  const { struckMs, pid, opened, pressed, resumeVault } = await strikeInAllStates(site, states, options)
  try {
    await options.told(struckMs)
  } finally {
    resumeVault()
  }
  await pressed
  await site.untilBack(options.target, pid)
  return { opened: await opened, struckMs }
}

async function allClosed(t: Test, lines: readonly SiteLine[]): Promise<void> {
  const closed = await Promise.all(
    lines.map((line) => line.untilState('closed', CLOSED_MS_MAX).catch(() => line.payment().catch(() => null))),
  )
  t.same(
    closed.map((payment) => payment?.state ?? 'none'),
    closed.map((payment) => (payment === null ? 'none' : 'closed')),
    'every window ends',
  )
  const sinceUs = nowUs()
  for (const line of lines) await heardFromPayer(t, line, sinceUs)
}

async function payAgain(t: Test, lines: readonly SiteLine[], transport: KeyTransport): Promise<void> {
  const paid = await Promise.all(
    lines.map(async (line) => {
      await line.openWindow()
      const { token } = await line.pay(transport)
      await line.untilState('closed', CLOSED_MS_MAX)
      return token
    }),
  )
  for (const token of paid) t.match(token, /^tok_/, 'a new window on the same call takes a payment')
}
