import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { PostgresOptions } from '../../src/cde/vault/postgres-connection.ts'
import { newDatabase } from '../../test/cde/vault/postgres-database.ts'
import { PostgresServer } from '../../test/fakes/postgres-server.ts'
import { fillPostgresSql, fillSqlite } from './card-fill.ts'

export type StoreName = 'SQLite' | 'PostgreSQL'

/** As its documentation advises a server of this memory; what is written is durable as ever, and statistics are kept up to date. */
const POSTGRES_SETTINGS = ['shared_buffers=2GB', 'max_wal_size=4GB']

/** Where the bench's vault keeps its cards: on the disk of the temporary folder, and gone afterwards. */
export type BenchStore = {
  readonly name: StoreName
  /** The vault's own folder. */
  readonly dataDir: string
  /** A folder on the disk that commits are written to. */
  readonly folder: string
  readonly postgresql: PostgresOptions | null
  /** Puts so many rows beside those of the vault, which must have been started once, and be stopped. */
  fill(rows: number): Promise<void>
  /** What is in the tables now. */
  count(): Promise<{ readonly cards: number; readonly requests: number }>
  close(): Promise<void>
}

export function openBenchStore(name: StoreName): Promise<BenchStore> {
  return name === 'SQLite' ? Promise.resolve(sqlite()) : postgres()
}

function sqlite(): BenchStore {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-bench-vault-'))
  const file = join(folder, 'vault.sqlite')
  return {
    name: 'SQLite',
    dataDir: folder,
    folder,
    postgresql: null,
    fill: (rows) => {
      fillSqlite(file, rows)
      return Promise.resolve()
    },
    count: () => {
      const database = new DatabaseSync(file, { readOnly: true })
      try {
        const row = database.prepare(COUNT).get()
        return Promise.resolve({ cards: Number(row?.['cards']), requests: Number(row?.['requests']) })
      } finally {
        database.close()
      }
    },
    close: () => {
      rmSync(folder, { recursive: true, force: true })
      return Promise.resolve()
    },
  }
}

async function postgres(): Promise<BenchStore> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tonewall-bench-vault-'))
  const server = await PostgresServer.start(POSTGRES_SETTINGS)
  const postgresql = await newDatabase(server)
  return {
    name: 'PostgreSQL',
    dataDir,
    folder: dataDir,
    postgresql,
    fill: async (rows) => {
      await server.sql(fillPostgresSql(rows), postgresql.database)
      await server.sql('VACUUM (ANALYZE) cards', postgresql.database)
      await server.sql('CHECKPOINT')
    },
    count: async () => {
      const [row] = await server.sql(COUNT, postgresql.database)
      return { cards: Number(row?.['cards']), requests: Number(row?.['requests']) }
    },
    close: async () => {
      await server.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const COUNT = 'SELECT (SELECT count(*) FROM cards) AS cards, (SELECT count(*) FROM requests) AS requests'
