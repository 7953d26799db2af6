import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { KeyTransport } from '../../src/demo/phone/phone-protocol.ts'
import { memoryNeedlesOf, searchMemory } from '../fakes/canary-search.ts'
import { expiryKeys, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'

/** A public test number too, but not the one that the guard itself keys in its self-tests, and so knows for good. */
const CANARY = '4917484589897107'
const CODE = '837'
const COOL_DOWN_MS = 500
/** When digits must be gone from the guard after its window. */
const GONE_MS = 2_000
const TRIES = 3
/** Keys that follow a refused field sooner are taken for what was left of it. */
const ASKED_AGAIN_MS = 2_500
const CLOSED_MS = 12_000
const TEST_MS_MAX = 110_000

t.setTimeout(TEST_MS_MAX)

t.test('two seconds after a window no run of six digits of its card is in the memory of the guard', async (t) => {
  t.setTimeout(TEST_MS_MAX)
  const site = await Site.start({ lines: 1, guards: 1, coolDownMs: COOL_DOWN_MS, say: (line) => t.comment(line) })
  const line = await SiteLine.open(site, { line: 0 })
  t.teardown(async () => {
    await line.close()
    await site.close()
  })
  const needles = memoryNeedlesOf(CANARY)
  const found = () => searchMemory(site.pidOf('guard-1'), needles)
  for (const transport of ['both', 'inband', 'info'] as const) {
    await line.call()
    await line.payer.speak(false)
    await line.openWindow()
    const keyed = line.press(CANARY, transport)
    if (transport === 'both') {
      await line.untilPayment(({ fields }) => (fields[0]?.entered ?? 0) >= CANARY.length - 4, CLOSED_MS)
      t.ok(found().length > 0, 'the control: while they are keyed, the digits are found')
    }
    await keyed
    await numberAccepted(line, transport)
    await line.press(`${expiryKeys(new Date())}${CODE}`, transport)
    await line.untilPayment(({ token }) => token !== null, CLOSED_MS)
    await line.untilState('closed', CLOSED_MS)
    await delay(GONE_MS)
    t.same(found(), [], `keyed by ${transport}`)
    await line.payer.hangup()
    await line.agent.until('ended', { count: line.calls, deadlineMs: CLOSED_MS })
  }
})

/** On a machine that stood still a key goes missing, or two change places; the agent asks again. */
async function numberAccepted(line: SiteLine, transport: KeyTransport): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const { fields } = await line.untilPayment(
      (payment) => payment.fields[0]?.state === 'accepted' || payment.fields[0]?.state === 'refused',
      CLOSED_MS,
    )
    if (fields[0]?.state === 'accepted' || tries === TRIES) return
    await delay(ASKED_AGAIN_MS)
    await line.press(CANARY, transport)
  }
}
