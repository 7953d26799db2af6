import t, { type Test } from 'tap'
import type { Phone } from '../../src/demo/phone-client.ts'
import { nowUs } from '../../src/demo/monotonic.ts'
import { createLogger } from '../../src/kit/log.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { DeskEvents } from '../fakes/desk-events.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { mediaPorts } from '../fakes/media-ports.ts'
import { CARD_KEYS, SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { heardFromPayer, nothingRecovered } from './failure-assertions.ts'

/** From the death of an rtpengine until both parties hear something again. */
const GAP_MS_MAX = 3_000
const CLOSED_MS_MAX = 20_000
const COOL_DOWN_MS = 1_000
const FILE_MS_MAX = 100_000
/** Ports of the second rtpengine lie above those that a test configuration takes for the first. */

t.setTimeout(FILE_MS_MAX)

t.test('an rtpengine that dies is replaced for live calls within 3 s, and windows end masked', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  const host = '127.0.0.1'
  const media = await mediaPorts()
  const second = { port: await freePort(), guard: { port: await freePort(), metricsPort: await freePort() } }
  const site = await Site.start({
    lines: 3,
    guards: 1,
    coolDownMs: COOL_DOWN_MS,
    say: (line) => t.comment(line),
    change: (written) => ({
      ...written,
      rtpengines: [
        ...written.rtpengines,
        {
          name: 'media-2',
          host,
          port: second.port,
          start: { interface: `lo/${host}`, portMin: media.min, portMax: media.max },
        },
      ],
      guards: [...written.guards, { name: 'guard-2', host, ...second.guard, rtpengine: 'media-2', media: host }],
    }),
  })
  const events = new DeskEvents({ address: site.deskAddress, token: site.token })
  const lines: SiteLine[] = []
  t.teardown(async () => {
    events.close()
    await Promise.all(lines.map((line) => line.close()))
    await site.close()
  })
  for (const line of [0, 1, 2]) lines.push(await SiteLine.open(site, { line }))
  const engineOf = async (line: SiteLine): Promise<string> => {
    const port = await portOf(line)
    return port >= media.min && port <= media.max ? 'media-2' : 'media-1'
  }
  const [clear, other, capturing] = lines
  if (clear === undefined || other === undefined || capturing === undefined) throw new Error('three lines')
  await site.untilTested()
  // Calls go to the rtpengines in turn.
  for (const line of lines) await line.call()
  const engine = await engineOf(capturing)
  t.equal(await engineOf(clear), engine)
  t.not(await engineOf(other), engine)

  await capturing.openWindow()
  await capturing.press(CARD_KEYS.slice(0, 7), 'both')
  const typing = capturing.press(`${CARD_KEYS.slice(7)}73920586147309258614`, 'both')
  const told = new Map([clear, capturing].map((line) => [line, 0]))
  for (const line of told.keys()) told.set(line, await portOf(line))
  const killed = { us: nowUs(), ms: performance.now() }
  const pid = site.signal(engine, 'SIGKILL')
  const { call } = await events.until(({ call }) => call?.payment?.state === 'held', {
    sinceMs: killed.ms,
    deadlineMs: GAP_MS_MAX,
  })
  t.equal(call?.payment?.failure, 'media_lost', 'the page says what happened')
  await typing
  await capturing.untilState('closed', CLOSED_MS_MAX)
  t.match(await capturing.payment(), { token: null, failure: 'media_lost' })
  await heardFromPayer(t, capturing, nowUs())
  await heardFromPayer(t, clear, nowUs())
  for (const [name, line] of [
    ['in the clear', clear],
    ['in a window', capturing],
  ] as const) {
    const gaps = await Promise.all([gapMs(line.payer, killed.us), gapMs(line.agent, killed.us)])
    t.comment(`${name}: the payer heard nothing for ${gaps[0]} ms, the agent for ${gaps[1]} ms`)
    t.ok(Math.max(...gaps) < GAP_MS_MAX, `${name} both hear something again within 3 s`)
    // It is started again so soon that it may be the one that takes the call.
    t.not(await portOf(line), told.get(line), 'from another rtpengine, or from that one in its new life')
  }
  t.equal((await other.payer.report()).events.filter(({ name }) => name === 'reinvited').length, 0, 'others go on')

  await capturing.openWindow()
  t.match((await capturing.pay('both')).token, /^tok_/, 'a new window on the same call takes a payment')
  await capturing.untilState('closed', CLOSED_MS_MAX)
  await site.untilBack(engine, pid)

  // It hangs instead of dying: nothing refuses, answers or relays any more, and it still has every call.
  const hung = await engineOf(capturing)
  await capturing.openWindow()
  await capturing.press(CARD_KEYS.slice(0, 7), 'both')
  const typingAcross = capturing.press(`${CARD_KEYS.slice(7)}73920586147309258614`, 'both')
  const stopped = { us: nowUs(), ms: performance.now() }
  const hungPid = site.signal(hung, 'SIGSTOP')
  const held = await events.until(({ call }) => call?.payment?.state === 'held', {
    sinceMs: stopped.ms,
    deadlineMs: GAP_MS_MAX,
  })
  t.equal(held.call?.payment?.failure, 'media_lost')
  t.comment(`the page said so ${Math.round(performance.now() - stopped.ms)} ms after it was stopped`)
  await typingAcross
  // What it was sent while it stood still comes out of it now.
  process.kill(hungPid, 'SIGCONT')
  await capturing.untilState('closed', CLOSED_MS_MAX)
  for (const [name, line] of [
    ['in the clear', clear],
    ['on what was the second', other],
    ['in a window', capturing],
  ] as const) {
    await heardFromPayer(t, line, nowUs())
    const gaps = await Promise.all([gapMs(line.payer, stopped.us), gapMs(line.agent, stopped.us)])
    t.comment(`${name}: the payer heard nothing for ${gaps[0]} ms, the agent for ${gaps[1]} ms`)
    t.ok(Math.max(...gaps) < GAP_MS_MAX, `${name} both hear something again within 3 s`)
    t.not(await engineOf(line), hung, 'from another rtpengine')
  }
  await untilEmpty(t, site, hung)

  await capturing.openWindow()
  await capturing.press(CARD_KEYS.slice(0, 7), 'both')
  const typingOn = capturing.press(`${CARD_KEYS.slice(7)}7392058614`, 'both')
  const bothMs = performance.now()
  for (const name of ['media-1', 'media-2']) site.signal(name, 'SIGKILL')
  await typingOn
  await capturing.untilState('closed', CLOSED_MS_MAX)
  t.match(await capturing.payment(), { token: null, failure: 'media_lost' }, 'all of them at once: the same')
  t.comment(`closed ${Math.round(performance.now() - bothMs)} ms after both died`)
  for (const line of lines) await heardFromPayer(t, line, nowUs())
  for (const line of lines) {
    await line.payer.hangup()
    await line.agent.until('ended', { count: line.calls, deadlineMs: GAP_MS_MAX })
  }
  await nothingRecovered(t, capturing)
})

