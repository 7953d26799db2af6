import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SITES, type SiteName } from '../../../bench/sip-cps.ts'
import { memoryOf, runLiveCalls } from '../../../bench/sip-cps/live-calls.ts'
import { runRate } from '../../../bench/sip-cps/rate-step.ts'

const CALLS_PER_SECOND = 10

for (const [name, parts] of Object.entries({
  direct: [],
  kamailio: ['kamailio', 'rtpengine'],
  bare: ['sipd', 'application'],
  tonewall: ['sipd', 'sbc', 'media-1', 'media-2', 'guard-1', 'guard-2', 'vault', 'desk'],
}) as [SiteName, readonly string[]][]) {
  t.test(`a few calls through the arm ${name}, and what they cost`, { timeout: 60_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tonewall-cps-test-'))
    const site = await SITES[name]()
    t.teardown(async () => {
      await site.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const step = await runRate(site, { callsPerSecond: CALLS_PER_SECOND, seconds: 0.5, folder })
    t.equal(step.calls, 5)
    t.equal(step.failed, 0, step.error)
    t.equal(step.ringMs.length, 5, 'every call rang')
    t.ok(step.ringMs.every((ms) => ms > 0))
    t.same(Object.keys(step.cpuMsPerCall).sort(), [...parts].sort())
    t.ok(Object.values(step.cpuMsPerCall).every((ms) => ms >= 0))
    t.ok(Object.values(memoryOf(site)).every((bytes) => bytes > 0))
    if (name !== 'direct') return
    const live = await runLiveCalls(site, { calls: 5, callsPerSecond: CALLS_PER_SECOND, standMs: 300, folder })
    t.equal(live.failed, 0, 'calls that stand at one time')
  })
}
