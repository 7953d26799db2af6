/**
 * Bytes for digits and keys that stay where they are, so that overwriting them leaves no other copy.
 *
 * V8 keeps a typed array of up to 64 bytes (flag --typed-array-max-size-in-heap) inside its heap: the collector moves it, and the first
 * native call that reads it moves it out, each time leaving the old bytes behind. A buffer around an ArrayBuffer of its own is outside from
 * the start. Buffer.alloc, Buffer.from and crypto's randomBytes are therefore not for secrets of this length.
 */
export function secretBytes(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length))
}
