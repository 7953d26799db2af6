import assert from 'node:assert/strict'
import { secretBytes } from '../secret-bytes.ts'

/** A card number has at most 19 digits (ISO/IEC 7812-1); no other field is longer. */
export const SECRET_DIGITS_MAX = 19

/**
 * Card digits that can be counted and used, but not printed.
 *
 * A string cannot be erased: it stays in the heap until the collector takes it, and every slice makes another. So the
 * digits live as bytes (values 0 to 9) in one buffer that wipe() overwrites, outside the heap of V8, which would move it and
 * leave copies behind (secret-bytes.ts). This shortens the lifetime of a digit; it cannot promise that no copy is left.
 */
export class SecretDigits {
  readonly #digits = secretBytes(SECRET_DIGITS_MAX)
  #length = 0
  #wiped = false

  get length(): number {
    return this.#length
  }

  /** Adds one digit. Returns false, and changes nothing, when the field is full. */
  append(digit: number): boolean {
    assert(!this.#wiped, 'append after wipe')
    assert(Number.isInteger(digit) && digit >= 0 && digit <= 9, 'not a digit')
    if (this.#length === SECRET_DIGITS_MAX) return false
    this.#digits[this.#length] = digit
    this.#length += 1
    return true
  }

  /** Lends the digits to one synchronous call. The view is only good inside it. */
  reveal<Result>(use: (digits: Uint8Array) => Result): Result {
    assert(!this.#wiped, 'reveal after wipe')
    return use(this.#digits.subarray(0, this.#length))
  }

  /** Overwrites the digits and starts again, for a customer who clears a field. */
  clear(): void {
    this.#digits.fill(0)
    this.#length = 0
  }

  /** Overwrites the digits for good. Safe to call twice, since hang-up and timeout can race. */
  wipe(): void {
    this.clear()
    this.#wiped = true
  }

  toJSON(): string {
    return '[secret digits]'
  }
}
