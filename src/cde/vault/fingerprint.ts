import { createHmac } from 'node:crypto'
import { KeyFailure, type OpenKey } from './key-ring.ts'

/**
 * HMAC-SHA-256 of a number under a key of its merchant (PCI DSS 3.5.1.1: a hash of a PAN is keyed). Throws KeyFailure for a key that was
 * overwritten meanwhile: what is left of it is no key.
 */
export function fingerprintOf(pan: Uint8Array, { key }: OpenKey): Buffer {
  if (key.every((byte) => byte === 0)) throw new KeyFailure('unavailable')
  return createHmac('sha256', key).update(pan).digest()
}
