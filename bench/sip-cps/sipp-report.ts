/** What sipp's own files say of a run. */
export type SippCounts = {
  readonly created: number
  readonly succeeded: number
  readonly failed: number
  readonly retransmissions: number
}

/** One call's INVITE, and how long it took until its 180 came, both in ms. */
export type Ring = { readonly sentMs: number; readonly ringMs: number }

const NOTHING: SippCounts = { created: 0, succeeded: 0, failed: 0, retransmissions: 0 }

/** The last line of a `-trace_stat` file: semicolons, named in the first line; `(C)` counts from the start. */
export function readCounts(csv: string): SippCounts {
  const lines = csv.split('\n').filter((line) => line.trim() !== '')
  const names = lines[0]?.split(';') ?? []
  const values = lines.at(-1)?.split(';') ?? []
  if (lines.length < 2) return NOTHING
  const valueOf = (name: string): number => {
    const value = Number(values[names.indexOf(name)])
    if (!Number.isFinite(value)) throw new Error('sipp wrote no such figure')
    return value
  }
  return {
    created: valueOf('TotalCallCreated'),
    succeeded: valueOf('SuccessfulCall(C)'),
    failed: valueOf('FailedCall(C)'),
    retransmissions: valueOf('Retransmissions(C)'),
  }
}

/** Lines that the caller's scenario logs: seconds and microseconds of the INVITE, then of the 180. */
export function readRings(log: string): readonly Ring[] {
  return log.split('\n').flatMap((line) => {
    const [seconds, micros, ringSeconds, ringMicros] = line.split(' ').map(Number)
    if (seconds === undefined || micros === undefined || ringSeconds === undefined || ringMicros === undefined)
      return []
    const sentMs = seconds * 1_000 + micros / 1_000
    const ringMs = (ringSeconds - seconds) * 1_000 + (ringMicros - micros) / 1_000
    return Number.isFinite(sentMs) && Number.isFinite(ringMs) ? [{ sentMs, ringMs }] : []
  })
}

/** Calls a second that were really begun, between the first INVITE and the last. */
export function achievedRate(rings: readonly Ring[]): number {
  const times = rings.map(({ sentMs }) => sentMs)
  const spanMs = Math.max(...times) - Math.min(...times)
  return times.length < 2 ? 0 : ((times.length - 1) / spanMs) * 1_000
}
