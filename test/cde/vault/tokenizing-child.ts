import { writeSync } from 'node:fs'
import type { PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { openTestVault, tokenOf } from './open-test-vault.ts'
import { useDatabase } from './test-store.ts'

/**
 * A vault that tokenizes without end until it is killed: argument 2 is its folder, argument 3 the first card's index, argument 4 its
 * PostgreSQL as JSON, if it has one. Each
 * acknowledged token is written to standard output, as "index token" and a line end, before the next is asked for.
 */
const folder = process.argv[2] ?? ''
let next = Number(process.argv[3])
/** As many guards at once, so that commits are shared. */
const ASKERS = 8

const database = process.argv[4]
if (database !== undefined) useDatabase(folder, JSON.parse(database) as PostgresOptions)
const vault = await openTestVault(folder)

async function ask(): Promise<never> {
  for (;;) {
    const index = next
    next += 1
    const card = { ...testCard({ cardCode: '123' }), pan: digits(numberedPan(index)) }
    const token = tokenOf(await vault.tokenize(card, { idempotencyKey: `request-${index}` }))
    writeSync(1, `${index} ${token}\n`)
  }
}

await Promise.all(Array.from({ length: ASKERS }, ask))
