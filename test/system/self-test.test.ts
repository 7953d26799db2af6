import t from 'tap'
import { Masker } from '../../src/cde/guard/masker.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { GuardService } from '../../src/sbc/guard-service.ts'
import { runSelfTest, type SelfTestOutcome } from '../../src/sbc/self-test.ts'
import { SelfTestSchedule } from '../../src/sbc/self-test-schedule.ts'
import { openMasker } from '../fakes/open-masker.ts'
import { SelfTestSite, type SelfTestSiteOptions } from '../fakes/self-test-site.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
/** rtpengine-client prints what it did not expect. */
Object.assign(globalThis.console, { log: () => undefined })
t.setTimeout(90_000)
t.jobs = 5

const DEAF: NonNullable<SelfTestSiteOptions['newSentinel']> = () => ({
  heard: () => undefined,
  judge: () => null,
  wipe: () => undefined,
})

async function test(site: SelfTestSite): Promise<SelfTestOutcome> {
  const [guard] = site.guards.links
  if (guard === undefined) throw new Error('the site has a guard')
  return runSelfTest({
    guard,
    engine: site.control,
    callIdPrefix: 'self-test-',
    merchant: 'shop',
    lookAheadMs: 40,
    logger,
  })
}

async function testOnce(options: SelfTestSiteOptions): Promise<{ outcome: SelfTestOutcome; metrics: string }> {
  const site = await SelfTestSite.start(options)
  const outcome = await test(site)
  const metrics = await site.guardMetrics.registry.metrics()
  const listed = await site.control.request('list', { limit: 10 }, { deadlineMs: 1_000 })
  t.same(listed.kind === 'ok' ? listed.reply['calls'] : null, [], 'no call is left in rtpengine')
  await site.close()
  return { outcome, metrics }
}

t.test('a good guard with a good rtpengine passes, and counts none of it as a customer’s', async (t) => {
  const { outcome, metrics } = await testOnce({})
  t.match(outcome, { code: 'ok', keysRead: 0 })
  t.ok((outcome.delayMs ?? 0) >= 35, 'the look-ahead was heard')
  t.notMatch(metrics, /tonewall_guard_keys_total\{/)
  t.notMatch(metrics, /tonewall_guard_alarms_total\{/)
})

t.test('a guard whose masker lets everything through is caught by its second belt: no key is read', async (t) => {
  const { outcome, metrics } = await testOnce({ newMasker: openMasker({ obeysHard: false }) })
  t.match(outcome, { code: 'leaked', keysRead: 0 })
  t.match(metrics, /tonewall_guard_masking_failed_total\{cause="repeated"/)
  t.match(metrics, /tonewall_guard_masking_failed_total\{cause="hard_not_obeyed"/)
  t.match(metrics, /tonewall_guard_audit_unsent\{[^}]*\} [1-9]/, 'and the audit record waits for the vault')
})

t.test('one whose second belt is out of order too is caught by what the agent’s telephone hears', async (t) => {
  const asAudio = openMasker({
    obeysHard: true,
    change: (packet) =>
      packet.payloadType === 0 ? packet : { ...packet, payloadType: 0, payload: Buffer.alloc(160, 0xff) },
  })
  const { outcome } = await testOnce({ newMasker: asAudio, newSentinel: DEAF })
  t.equal(outcome.code, 'leaked')
  t.ok(outcome.keysRead >= 8, `tones of ${outcome.keysRead} keys were read`)
})

t.test('a guard that loses keys is caught, though nothing leaks', async (t) => {
  // Its packets are damaged on their way to masker and receiver: the tones of the first keys are gone.
  const damaging: typeof DEAF = () => ({
    ...DEAF(),
    heard: (packet) => {
      if (packet.payloadType === 0) packet.payload.fill(0xff)
    },
  })
  const { outcome } = await testOnce({ newSentinel: damaging })
  t.match(outcome, { code: 'key_lost', keysRead: 0 })
})

t.test('a guard that leaks takes no new windows, says so, and is back by itself when it is repaired', async (t) => {
  let isBroken = true
  const service = new GuardService({ isTested: true })
  const open = openMasker({ obeysHard: true })
  const site = await SelfTestSite.start({
    service,
    newMasker: (options) => (isBroken ? open(options) : new Masker(options)),
  })
  const metrics = new Metrics('sbc')
  const schedule = new SelfTestSchedule({
    links: site.guards.links,
    engines: { find: (name) => ({ name, control: site.control, isUp: true, lives: 0 }) },
    service,
    run: () => test(site),
    logger,
    metrics,
    nowMs: () => performance.now(),
    dateMs: () => Date.now(),
    retryMs: 100,
  })
  t.equal(
    await site.guards.chooseWithin('engine'),
    'out_of_service',
    'who wants a window meanwhile waits for the verdict',
  )
  t.match(await metrics.registry.metrics(), 'tonewall_selftest_total{code="leaked",role="sbc"} 1')
  isBroken = false
  while (service.stateOf('guard-0') !== 'yes') await service.changed(30_000)
  t.match(await schedule.now('guard-0'), [{ code: 'ok', inService: true }])
  schedule.close()
  await site.close()
})
