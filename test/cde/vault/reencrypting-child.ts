import { writeSync } from 'node:fs'
import type { PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { openTestVault } from './open-test-vault.ts'
import { useDatabase } from './test-store.ts'

/**
 * A vault that moves cards to a new key until it is killed: argument 2 is its folder, argument 3 its PostgreSQL as JSON, if it has one. How
 * many it has moved is written to standard output, a line each time.
 */
const folder = process.argv[2] ?? ''
const database = process.argv[3]
if (database !== undefined) useDatabase(folder, JSON.parse(database) as PostgresOptions)
const vault = await openTestVault(folder)
setInterval(() => writeSync(1, `${vault.keeper.reencryption.progress.moved}\n`), 1)
