import { createHash, randomInt } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz'

/** A random id of letters only, so that no id can hold or look like digits. 16 letters carry 75 bits. */
export function randomLetters(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

/** The same letters for the same text, at most 32 of them: a name where the text itself, with its digits, may not stand. */
export function lettersOf(text: string, length: number): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, length)
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('')
}
