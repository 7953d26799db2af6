import type { BenchResult } from '../harness/results.ts'
import type { CaptureMeasure } from './capture.ts'
import type { LiveRow } from './real-path-verdict.ts'
import type { RealPathMeasure } from './real-path.ts'
import type { ScenarioResult } from './scenario-run.ts'
import type { SpeechMeasure } from './speech-measure.ts'

/** A row of rtpengine's own blocking, with the setting that was tried. */
export type PeerRow = LiveRow & { readonly setting: string }

/** bench/results/leak.json. What was left out of a run is null. */
export type LeakResult = BenchResult & {
  readonly seed: number
  readonly scenarios: readonly ScenarioOutcome[]
  readonly realPath: RealPathMeasure | null
  readonly peer: readonly PeerRow[]
  readonly speech: SpeechMeasure | null
  readonly capture: CaptureMeasure | null
}

/** A scenario whose bound was missed by little is run again with more keys and other calls: the second run counts, and the first is told. */
export type ScenarioOutcome = ScenarioResult & { readonly firstRun?: Pick<ScenarioResult, 'keys' | 'judges'> }
