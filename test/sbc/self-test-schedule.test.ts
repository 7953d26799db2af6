import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { GuardLink } from '../../src/sbc/guard-link.ts'
import { GuardService } from '../../src/sbc/guard-service.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import type { SelfTestOutcome } from '../../src/sbc/self-test.ts'
import { SelfTestSchedule } from '../../src/sbc/self-test-schedule.ts'
import type { SelfTestCode } from '../../src/wire/self-test-protocol.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard } from '../fakes/fake-guard.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const HOUR_MS = 3_600_000
const logger = createLogger({ role: 'test', level: 'silent' })

/** Two connected guards beside one engine, a clock that the test moves, and tests that come out as told. */
async function schedule(t: { teardown(handler: () => unknown): void }, outcomes: Record<string, SelfTestCode[]> = {}) {
  const fakes = await Promise.all([0, 1].map(() => FakeGuard.start({ identity: sharedIdentity('guard') })))
  const links = fakes.map(
    (fake, index) =>
      new GuardLink({
        guard: {
          name: `guard-${index}`,
          rtpengine: 'engine',
          host: '127.0.0.1',
          port: fake.port,
          media: '127.0.0.1',
          windowsMax: 10,
          metricsPort: 0,
        },
        owner: 'abcdefghijklmnop',
        identity: sharedIdentity('sbc'),
        logger,
      }),
  )
  await eventually(() => links.every((link) => link.isUp))
  const control = new RtpengineControl({ host: '127.0.0.1', port: 9, logger })
  const engine = { name: 'engine', control, isUp: true, lives: 0 }
  const service = new GuardService({ isTested: true })
  const ran: string[] = []
  /** What happens in the next tests, one after the other. */
  const during: (() => void)[] = []
  const clock = { nowMs: 0 }
  const metrics = new Metrics('sbc')
  const tests = new SelfTestSchedule({
    links,
    engines: { find: (name) => (name === 'engine' ? engine : null) },
    service,
    run: ({ guard }): Promise<SelfTestOutcome> => {
      ran.push(guard.name)
      during.shift()?.()
      return Promise.resolve({ code: outcomes[guard.name]?.shift() ?? 'ok', keysRead: 0, delayMs: 41 })
    },
    logger,
    metrics,
    nowMs: () => clock.nowMs,
    dateMs: () => 1_800_000_000_000,
  })
  const look = async (atMs: number): Promise<void> => {
    clock.nowMs = atMs
    tests.look()
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.teardown(async () => {
    tests.close()
    tests.close()
    for (const link of links) link.close()
    control.close()
    await Promise.all(fakes.map((fake) => fake.die()))
  })
  const [first, second] = links
  if (first === undefined || second === undefined) throw new Error('two guards were started')
  const states = () => links.map(({ name }) => service.stateOf(name))
  return { tests, service, ran, during, look, engine, first, fakes, states, metrics }
}

t.test('a guard is tested as soon as it is there, and every hour while no customer is on it', async (t) => {
  const site = await schedule(t)
  t.same(site.states(), ['not_yet', 'not_yet'])
  await site.look(0)
  t.same(site.states(), ['yes', 'yes'])
  t.same(site.ran, ['guard-0', 'guard-1'])
  await site.look(HOUR_MS - 1)
  t.equal(site.ran.length, 2)
  site.first.adopt('abcdefghijklmnop', { told: () => undefined, lost: () => undefined })
  await site.look(HOUR_MS)
  t.same(site.ran.slice(2), ['guard-1'], 'the one with a window waits')
  site.first.forget('abcdefghijklmnop')
  await site.look(HOUR_MS + 1)
  t.same(site.ran.slice(3), ['guard-0'])
})

t.test('a leak takes a guard out at once, and it comes back by itself when it passes', async (t) => {
  const site = await schedule(t, { 'guard-0': ['ok', 'leaked', 'leaked'] })
  await site.look(0)
  await site.look(HOUR_MS)
  t.same(site.states(), ['no', 'yes'])
  t.match(await site.metrics.registry.metrics(), 'tonewall_selftest_guards{state="out",role="sbc"} 1')
  t.match(await site.metrics.registry.metrics(), 'tonewall_selftest_total{code="leaked",role="sbc"} 1')
  await site.look(HOUR_MS + 1_999)
  t.equal(site.ran.length, 4)
  await site.look(HOUR_MS + 2_000)
  t.equal(site.ran.length, 5, 'tried again after two seconds')
  await site.look(HOUR_MS + 5_999)
  t.equal(site.ran.length, 5)
  await site.look(HOUR_MS + 6_000)
  t.equal(site.ran.length, 6, 'and four')
  t.same(site.states(), ['yes', 'yes'])
})

t.test('a lost key is looked at twice before a guard is taken out, also one that was never in', async (t) => {
  const site = await schedule(t, {
    'guard-0': ['key_lost', 'ok', 'delay', 'timeout'],
    'guard-1': ['no_media', 'no_media'],
  })
  await site.look(0)
  t.same(site.states(), ['not_yet', 'not_yet'])
  await site.look(1)
  t.same(site.states(), ['yes', 'no'])
  await site.look(HOUR_MS + 1)
  t.equal(site.service.stateOf('guard-0'), 'yes')
  await site.look(HOUR_MS + 2)
  t.equal(site.service.stateOf('guard-0'), 'no')
})

t.test('a guard that was gone is tested anew, and a restarted rtpengine too', async (t) => {
  const site = await schedule(t)
  await site.look(0)
  site.engine.lives = 1
  await site.look(1_000)
  t.same(site.ran.slice(2), ['guard-0', 'guard-1'], 'in service meanwhile')
  site.engine.isUp = false
  site.engine.lives = 2
  await site.look(2_000)
  t.equal(site.ran.length, 4, 'nothing to test with')
  await site.fakes[0]?.die()
  await eventually(() => !site.first.isUp)
  await site.look(3_000)
  t.same(site.states(), ['not_yet', 'yes'])
})

t.test('a test whose rtpengine was lost in it says nothing of the guard, unless that leaked', async (t) => {
  const site = await schedule(t, {
    'guard-0': ['ok', 'no_media', 'ok', 'not_direct', 'ok', 'leaked'],
  })
  await site.look(0)
  const lose = (): void => {
    site.engine.lives += 1
  }
  for (const atMs of [1_000, 2_000]) {
    site.during.push(lose)
    t.match(await site.tests.now('guard-0'), [{ code: 'unreachable', inService: true }])
    await site.look(atMs)
  }
  t.same(site.states(), ['yes', 'yes'])
  site.during.push(lose)
  t.match(await site.tests.now('guard-0'), [{ code: 'leaked', inService: false }])
})

t.test('an operator has one or all tested at any time, and is told of what is not there', async (t) => {
  const site = await schedule(t, { 'guard-0': ['ok', 'leaked'] })
  await site.look(0)
  t.match(await site.tests.now('guard-0'), [
    { guard: 'guard-0', rtpengine: 'engine', code: 'leaked', inService: false, delayMs: 41, atMs: 1_800_000_000_000 },
  ])
  t.equal(await site.tests.now('guard-9'), 'unknown_guard')
  const both = site.tests.now(null)
  t.equal(await site.tests.now(null), 'busy')
  t.match(await both, [
    { guard: 'guard-0', code: 'ok', inService: true },
    { guard: 'guard-1', code: 'ok' },
  ])
  site.engine.isUp = false
  t.match(await site.tests.now('guard-1'), [{ code: 'unreachable', inService: true }])
})
