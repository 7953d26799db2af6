/**
 * G.711 by table (ITU-T G.711): u-law and A-law bytes against 16-bit linear samples, the 14 and 13 significant bits
 * at the top. Decoding and encoding again gives the byte back, but for u-law 0x7F (negative zero), which becomes 0xFF.
 */

/** Payload type numbers of RFC 3551 section 6. */
export const PCMU_PAYLOAD_TYPE = 0
export const PCMA_PAYLOAD_TYPE = 8

/** Samples a second, and so bytes a second. */
export const G711_RATE_HZ = 8000

export type G711Law = 'ulaw' | 'alaw'

/** One linear sample for each of the 256 bytes. */
export const ULAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, byte) => ulawToLinear(byte))
export const ALAW_TO_LINEAR: Int16Array = Int16Array.from({ length: 256 }, (_, byte) => alawToLinear(byte))

/** One byte for each linear sample, by its upper 14 bits (u-law) or 13 bits (A-law): index (sample + 32768) >> 2 or 3. */
const LINEAR_TO_ULAW = nearestBytes({ table: ULAW_TO_LINEAR, entries: 16384, shift: 2 })
const LINEAR_TO_ALAW = nearestBytes({ table: ALAW_TO_LINEAR, entries: 8192, shift: 3 })

/** Decodes into a new array, or into the start of the given one, which must be long enough. */
export function decodeUlaw(payload: Uint8Array, into: Int16Array = new Int16Array(payload.length)): Int16Array {
  for (let index = 0; index < payload.length; index += 1) into[index] = ULAW_TO_LINEAR[payload[index] ?? 0xff] ?? 0
  return into
}

/** Decodes into a new array, or into the start of the given one, which must be long enough. */
export function decodeAlaw(payload: Uint8Array, into: Int16Array = new Int16Array(payload.length)): Int16Array {
  for (let index = 0; index < payload.length; index += 1) into[index] = ALAW_TO_LINEAR[payload[index] ?? 0xd5] ?? 0
  return into
}

/** Encodes linear samples; a sample past 16 bits is clipped by Int16Array before it gets here. */
export function encodeUlaw(samples: Int16Array): Uint8Array {
  const payload = new Uint8Array(samples.length)
  for (let index = 0; index < samples.length; index += 1) payload[index] = linearToUlaw(samples[index] ?? 0)
  return payload
}

/** Encodes linear samples. */
export function encodeAlaw(samples: Int16Array): Uint8Array {
  const payload = new Uint8Array(samples.length)
  for (let index = 0; index < samples.length; index += 1) payload[index] = linearToAlaw(samples[index] ?? 0)
  return payload
}

/** One sample of -32768 to 32767. */
export function linearToUlaw(sample: number): number {
  return LINEAR_TO_ULAW[(sample + 32768) >> 2] ?? 0xff
}

/** One sample of -32768 to 32767. */
export function linearToAlaw(sample: number): number {
  return LINEAR_TO_ALAW[(sample + 32768) >> 3] ?? 0xd5
}

/** G.711 table 2: sign, 3 bits of segment, 4 bits of step; all bits inverted on the line. */
function ulawToLinear(byte: number): number {
  const code = ~byte & 0xff
  const magnitude = ((((code & 0x0f) << 3) + 0x84) << ((code >> 4) & 0x07)) - 0x84
  return (code & 0x80) === 0 ? magnitude : -magnitude
}

/** G.711 table 1: sign, 3 bits of segment, 4 bits of step; even bits inverted on the line. */
function alawToLinear(byte: number): number {
  const code = byte ^ 0x55
  const segment = (code >> 4) & 0x07
  const step = ((code & 0x0f) << 4) + 8
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1)
  return (code & 0x80) === 0 ? -magnitude : magnitude
}

/** For each quantized linear value the byte whose sample is nearest. */
function nearestBytes(options: {
  readonly table: Int16Array
  readonly entries: number
  readonly shift: number
}): Uint8Array {
  const byValue = Array.from(options.table, (sample, byte) => ({ sample, byte })).sort(
    (a, b) => a.sample - b.sample || a.byte - b.byte,
  )
  const bytes = new Uint8Array(options.entries)
  const half = (1 << options.shift) / 2
  let near = 0
  for (let entry = 0; entry < options.entries; entry += 1) {
    const sample = (entry << options.shift) - 32768 + (half - 0.5)
    for (;;) {
      const here = byValue[near]
      const next = byValue[near + 1]
      if (here === undefined || next === undefined) break
      if (next.sample !== here.sample && Math.abs(next.sample - sample) > Math.abs(here.sample - sample)) break
      near += 1
    }
    bytes[entry] = byValue[near]?.byte ?? 0
  }
  return bytes
}
