/**
 * One frame of a channel:
 *
 *      0               4               8               8 + header      4 + length
 *     +---------------+---------------+---------------+---------------+
 *     | length u32 BE | header u32 BE | header, JSON  | body, bytes   |
 *     +---------------+---------------+---------------+---------------+
 *
 * length counts what follows it. The body exists so that card digits can travel as bytes that can be overwritten,
 * never inside a JSON string; only the CDE's own channel uses it.
 */
export type Frame = { readonly header: unknown; readonly body: Buffer }

/** The largest message of ours is the list of 10,000 calls, at about 1 kB each. */
export const FRAME_BYTES_MAX = 16_777_216

const LENGTH_BYTES = 4

/** Makes a frame in a buffer of its own, which the sender may overwrite once it is written. */
export function encodeFrame(header: unknown, body?: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(header), 'utf8')
  const bodyBytes = body?.length ?? 0
  const frame = Buffer.alloc(2 * LENGTH_BYTES + json.length + bodyBytes)
  frame.writeUInt32BE(LENGTH_BYTES + json.length + bodyBytes, 0)
  frame.writeUInt32BE(json.length, LENGTH_BYTES)
  json.copy(frame, 2 * LENGTH_BYTES)
  if (body !== undefined) frame.set(body, 2 * LENGTH_BYTES + json.length)
  return frame
}

/** Collects frames from a byte stream, overwriting each chunk after it was taken in. */
export class FrameReader {
  #length = Buffer.alloc(LENGTH_BYTES)
  #lengthFilled = 0
  #frame: Buffer | null = null
  #frameFilled = 0

  /** Returns the frames that the chunk completed, or 'malformed' when the stream cannot be followed any more. */
  push(chunk: Buffer): readonly Frame[] | 'malformed' {
    const frames: Frame[] = []
    let offset = 0
    while (offset < chunk.length) {
      if (this.#frame === null) {
        const taken = chunk.copy(this.#length, this.#lengthFilled, offset)
        offset += taken
        this.#lengthFilled += taken
        if (this.#lengthFilled < LENGTH_BYTES) break
        const length = this.#length.readUInt32BE(0)
        if (length < LENGTH_BYTES || length > FRAME_BYTES_MAX) return this.#fail(chunk)
        this.#frame = Buffer.alloc(length)
        this.#frameFilled = 0
      }
      const taken = chunk.copy(this.#frame, this.#frameFilled, offset)
      offset += taken
      this.#frameFilled += taken
      if (this.#frameFilled < this.#frame.length) break
      const frame = decode(this.#frame)
      this.#frame = null
      this.#lengthFilled = 0
      if (frame === null) return this.#fail(chunk)
      frames.push(frame)
    }
    chunk.fill(0)
    return frames
  }

  /** Overwrites what was collected of an unfinished frame. */
  wipe(): void {
    this.#frame?.fill(0)
    this.#frame = null
    this.#lengthFilled = 0
  }

  #fail(chunk: Buffer): 'malformed' {
    chunk.fill(0)
    this.wipe()
    return 'malformed'
  }
}

function decode(frame: Buffer): Frame | null {
  const headerBytes = frame.readUInt32BE(0)
  if (headerBytes > frame.length - LENGTH_BYTES) return null
  try {
    const header: unknown = JSON.parse(frame.toString('utf8', LENGTH_BYTES, LENGTH_BYTES + headerBytes))
    return { header, body: frame.subarray(LENGTH_BYTES + headerBytes) }
  } catch {
    return null
  }
}
