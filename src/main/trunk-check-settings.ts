import { COOL_DOWN_MS, LOOK_AHEAD_MS } from './configuration-defaults.ts'
import { range } from './trunk-check-findings.ts'
import type { Evidence } from './trunk-check-report.ts'

/** One key of sbc-config/tonewall.yaml, what to set it to, and why. `where` is the list whose entry it belongs to. */
export type Setting = {
  readonly where: 'trunks' | 'forms'
  readonly key: 'lookAheadMs' | 'masking' | 'coolDownMs'
  readonly value: number | 'talk-through' | 'hard'
  readonly isDefault: boolean
  readonly reason: string
}

/** What tonewall.schema.json allows. */
const LOOK_AHEAD_MS_MAX = 200
const COOL_DOWN_MS_MAX = 30_000
/** The masker's own view of an arrival is a packet or a timer later. */
const LOOK_AHEAD_MARGIN_MS = 10
const LOOK_AHEAD_STEP_MS = 10
/** Fainter, more tilted or further off than the masker's gate is sure to take for a tone (ITU-T Q.24 with a margin). */
const GATE_DBM0_MIN = -36
const GATE_TWIST_DB_MAX = 12
const GATE_OFFSET_PERCENT_MAX = 3.5
/** More loss leaves a tone in pieces too short to be known. */
const GATE_LOSS_PERCENT_MAX = 10
/** A late INFO must still fall into the masked time. */
const INFO_MARGIN_MS = 2_000
const COOL_DOWN_STEP_MS = 500

/** Which settings fit this trunk. Empty when no key was seen: nothing can be said then. */
export function settingsOf(evidence: Evidence): readonly Setting[] {
  if (evidence.summary.presses === 0) return []
  return [lookAhead(evidence), masking(evidence), coolDown(evidence)]
}

/** The settings as a fragment for the configuration: each line goes into the entry of that name. */
export function settingsYaml(settings: readonly Setting[], trunk: string): string {
  if (settings.length === 0) return ''
  const part = (where: Setting['where']): readonly string[] =>
    settings
      .filter((setting) => setting.where === where)
      .map(({ key, value, isDefault }) => `    ${key}: ${value}${isDefault ? ' # the default' : ''}`)
  const lines = ['trunks:', `  - name: ${trunk}`, ...part('trunks'), 'forms:', '  - name: card', ...part('forms')]
  return `${lines.join('\n')}\n`
}

function lookAhead({ summary }: Evidence): Setting {
  const lag = summary.eventLagMs
  const setting = (value: number, reason: string): Setting => ({
    where: 'trunks',
    key: 'lookAheadMs',
    value,
    isDefault: value === LOOK_AHEAD_MS,
    reason,
  })
  if (lag === null)
    return setting(
      LOOK_AHEAD_MS,
      'no tone comes ahead of an event here; the default gives the gate time to know a tone',
    )
  const needed = Math.ceil((lag.max + LOOK_AHEAD_MARGIN_MS) / LOOK_AHEAD_STEP_MS) * LOOK_AHEAD_STEP_MS
  const said = `the event comes ${range(lag, 'ms')} after the first packet with its tone`
  if (needed <= LOOK_AHEAD_MS) return setting(LOOK_AHEAD_MS, `${said}: the default reaches back over it`)
  if (needed <= LOOK_AHEAD_MS_MAX) return setting(needed, `${said}, and audio must be held until then`)
  return setting(LOOK_AHEAD_MS, `${said}: no look-ahead reaches that far, see masking`)
}

function masking({ summary, figures }: Evidence): Setting {
  const reasons: string[] = []
  const { lowDbm0, twistDb, eventLagMs } = summary
  if (eventLagMs !== null && eventLagMs.max + LOOK_AHEAD_MARGIN_MS > LOOK_AHEAD_MS_MAX)
    reasons.push('events come later than any look-ahead')
  if (lowDbm0 !== null && lowDbm0.min < GATE_DBM0_MIN) reasons.push(`tones as faint as ${lowDbm0.min} dBm0`)
  if (twistDb !== null && Math.max(Math.abs(twistDb.min), Math.abs(twistDb.max)) > GATE_TWIST_DB_MAX)
    reasons.push(`twist of ${range(twistDb, 'dB')}`)
  const offset = figures.offsetPercent
  if (offset !== null && Math.abs(offset.worst) > GATE_OFFSET_PERCENT_MAX) reasons.push(`tones ${offset.worst} % off`)
  const lost = figures.media?.lostPercent ?? 0
  if (lost > GATE_LOSS_PERCENT_MAX) reasons.push(`${lost} % of the packets lost`)
  const isHard = reasons.length > 0
  return {
    where: 'trunks',
    key: 'masking',
    value: isHard ? 'hard' : 'talk-through',
    isDefault: !isHard,
    reason: isHard
      ? `${reasons.join(', ')}: a tone could be missed, so replace all payer audio while a field is open`
      : 'levels, twist and loss leave every tone well within what the masker knows; speech can pass',
  }
}

function coolDown({ summary }: Evidence): Setting {
  const latestMs = summary.infoLagMs?.max ?? 0
  const needed = Math.ceil((latestMs + INFO_MARGIN_MS) / COOL_DOWN_STEP_MS) * COOL_DOWN_STEP_MS
  const value = Math.min(COOL_DOWN_MS_MAX, Math.max(COOL_DOWN_MS, needed))
  return {
    where: 'forms',
    key: 'coolDownMs',
    value,
    isDefault: value === COOL_DOWN_MS,
    reason:
      value === COOL_DOWN_MS
        ? 'nothing of a key comes later than this; customers press # once more'
        : `SIP INFO comes up to ${latestMs} ms after its key: a late one must still find the window masked`,
  }
}
