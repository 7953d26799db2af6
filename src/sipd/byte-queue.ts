/**
 * Bytes of a stream that wait to become a whole message. Grows by doubling, so that a peer that sends one byte at a
 * time costs linear work; what is consumed is moved out only when the space is needed.
 */
export class ByteQueue {
  #buffer = Buffer.allocUnsafe(4096)
  #start = 0
  #end = 0

  get length(): number {
    return this.#end - this.#start
  }

  append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#buffer.length) this.#makeRoom(chunk.length)
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** The waiting bytes; valid until the next append. */
  view(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end)
  }

  /** A copy of the next bytes, taken out. */
  take(length: number): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(this.#start, this.#start + length))
    this.skip(length)
    return taken
  }

  skip(length: number): void {
    this.#start += length
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
    }
  }

  #makeRoom(more: number): void {
    const waiting = this.length
    if (waiting + more <= this.#buffer.length / 2) {
      this.#buffer.copyWithin(0, this.#start, this.#end)
    } else {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, waiting + more))
      this.#buffer.copy(larger, 0, this.#start, this.#end)
      this.#buffer = larger
    }
    this.#start = 0
    this.#end = waiting
  }
}
