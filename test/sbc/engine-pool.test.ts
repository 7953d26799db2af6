import { setImmediate as turnOfLoop } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { EnginePool, readUptime, type EngineLoss } from '../../src/sbc/engine-pool.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { NgProxy } from '../fakes/ng-proxy.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { freeUdpPort, startRtpengine } from '../fakes/rtpengine.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
/** Longer than an engine is waited for, again and again, for as long as one that hangs is believed. */
const STALL_MS = 400
const STALLS_MS = 2_200
const PREFIX = 'tonewall-127.0.0.1-9-'

function pool(
  ports: readonly number[],
  lost: (name: string, how: EngineLoss) => void = () => undefined,
  isPreferred?: (name: string) => boolean,
): EnginePool {
  return new EnginePool({
    engines: ports.map((port, index) => ({ name: `engine-${index}`, host: '127.0.0.1', port, start: null })),
    callIdPrefix: PREFIX,
    lost,
    logger,
    ...(isPreferred === undefined ? {} : { isPreferred }),
  })
}

t.test('engines that answer are chosen in turn, one that does not is left out and comes back by itself', async (t) => {
  const first = await startRtpengine()
  const laterPort = await freeUdpPort()
  const engines = pool([first.port, laterPort])
  await engines.start()
  t.equal(engines.upCount, 1)
  t.same([engines.choose()?.name, engines.choose()?.name], ['engine-0', 'engine-0'])
  const second = await startRtpengine({ port: laterPort })
  await eventually(() => engines.upCount === 2)
  t.same(new Set([engines.choose()?.name, engines.choose()?.name]), new Set(['engine-0', 'engine-1']))
  engines.close()
  engines.close()

  const bad = new Set(['engine-0'])
  const choosy = pool([first.port, laterPort], undefined, (name) => !bad.has(name))
  await choosy.start()
  t.same([choosy.choose()?.name, choosy.choose()?.name], ['engine-1', 'engine-1'], 'where cards can be taken')
  bad.add('engine-1')
  t.same(new Set([choosy.choose()?.name, choosy.choose()?.name]), new Set(['engine-0', 'engine-1']), 'calls go on')
  t.equal(choosy.find('engine-1')?.isUp, true)
  t.equal(choosy.find('engine-9'), null)
  choosy.close()
  await Promise.all([first.close(), second.close()])
})

t.test('without any engine there is none to choose', async (t) => {
  const engines = pool([await freeUdpPort()])
  await engines.start()
  t.equal(engines.choose(), null)
  t.equal(engines.upCount, 0)
  engines.close()
})

t.test('an engine that dies is told as lost once within 3 s, and is up again when it is back', async (t) => {
  const engine = await startRtpengine()
  const lost: string[] = []
  const engines = pool([engine.port], (name) => lost.push(name))
  await engines.start()
  const lives = engines.choose()?.lives
  await engine.close()
  const diedMs = performance.now()
  await eventually(() => lost.length > 0)
  t.ok(performance.now() - diedMs < 3_000)
  t.equal(engines.choose(), null)
  const again = await startRtpengine({ port: engine.port })
  await eventually(() => engines.upCount === 1)
  t.same(lost, ['engine-0'])
  t.equal(engines.choose()?.lives, (lives ?? 0) + 1)
  engines.close()
  await again.close()
})

t.test('an engine that was restarted between two questions is told as lost within 2 s of being back', async (t) => {
  const engine = await startRtpengine()
  const lost: string[] = []
  const engines = pool([engine.port], (name) => lost.push(name))
  await engines.start()
  // Its uptime is counted in whole seconds and must have begun to count.
  await new Promise((resolve) => setTimeout(resolve, 1_600))
  await engine.close()
  const again = await startRtpengine({ port: engine.port })
  const backMs = performance.now()
  await eventually(() => lost.length > 0)
  t.ok(performance.now() - backMs < 2_000)
  await eventually(() => engines.upCount === 1)
  t.pass('and takes new calls')
  engines.close()
  await again.close()
})

t.test('an engine that hangs is told as lost, and one whose sbc stood still itself is not', async (t) => {
  const engine = await startRtpengine()
  const lost: string[] = []
  const engines = pool([engine.port], (name, how) => lost.push(`${name} ${how}`))
  await engines.start()
  const untilMs = performance.now() + STALLS_MS
  while (performance.now() < untilMs) {
    const stallMs = performance.now() + STALL_MS
    while (performance.now() < stallMs);
    await turnOfLoop()
  }
  t.same(lost, [])
  engine.process.kill('SIGSTOP')
  const stoppedMs = performance.now()
  await eventually(() => lost.length > 0)
  t.comment(`told after ${Math.round(performance.now() - stoppedMs)} ms`)
  t.ok(performance.now() - stoppedMs < 3_000)
  t.same(lost, ['engine-0 silent'])
  t.equal(engines.choose(), null)
  engine.process.kill('SIGCONT')
  await eventually(() => engines.upCount === 1)
  engines.close()
  await engine.close()
})

t.test('calls that an earlier sbc left are deleted before the first new one, those of others stay', async (t) => {
  const engine = await startRtpengine()
  const control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
  const party = await RtpParty.open({ mark: 1 })
  const offer = (callId: string) =>
    control.request('offer', { 'call-id': callId, 'from-tag': 'payer', sdp: party.sdp() }, { deadlineMs: 1_000 })
  for (let call = 0; call < 30; call += 1) await offer(`${PREFIX}old-${call}`)
  await offer('of-another-sbc')
  const engines = pool([engine.port])
  await engines.start()
  t.equal(engines.upCount, 1)
  const listed = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
  t.same(listed.kind === 'ok' ? listed.reply['calls'] : null, ['of-another-sbc'])
  await offer(`${PREFIX}new`)
  await new Promise((resolve) => setTimeout(resolve, 900))
  const later = await control.request('list', { limit: 100 }, { deadlineMs: 1_000 })
  t.ok(later.kind === 'ok' && (later.reply['calls'] as string[]).includes(`${PREFIX}new`), 'a new call is not swept')
  engines.close()
  control.close()
  party.close()
  await engine.close()
})

t.test(
  'as long as the sweep did not succeed, the engine takes no calls, so that a later sweep ends none',
  async (t) => {
    const engine = await startRtpengine()
    const proxy = await NgProxy.start(engine.port)
    proxy.loses = ({ command, direction }) => direction === 'reply' && command === 'list'
    const engines = pool([proxy.port])
    await engines.start()
    t.equal(engines.choose(), null)
    proxy.loses = () => false
    await eventually(() => engines.upCount === 1)
    engines.close()
    proxy.close()
    await engine.close()
  },
)

t.test('an uptime that is missing or no number counts as zero', (t) => {
  t.equal(readUptime({ statistics: { totalstatistics: { uptime: '17' } } }), 17)
  for (const reply of [
    {},
    { statistics: null },
    { statistics: { totalstatistics: [] } },
    { statistics: { totalstatistics: { uptime: 'x' } } },
  ])
    t.equal(readUptime(reply), 0)
  t.end()
})

t.end()
