import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import type { SetUpDependencies } from '../../src/sbc/call-setup.ts'
import { SourceLimits } from '../../src/sbc/source-limits.ts'
import { TargetHealth } from '../../src/sbc/target-health.ts'
import type { Trunks } from '../../src/sbc/trunks.ts'
import type { FakeSip } from './fake-sip.ts'

export const SILENT_MS = 60

/** What a set-up needs beside SIP, media and calls: health that nobody asks for, limits, 112, and no passwords. */
export function setUpParts(options: {
  readonly sip: Pick<FakeSip, 'invite'>
  readonly trunks: Trunks
}): Pick<SetUpDependencies, 'leg' | 'trunks' | 'secrets' | 'limits' | 'emergencyNumbers' | 'merchant'> {
  const metrics = new Metrics('test')
  const nowMs = (): number => performance.now()
  const logger = createLogger({ role: 'test', level: 'silent' })
  const health = new TargetHealth({ trunks: options.trunks.all(), logger, metrics, nowMs })
  const leg = {
    sip: options.sip,
    health,
    secrets: { credentials: () => null },
    chance: () => 0,
    firstProvisionalMs: SILENT_MS,
  }
  return {
    leg,
    trunks: options.trunks,
    secrets: { gate: () => null },
    limits: new SourceLimits({ nowMs, metrics }),
    merchant: 'shop',
    emergencyNumbers: ['112'],
  }
}
