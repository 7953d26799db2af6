import type { MoveOutcome } from '../cde/vault/store-move.ts'
import type { Configuration, PostgresqlConfiguration } from '../wire/configuration.ts'
import { postgresOptions } from './vault-store.ts'

export type VaultCommand = {
  readonly kind: 'vault'
  readonly configurationFile: string
} & (
  | {
      readonly act: 'migrate'
      /** Who owns the tables; null: the vault's own role does, which is for development. */
      readonly owner: { readonly user: string; readonly passwordFile: string | null } | null
    }
  | { readonly act: 'move'; readonly file: string }
)

/** `tonewall vault`: prepares the vault's database, or moves a vault's file into it. Resolves to the exit code. */
export async function runVaultCommand(
  command: VaultCommand,
  configuration: Configuration,
  say: (line: string) => void,
): Promise<number> {
  const { postgresql } = configuration.vault
  if (postgresql === null) {
    say(
      'The configuration names no database: write vault.postgresql. A file (vault.store: sqlite) is prepared at each start.',
    )
    return 1
  }
  try {
    return command.act === 'migrate'
      ? await migrate(command.owner, postgresql, say)
      : await move(command.file, postgresql, say)
  } catch (error) {
    say(`It did not work: ${codeOf(error)}. ${ADVICE[codeOf(error)] ?? 'Nothing that was there before has changed.'}`)
    return 1
  }
}

async function migrate(
  owner: Extract<VaultCommand, { readonly act: 'migrate' }>['owner'],
  postgresql: PostgresqlConfiguration,
  say: (line: string) => void,
): Promise<number> {
  const { prepareDatabase } = await import('../cde/vault/store-administration.ts')
  const applied = await prepareDatabase({
    owner: postgresOptions(postgresql, owner ?? postgresql),
    role: postgresql.user,
    nowMs: Date.now,
  })
  if (applied === 'too_new') {
    say('A later release has written this database. Use that release.')
    return 1
  }
  for (const { version, name } of applied) say(`applied ${version}: ${name}`)
  if (applied.length === 0) say('There was nothing to apply.')
  if (owner === null) say('The vault owns its tables now. In production, let another role own them: --user OWNER.')
  return 0
}

async function move(file: string, postgresql: PostgresqlConfiguration, say: (line: string) => void): Promise<number> {
  const { moveIntoDatabase } = await import('../cde/vault/store-administration.ts')
  const outcome = await moveIntoDatabase({ file, target: postgresOptions(postgresql), nowMs: Date.now })
  if (outcome.kind === 'refused') {
    say(REFUSALS[outcome.code])
    return 1
  }
  for (const [table, count] of Object.entries(outcome.rows)) say(`${table}: ${count}, compared one by one`)
  say(`audit chain: the same, up to record ${outcome.head.sequence}`)
  say('Now write vault.store: postgresql, start the vault, and keep the file away: it still holds every card.')
  return 0
}

const REFUSALS: Readonly<Record<Extract<MoveOutcome, { readonly kind: 'refused' }>['code'], string>> = {
  already_moved: 'The database holds this file already, and what came after it. Nothing was changed.',
  differs: 'The database holds something else than the file: another vault has used it. Nothing was changed.',
  source_broken: 'The audit record of the file does not hold: see tonewall audit verify. Nothing was changed.',
  not_complete: 'Not everything has arrived, or somebody else has written to the database. Try again.',
}

const ADVICE: Readonly<Record<string, string>> = {
  NO_FILE: 'There is no such file: it is vault.sqlite in the folder of the vault.',
  SQLITE_5: 'A vault is working on the file: stop it first.',
  NOT_MIGRATED: 'The database is not prepared: tonewall vault migrate.',
  TOO_NEW: 'A later release has written it. Use that release.',
  PG_42501: 'The role may not do that: name the owner of the database with --user.',
  PG_28P01: 'The password is wrong, or there is none: see passwordFile.',
  PG_55P03: 'A vault is working on the database: stop it first.',
  ECONNREFUSED: 'No server listens there.',
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
}
