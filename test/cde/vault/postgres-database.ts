import { MIGRATIONS } from '../../../src/cde/vault/migrations.ts'
import { PostgresConnection, type PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { grantToVault, migratePostgres } from '../../../src/cde/vault/postgres-migrations.ts'
import type { PostgresServer } from '../../fakes/postgres-server.ts'

const TEMPLATE = 'template_tonewall'
/** Roles and the template were made on these. */
const prepared = new WeakSet<PostgresServer>()
let databases = 0

/** A new database at the newest version, as the vault's own role sees it. */
export async function newDatabase(server: PostgresServer): Promise<PostgresOptions> {
  if (!prepared.has(server)) await prepare(server)
  databases += 1
  const database = `vault_${databases}`
  await server.sql(`CREATE DATABASE ${database} TEMPLATE ${TEMPLATE} OWNER vault_owner`)
  return vaultOptions(server, database)
}

export function vaultOptions(server: PostgresServer, database: string, user = 'vault'): PostgresOptions {
  return { servers: [{ host: server.folder, port: server.port }], database, user, password: null, tls: null }
}

/** The roles of the README, and an empty vault to copy. */
async function prepare(server: PostgresServer): Promise<void> {
  prepared.add(server)
  await server.sql("CREATE ROLE vault_owner LOGIN PASSWORD 'owner'; CREATE ROLE vault LOGIN PASSWORD 'vault'")
  await server.sql(`CREATE DATABASE ${TEMPLATE} OWNER vault_owner`)
  await server.sql('REVOKE ALL ON SCHEMA public FROM public; GRANT ALL ON SCHEMA public TO vault_owner', TEMPLATE)
  const connection = new PostgresConnection(vaultOptions(server, TEMPLATE, 'vault_owner'))
  const session = await connection.session()
  await migratePostgres(session, { migrations: MIGRATIONS, nowMs: Date.now })
  await grantToVault(session, 'vault')
  await connection.close()
}
