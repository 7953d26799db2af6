import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

export const MERCHANT = 'bench'

/** 26^5 places for the first letters of a token, of which rows take every so many-th: in order, and evenly. */
const PLACES = 11_881_376
const LETTER_A = 97
/** As long as a sealed card with its expiry. */
const SEALED_BYTES = 52
const FINGERPRINT_BYTES = 32

/**
 * Puts rows into the cards of a vault that is stopped, in the order of both their indexes, so that the trees come out as full and as deep as
 * of cards that were tokenized, and in minutes. They are random bytes under the vault's own key id, and open to nobody.
 */
export function fillSqlite(file: string, rows: number): void {
  const database = new DatabaseSync(file)
  try {
    const key = database.prepare("SELECT key_id FROM keys WHERE merchant = ? AND purpose = 'card'").get(MERCHANT)
    const add = database.prepare(
      'INSERT INTO cards (token, merchant, fingerprint, key_id, sealed, last_four, brand, created_at_ms, updated_at_ms)' +
        ` VALUES (?, '${MERCHANT}', ?, ?, ?, '0000', 'visa', 0, 0)`,
    )
    // Nobody minds when this is lost; journal and log are the vault's own again when it opens the file.
    database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN')
    const random = randomBytes(65_536)
    const fingerprint = Buffer.alloc(FINGERPRINT_BYTES)
    for (let row = 0; row < rows; row += 1) {
      const at = (row * 61) % (random.length - SEALED_BYTES)
      random.copy(fingerprint, 8, at, at + FINGERPRINT_BYTES - 8)
      fingerprint.writeBigUInt64BE((BigInt(row) * 2n ** 64n) / BigInt(rows))
      add.run(tokenAt(row, rows), fingerprint, String(key?.['key_id']), random.subarray(at, at + SEALED_BYTES))
    }
    database.exec('COMMIT; PRAGMA journal_mode = WAL')
  } finally {
    database.close()
  }
}

function tokenAt(row: number, rows: number): string {
  let place = Math.floor((row * PLACES) / rows)
  const letters: number[] = []
  for (let letter = 0; letter < 5; letter += 1, place = Math.floor(place / 26)) letters.unshift(LETTER_A + (place % 26))
  return `tok_${String.fromCharCode(...letters)}abcdefghijklmno0_0000`
}

/** The same rows, made by the server itself. */
export function fillPostgresSql(rows: number): string {
  const letter = (divisor: number): string => `chr(${LETTER_A} + (place / ${divisor} % 26)::int)`
  return `
    INSERT INTO cards (token, merchant, fingerprint, key_id, sealed, last_four, brand, created_at_ms, updated_at_ms)
    SELECT 'tok_' || ${[456_976, 17_576, 676, 26, 1].map(letter).join(' || ')} || 'abcdefghijklmno0_0000', '${MERCHANT}',
      decode(lpad(to_hex(row * ${2 ** 32} / ${rows}), 8, '0'), 'hex') || substr(sha256(int8send(row)), 1, 28), key_id,
      substr(sha256(int8send(row)) || sha256(int8send(row + 1)), 1, ${SEALED_BYTES}), '0000', 'visa', 0, 0
    FROM (SELECT row, row * ${PLACES} / ${rows} AS place FROM generate_series(0, ${rows}::bigint - 1) row) numbered,
      (SELECT key_id FROM keys WHERE merchant = '${MERCHANT}' AND purpose = 'card') key`
}
