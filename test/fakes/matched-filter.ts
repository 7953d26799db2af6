import { COLUMNS_HZ, ROWS_HZ, type KeyPress } from './dtmf-signal.ts'

/**
 * The attacker: knows when each key was pressed and by how much its frequencies are off, and is told besides which
 * samples were masked. Names the key whose row and column hold most energy, each weighed against the energy beside it
 * when `against` is 'neighbours' (better under speech), or as it is.
 */
export function nameKey(heard: {
  /** Zero where masked. */
  readonly samples: Float64Array
  readonly press: KeyPress
  readonly offset: number
  readonly against: 'nothing' | 'neighbours'
  /** Which keys occur: 4 * row + column. */
  readonly keys: readonly number[]
}): number {
  const row = ROWS_HZ.map((hz) => weight({ ...heard, hz: hz * (1 + heard.offset) }))
  const column = COLUMNS_HZ.map((hz) => weight({ ...heard, hz: hz * (1 + heard.offset) }))
  let best = heard.keys[0] ?? 0
  for (const key of heard.keys) {
    if (score(key) > score(best)) best = key
  }
  return best

  function score(key: number): number {
    return (row[key >> 2] ?? 0) * (column[key & 3] ?? 0)
  }
}

function weight(line: {
  readonly samples: Float64Array
  readonly press: KeyPress
  readonly hz: number
  readonly against: 'nothing' | 'neighbours'
}): number {
  const power = powerAt(line) + 1e-9
  if (line.against === 'nothing') return power
  return power / (powerAt({ ...line, hz: line.hz * 0.955 }) + powerAt({ ...line, hz: line.hz * 1.045 }) + 1e-9)
}

function powerAt(line: { readonly samples: Float64Array; readonly press: KeyPress; readonly hz: number }): number {
  let re = 0
  let im = 0
  // Not from zero: a phase that starts afresh for each key costs nothing and keeps the numbers small.
  for (let n = 0; n < line.press.samples; n += 1) {
    const sample = line.samples[line.press.start + n] ?? 0
    if (sample === 0) continue
    const angle = (2 * Math.PI * line.hz * n) / 8000
    re += sample * Math.cos(angle)
    im += sample * Math.sin(angle)
  }
  return re * re + im * im
}
