export const SAMPLES_PER_MS = 8

/** The keys of ITU-T Q.23 in the order of their telephone-event codes (RFC 4733 section 3.2). */
export const KEYS = Array.from('0123456789*#ABCD')

export const LOW_HZ = [697, 770, 852, 941] as const
export const HIGH_HZ = [1209, 1336, 1477, 1633] as const
const ROWS = ['123A', '456B', '789C', '*0#D'] as const

/** Row and column of a key on the keypad, or undefined when it is none. */
export function placeOf(key: string): { readonly row: number; readonly column: number } | undefined {
  if (key.length !== 1) return undefined
  const row = ROWS.findIndex((keys) => keys.includes(key))
  return row < 0 ? undefined : { row, column: ROWS[row]?.indexOf(key) ?? 0 }
}

export function keyAt(place: { readonly row: number; readonly column: number }): string {
  return ROWS[place.row]?.[place.column] ?? ''
}

/** The peak of a sine at 0 dBm0 in 16-bit samples: full scale is +3.17 dBm0 (ITU-T G.711 section 4, mu-law). */
const PEAK_0_DBM0 = 32_124 * 10 ** (-3.17 / 20)

/** One sample of a key's tone pair, counted from the key's first sample (8 kHz). */
export function toneSample(
  key: string,
  at: number,
  level: { readonly lowDbm0: number; readonly highDbm0: number },
): number {
  const place = placeOf(key)
  if (place === undefined) return 0
  const turn = (2 * Math.PI * at) / 8_000
  const low = Math.sin(turn * (LOW_HZ[place.row] ?? 0)) * 10 ** (level.lowDbm0 / 20)
  const high = Math.sin(turn * (HIGH_HZ[place.column] ?? 0)) * 10 ** (level.highDbm0 / 20)
  return (low + high) * PEAK_0_DBM0
}
