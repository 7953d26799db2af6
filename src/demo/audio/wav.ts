export type Wav = { readonly rateHz: number; readonly samples: Int16Array }

/** No prompt or recording of ours is longer than an hour at 48 kHz. */
const WAV_BYTES_MAX = 48_000 * 2 * 3_600

/** Reads a mono 16-bit PCM WAV file. Returns undefined for anything else. */
export function parseWav(bytes: Buffer): Wav | undefined {
  if (bytes.length < 12 || bytes.length > WAV_BYTES_MAX) return undefined
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') return undefined
  let rateHz: number | undefined
  let at = 12
  while (at + 8 <= bytes.length) {
    const name = bytes.toString('latin1', at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    const body = bytes.subarray(at + 8, Math.min(at + 8 + length, bytes.length))
    if (name === 'fmt ' && body.length >= 16) {
      const pcm = body.readUInt16LE(0) === 1 && body.readUInt16LE(2) === 1 && body.readUInt16LE(14) === 16
      if (!pcm) return undefined
      rateHz = body.readUInt32LE(4)
    } else if (name === 'data') {
      if (rateHz === undefined) return undefined
      const samples = Int16Array.from({ length: body.length >> 1 }, (_, index) => body.readInt16LE(index * 2))
      return { rateHz, samples }
    }
    at += 8 + length + (length % 2)
  }
  return undefined
}

/** Writes a mono 16-bit PCM WAV file. */
export function formatWav(wav: Wav): Buffer {
  const data = Buffer.alloc(wav.samples.length * 2)
  for (const [index, sample] of wav.samples.entries()) data.writeInt16LE(sample, index * 2)
  const head = Buffer.alloc(44)
  head.write('RIFF', 0, 'latin1')
  head.writeUInt32LE(36 + data.length, 4)
  head.write('WAVEfmt ', 8, 'latin1')
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(wav.rateHz, 24)
  head.writeUInt32LE(wav.rateHz * 2, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36, 'latin1')
  head.writeUInt32LE(data.length, 40)
  return Buffer.concat([head, data])
}
