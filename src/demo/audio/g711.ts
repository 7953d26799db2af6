/** G.711 mu-law and A-law (ITU-T G.711), written for this judge alone: it shares no code with what it judges. */

/** 16-bit linear samples to mu-law bytes. */
export function encodeMuLaw(samples: Int16Array): Uint8Array {
  return Uint8Array.from(samples, muLawByte)
}

/** Mu-law bytes to 16-bit linear samples. */
export function decodeMuLaw(bytes: Uint8Array): Int16Array {
  return Int16Array.from(bytes, (byte) => MU_LAW[byte] ?? 0)
}

/** 16-bit linear samples to A-law bytes. */
export function encodeALaw(samples: Int16Array): Uint8Array {
  return Uint8Array.from(samples, aLawByte)
}

/** A-law bytes to 16-bit linear samples. */
export function decodeALaw(bytes: Uint8Array): Int16Array {
  return Int16Array.from(bytes, (byte) => A_LAW[byte] ?? 0)
}

/** The bias that makes every mu-law segment start at a power of two, at 16-bit scale. */
const MU_BIAS = 132
const MU_CLIP = 32_635

function muLawByte(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0
  const magnitude = Math.min(Math.abs(sample), MU_CLIP) + MU_BIAS
  const segment = 31 - Math.clz32(magnitude) - 7
  const step = (magnitude >> (segment + 3)) & 0x0f
  return ~(sign | (segment << 4) | step) & 0xff
}

function muLawSample(byte: number): number {
  const code = ~byte & 0xff
  const segment = (code >> 4) & 7
  const magnitude = ((((code & 0x0f) << 3) + MU_BIAS) << segment) - MU_BIAS
  return (code & 0x80) === 0 ? magnitude : -magnitude
}

function aLawByte(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80
  const magnitude = Math.min(sample < 0 ? -sample - 1 : sample, 32_767) >> 4
  const segment = magnitude < 32 ? (magnitude < 16 ? 0 : 1) : 31 - Math.clz32(magnitude) - 3
  const step = segment < 2 ? magnitude & 0x0f : (magnitude >> (segment - 1)) & 0x0f
  return (sign | (segment << 4) | step) ^ 0x55
}

function aLawSample(byte: number): number {
  const code = byte ^ 0x55
  const segment = (code >> 4) & 7
  const step = code & 0x0f
  const magnitude = segment === 0 ? (step << 4) + 8 : ((step << 4) + 0x108) << (segment - 1)
  return (code & 0x80) === 0 ? -magnitude : magnitude
}

const MU_LAW = Int16Array.from({ length: 256 }, (_, byte) => muLawSample(byte))
const A_LAW = Int16Array.from({ length: 256 }, (_, byte) => aLawSample(byte))
