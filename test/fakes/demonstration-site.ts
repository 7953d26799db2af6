import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { DemonstrationReport } from '../../src/demo/demonstration.ts'
import { freePort } from './free-port.ts'
import { sharedCertificates } from './shared-certificates.ts'
import { writeTestConfiguration, type TestConfiguration } from './test-configuration.ts'

const COOL_DOWN_MS = 1_000
/** Number and #, expiry, card code. */
export const DEMONSTRATION_KEYS = 16 + 1 + 4 + 3
/** One packet can be in flight when the path changes. */
const LOST_MAX = 1

/** A site of its own in a temporary folder. */
export async function demonstrationSite(t: Test): Promise<TestConfiguration> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-demonstration-'))
  // As root each process has a user of its own, who must get to its files.
  chmodSync(folder, 0o711)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    guards: 1,
    contactCentre: { host: '127.0.0.3', port: await freePort() },
    change: (written) => ({ ...written, forms: written.forms.map((form) => ({ ...form, coolDownMs: COOL_DOWN_MS })) }),
  })
}

/** The report as it is promised, and every promise in it kept. */
export function demonstrationHolds(
  t: Test,
  report: DemonstrationReport,
  call: Pick<DemonstrationReport, 'transport' | 'codec' | 'masking'>,
): void {
  t.same(report.failures, [])
  t.match(report, {
    ok: true,
    ...call,
    keyed: DEMONSTRATION_KEYS,
    captured: DEMONSTRATION_KEYS,
    token: /^tok_[A-Za-z]+.*1111$/,
    openMs: Number,
    lostAtOpen: Number,
    lostAtClose: Number,
    delayMs: { clear: { p50: Number, p99: Number }, window: { p50: Number, p99: Number } },
    recovered: {
      agent: { events: 0, multimon: 0, matchedFilter: 0 },
      payer: {
        events: call.transport === 'inband' ? 0 : DEMONSTRATION_KEYS,
        multimon: DEMONSTRATION_KEYS,
        matchedFilter: DEMONSTRATION_KEYS,
      },
    },
    recordings: { agent: String, payer: String },
    versions: Object,
  })
  if (call.codec !== 'G722') t.ok(report.lostAtOpen <= LOST_MAX && report.lostAtClose <= LOST_MAX, 'no more was lost')
  for (const recording of Object.values(report.recordings))
    t.equal(readFileSync(recording).toString('latin1', 0, 4), 'RIFF', 'the recording can be listened to')
}
