import type { CheckCallFacts } from '../sbc/check-call.ts'
import type { CallFigures, PressFigures } from '../wire/trunk-check-protocol.ts'
import { findingsOf, type Finding } from './trunk-check-findings.ts'
import { settingsOf, settingsYaml, type Setting } from './trunk-check-settings.ts'

/** How one figure was over all presses. */
export type Spread = { readonly min: number; readonly median: number; readonly max: number }

/** What presses have in common. Each figure is null when no press had it. */
export type PressSummary = {
  readonly presses: number
  readonly withEvent: number
  readonly withTone: number
  readonly withInfo: number
  readonly withEventAndTone: number
  readonly doubled: number
  readonly leadMs: Spread | null
  readonly eventLagMs: Spread | null
  readonly toneMs: Spread | null
  readonly eventMs: Spread | null
  readonly pauseMs: Spread | null
  readonly updateMs: Spread | null
  readonly endPackets: Spread | null
  readonly lowDbm0: Spread | null
  readonly twistDb: Spread | null
  readonly infoLagMs: Spread | null
}

/** The file that `--json` writes. A field that is added keeps the name of the format; one that changes does not. */
export type TrunkCheckReport = {
  readonly format: 'tonewall-trunk-check-1'
  readonly tonewall: string
  readonly at: string
  readonly trunk: string | null
  readonly call: {
    readonly direction: 'placed' | 'accepted'
    readonly ended: CallEnd
    readonly durationMs: number
  } & CheckCallFacts
  readonly media: CallFigures['media']
  readonly rtcp: CallFigures['rtcp']
  readonly strangers: number
  readonly offsetPercent: CallFigures['offsetPercent']
  readonly summary: PressSummary
  readonly presses: readonly PressFigures[]
  readonly findings: readonly Finding[]
  readonly settings: readonly Setting[]
  /** The settings as they are pasted into the configuration. */
  readonly yaml: string
}

/** All keys were seen, the time was over, the far end hung up, or the person at the terminal ended it. */
export type CallEnd = 'keys' | 'time' | 'far_end' | 'person'

export function makeReport(options: {
  readonly version: string
  readonly at: Date
  /** Its name in the configuration, when it is known. */
  readonly trunk: string | null
  readonly direction: 'placed' | 'accepted'
  readonly ended: CallEnd
  readonly durationMs: number
  readonly facts: CheckCallFacts
  readonly figures: CallFigures
  readonly presses: readonly PressFigures[]
}): TrunkCheckReport {
  const { figures, presses, facts } = options
  const summary = summarise(presses)
  const evidence = { summary, figures, facts, presses }
  const settings = settingsOf(evidence)
  return {
    format: 'tonewall-trunk-check-1',
    tonewall: options.version,
    at: options.at.toISOString(),
    trunk: options.trunk,
    call: { direction: options.direction, ended: options.ended, durationMs: Math.round(options.durationMs), ...facts },
    media: figures.media,
    rtcp: figures.rtcp,
    strangers: figures.strangers,
    offsetPercent: figures.offsetPercent,
    summary,
    presses,
    findings: findingsOf(evidence),
    settings,
    yaml: settingsYaml(settings, options.trunk ?? 'YOUR-CARRIER'),
  }
}

/** What findings and settings are made from. */
export type Evidence = {
  readonly summary: PressSummary
  readonly figures: CallFigures
  readonly facts: CheckCallFacts
  readonly presses: readonly PressFigures[]
}

export function summarise(presses: readonly PressFigures[]): PressSummary {
  const count = (of: (press: PressFigures) => boolean): number => presses.filter(of).length
  return {
    presses: presses.length,
    withEvent: count(({ event }) => event !== null),
    withTone: count(({ tone }) => tone !== null),
    withInfo: count(({ info }) => info !== null),
    withEventAndTone: count(({ event, tone }) => event !== null && tone !== null),
    doubled: count(({ doubled, info }) => doubled || (info?.count ?? 0) > 1),
    leadMs: spread(presses.map(({ tone }) => tone?.leadMs)),
    eventLagMs: spread(presses.map(({ tone }) => tone?.eventLagMs)),
    toneMs: spread(presses.map(({ tone }) => tone?.durationMs)),
    eventMs: spread(presses.map(({ event }) => event?.durationMs)),
    pauseMs: spread(presses.map(({ pauseMs }) => pauseMs)),
    updateMs: spread(presses.map(({ event }) => event?.updateMs)),
    endPackets: spread(presses.map(({ event }) => event?.endPackets)),
    lowDbm0: spread(presses.map(({ tone }) => tone?.lowDbm0)),
    twistDb: spread(presses.map(({ tone }) => tone?.twistDb)),
    infoLagMs: spread(presses.map(({ info }) => info?.lagMs)),
  }
}

function spread(values: readonly (number | null | undefined)[]): Spread | null {
  const known = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b)
  const [min] = known
  if (min === undefined) return null
  return { min, median: known[known.length >> 1] ?? min, max: known.at(-1) ?? min }
}