/** The port that the payer was told last. */
async function portOf(line: SiteLine): Promise<number> {
  const { sipReceived } = await line.payer.report()
  return Number(sipReceived.flatMap((text) => /^m=audio (\d+)/m.exec(text)?.[1] ?? []).at(-1))
}

/** What is left of the calls there: a call that its sbc cannot steer any more must not go on beside the new one. */
async function untilEmpty(t: Test, site: Site, name: string): Promise<void> {
  const engine = site.configuration.rtpengines.find((candidate) => candidate.name === name)
  if (engine === undefined) throw new Error('no such rtpengine')
  const control = new RtpengineControl({ ...engine, logger: createLogger({ role: 'test', level: 'silent' }) })
  await eventually(async () => {
    const listed = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
    const calls = listed.kind === 'ok' ? (listed.reply['calls'] as string[]) : ['unknown']
    return calls.every((callId) => callId.includes('self-test'))
  }, CLOSED_MS_MAX)
  control.close()
  t.pass('it has none of the calls left, and takes new ones')
}

/** The longest time without a packet that reaches over the moment, or begins soon after it. */
async function gapMs(phone: Phone, atUs: number): Promise<number> {
  const { received } = await phone.report()
  const times = received.map((packet) => packet.atUs).filter((us) => us > atUs - 500_000 && us < atUs + 4_000_000)
  const gaps = times.slice(1).map((us, index) => us - (times[index] ?? us))
  return Math.round(Math.max(...gaps, times.length < 2 ? Number.POSITIVE_INFINITY : 0) / 1_000)
}
