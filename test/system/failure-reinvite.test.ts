import t, { type Test } from 'tap'
import { nowUs } from '../../src/demo/monotonic.ts'
import { DeskEvents } from '../fakes/desk-events.ts'
import { expiryKeys, CARD_KEYS, CODE_KEYS, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { heardFromPayer, nothingRecovered } from './failure-assertions.ts'

const TOLD_MS_MAX = 3_000
const CLOSED_MS_MAX = 20_000
const COOL_DOWN_MS = 1_000
const FILE_MS_MAX = 100_000
const DONE = { kind: 'done', status: 200 }

t.setTimeout(FILE_MS_MAX)

t.test('SIP inside a window never unmasks', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const site = await Site.start({ lines: 2, guards: 1, coolDownMs: COOL_DOWN_MS, say: (line) => t.comment(line) })
  const events = new DeskEvents({ address: site.deskAddress, token: site.token })
  const lines: SiteLine[] = []
  t.teardown(async () => {
    events.close()
    await Promise.all(lines.map((line) => line.close()))
    await site.close()
  })
  const line = await SiteLine.open(site, { line: 0, codecs: ['PCMU', 'PCMA'] })
  lines.push(line)

  await t.test('a payer who holds, resumes, moves and changes the codec can finish the card', async (t) => {
    t.setTimeout(FILE_MS_MAX)
    await line.call()
    await line.openWindow()
    await line.press(CARD_KEYS.slice(0, 4), 'both')
    t.same(await line.payer.reinvite({ direction: 'sendonly' }), DONE, 'held')
    await line.press(CARD_KEYS.slice(4, 7), 'both')
    t.same(await line.payer.reinvite({ direction: 'sendrecv' }), DONE, 'resumed')
    await line.press(CARD_KEYS.slice(7, 10), 'both')
    t.same(await line.payer.reinvite({ newPort: true }), DONE, 'at a new port')
    await line.press(CARD_KEYS.slice(10, 13), 'both')
    t.same(await line.payer.reinvite({ codecs: ['PCMA'] }), DONE, 'with another codec')
    await line.press(CARD_KEYS.slice(13), 'both')
    await finish(t, line)
  })

  await t.test('so it is with the agent', async (t) => {
    t.setTimeout(FILE_MS_MAX)
    await line.openWindow()
    await line.press(CARD_KEYS.slice(0, 4), 'both')
    t.same(await line.agent.reinvite({ direction: 'sendonly' }), DONE, 'held')
    await line.press(CARD_KEYS.slice(4, 7), 'both')
    t.same(await line.agent.reinvite({ direction: 'sendrecv' }), DONE, 'resumed')
    await line.press(CARD_KEYS.slice(7, 10), 'both')
    t.same(await line.agent.reinvite({ newPort: true }), DONE, 'at a new port')
    await line.press(CARD_KEYS.slice(10, 13), 'both')
    t.same(await line.agent.reinvite({ codecs: ['PCMA'] }), DONE, 'with another codec')
    await line.press(CARD_KEYS.slice(13), 'both')
    await finish(t, line)
  })

  await t.test(
    'a hold that crosses the order of a window leaves the parties masked or the order refused',
    async (t) => {
      t.setTimeout(FILE_MS_MAX)
      for (const side of ['payer', 'agent'] as const) {
        const [opened, held] = await Promise.all([
          line.openWindow().then(
            () => 'open',
            (error: unknown) => (error instanceof Error && 'code' in error ? error.code : 'lost'),
          ),
          line[side].reinvite({ direction: 'sendonly' }),
        ])
        t.comment(`${side}: the window is ${String(opened)}, the hold ${held.kind}`)
        if (opened === 'open') {
          await line.press(CARD_KEYS.slice(0, 6), 'both')
          t.same(await line[side].reinvite({ direction: 'sendrecv' }), DONE)
          await line.press(CARD_KEYS.slice(6), 'both')
          await finish(t, line)
        } else {
          t.match(opened, /^(not_proven|media_unavailable)$/)
          await line.untilState('closed', CLOSED_MS_MAX)
          t.same(await line[side].reinvite({ direction: 'sendrecv' }), DONE)
          await heardFromPayer(t, line, nowUs())
        }
      }
    },
  )

  await t.test('a BYE of either side in the middle of a number ends the call masked', async (t) => {
    t.setTimeout(FILE_MS_MAX)
    await line.payer.hangup()
    for (const side of ['payer', 'agent'] as const) {
      await line.call()
      await line.openWindow()
      await line.press(CARD_KEYS.slice(0, 7), 'both')
      const typing = line.press(CARD_KEYS.slice(7), 'both')
      const sinceMs = performance.now()
      t.same(await line[side].hangup(), DONE)
      const { call } = await events.until(({ call }) => call?.callId === line.callId && call.state === 'ended', {
        sinceMs,
        deadlineMs: TOLD_MS_MAX,
      })
      t.match(call?.payment, { state: 'closed', failure: 'call_ended', token: null })
      await typing
      await line[side === 'payer' ? 'agent' : 'payer'].until('ended', { count: line.calls, deadlineMs: TOLD_MS_MAX })
    }
  })

  await nothingRecovered(t, line)
})

async function finish(t: Test, line: SiteLine): Promise<void> {
  await line.untilPayment(({ fields }) => fields[0]?.state === 'accepted')
  await line.press(expiryKeys(new Date()), 'both')
  await line.press(CODE_KEYS, 'both')
  t.match((await line.untilPayment(({ token }) => token !== null)).token, /^tok_/, 'a token')
  await line.untilState('closed', CLOSED_MS_MAX)
  await heardFromPayer(t, line, nowUs())
}
