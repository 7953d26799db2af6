import type { BenchResult } from '../harness/results.ts'
import type { CaptureMeasure } from './capture.ts'
import type { PeerMeasure } from './peer.ts'
import type { RealPathMeasure } from './real-path.ts'
import type { ScenarioResult } from './scenario-run.ts'
import type { SpeechMeasure } from './speech-measure.ts'

/** bench/results/leak.json. What was left out of a run is null. */
export type LeakResult = BenchResult & {
  readonly seed: number
  readonly scenarios: readonly ScenarioOutcome[]
  readonly realPath: RealPathMeasure | null
  /** rtpengine's own blocking in the setting that let least through, and all settings that were tried. */
  readonly peer: PeerMeasure['rows']
  readonly peerSettings: PeerMeasure['sweep']
  readonly speech: SpeechMeasure | null
  readonly capture: CaptureMeasure | null
}

/** A scenario whose bound was missed by little is run again with more keys and other calls: the second run counts, and the first is told. */
export type ScenarioOutcome = ScenarioResult & { readonly firstRun?: Pick<ScenarioResult, 'keys' | 'judges'> }
