import t from 'tap'
import { DeskEvents } from '../fakes/desk-events.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { strikeInAllStates, type WindowStates } from '../fakes/window-states.ts'
import { nothingRecovered } from './failure-assertions.ts'

/** What the page has to say, it says within this after a process died. */
const TOLD_MS_MAX = 3_000
/** The SIP server gives a lost sbc two seconds of grace. */
const BYE_MS_MAX = 6_000
/** A new call and a payment on it, after the process is back. */
const CLOSED_MS_MAX = 20_000
const BACK_MS_MAX = 10_000
const COOL_DOWN_MS = 1_000
const FILE_MS_MAX = 115_000

t.setTimeout(FILE_MS_MAX)

type Target = {
  readonly name: 'sbc' | 'sipd'
  readonly title: string
  readonly failure: 'sbc_lost' | 'sip_lost'
  /** Whether the telephones hear of the end: without its SIP server nobody can tell them. */
  readonly bye: boolean
  readonly transport: 'both' | 'inband' | 'events'
}

const TARGETS: readonly Target[] = [
  { name: 'sbc', title: 'the sbc', failure: 'sbc_lost', bye: true, transport: 'both' },
  { name: 'sipd', title: 'the SIP server', failure: 'sip_lost', bye: false, transport: 'inband' },
]

t.test('calls end masked when their sbc or SIP server is killed, and new ones work', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const site = await Site.start({ lines: 4, coolDownMs: COOL_DOWN_MS, say: (line) => t.comment(line) })
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

  for (const { name, title, failure, bye, transport } of TARGETS) {
    await t.test(title, { timeout: FILE_MS_MAX }, async (t) => {
      await Promise.all(lines.map((line) => line.call()))
      const { struckMs, pid, opened, pressed, resumeVault } = await strikeInAllStates(site, states, {
        target: name,
        transport,
      })
      const since = { sinceMs: struckMs, deadlineMs: struckMs + TOLD_MS_MAX - performance.now() }
      try {
        // While there is no sbc, that is what the page says; what became of the calls, only the next sbc knows.
        await events.until(
          ({ type, sbc, call }) => (type === 'sbc' && sbc === 'down') || call?.state === 'ended',
          since,
        )
        for (const line of [capturing, storing, cooling]) {
          const { call } = await events.until(
            (event) => event.call?.callId === line.callId && event.call.state === 'ended',
            name === 'sbc' ? { ...since, deadlineMs: BACK_MS_MAX } : since,
          )
          t.equal(call?.payment?.state, 'closed', 'the page shows the end')
          t.equal(call?.payment?.failure, line === cooling ? null : failure, 'and why')
          if (line === cooling) t.match(call?.payment?.token, /^tok_/, 'a token that was returned stays returned')
        }
      } finally {
        resumeVault()
      }
      t.not(await opened, 'open', 'the order that was under way is not answered as if it had worked')
      if (bye) {
        for (const line of lines)
          for (const phone of [line.payer, line.agent])
            await phone.until('ended', { count: line.calls, deadlineMs: struckMs + BYE_MS_MAX - performance.now() })
        t.pass('both sides of every call get a BYE')
      }
      await pressed
      await Promise.all(lines.flatMap((line) => [line.payer.hangup(), line.agent.hangup()]))
      await site.untilBack(name, pid)
      await payOnNewCalls(lines)
      t.pass('new calls take payments')
      await Promise.all(lines.map((line) => line.payer.hangup()))
    })
  }

  for (const line of lines) await nothingRecovered(t, line)
})

async function payOnNewCalls(lines: readonly SiteLine[]): Promise<void> {
  const untilMs = performance.now() + CLOSED_MS_MAX
  await Promise.all(
    lines.map(async (line) => {
      // The process answers its supervisor before all others have found it again.
      while (!(await line.tryCall())) if (performance.now() > untilMs) throw new Error('no call can be made')
      await line.openWindow()
      const { token } = await line.pay('both')
      if (token === null) throw new Error('no token')
      await line.untilState('closed', CLOSED_MS_MAX)
    }),
  )
}
