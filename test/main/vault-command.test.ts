import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { runVaultCommand, type VaultCommand } from '../../src/main/vault-command.ts'
import { openSqliteStore } from '../../src/cde/vault/store-sqlite.ts'
import { PostgresServer } from '../fakes/postgres-server.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

t.test('a database is prepared and filled by two commands, over TCP and by password', async (t) => {
  const server = await PostgresServer.start()
  t.teardown(() => server.close())
  await server.sql("CREATE ROLE owner LOGIN PASSWORD 'one'; CREATE ROLE tonewall_vault LOGIN PASSWORD 'two'")
  await server.sql('CREATE DATABASE tonewall OWNER owner')
  await server.sql('GRANT ALL ON SCHEMA public TO owner', 'tonewall')
  const folder = t.testdir({ owner: 'one\n', vault: 'two\n', wrong: 'three\n' })
  const said: string[] = []
  const run = (given: object, passwordFile = join(folder, 'vault')): Promise<number> => {
    said.length = 0
    const postgresql = {
      ...{ host: '127.0.0.1', port: server.port, standbys: [], tls: null },
      ...{ database: 'tonewall', user: 'tonewall_vault', passwordFile },
    }
    const site = { ...configuration, vault: { ...configuration.vault, postgresql } }
    const command = { kind: 'vault', configurationFile: '', ...given } as VaultCommand
    return runVaultCommand(command, site, (line) => said.push(line))
  }
  const file = join(folder, 'data', 'vault.sqlite')
  mkdirSync(join(folder, 'data'))
  const store = openSqliteStore({ file, nowMs: Date.now })
  const act = { role: 'vault', action: 'vault_start', outcome: 'done', origin: 'local' } as const
  await store.append({ ...act, merchant: '', resource: '', windowId: '' })
  await store.close()

  t.equal(await run({ act: 'move', file }), 1)
  t.match(said.join(' '), /NOT_MIGRATED.*vault migrate/)
  const owner = { user: 'owner', passwordFile: join(folder, 'owner') }
  t.equal(await run({ act: 'migrate', owner }), 0)
  t.match(said.join(' '), /applied 1: keys, cards/)
  t.equal(await run({ act: 'migrate', owner }), 0)
  t.match(said.join(' '), /nothing to apply/)
  t.equal(await run({ act: 'move', file }, join(folder, 'wrong')), 1)
  t.match(said.join(' '), /PG_28P01.*password is wrong/)
  t.equal(await run({ act: 'move', file }), 0)
  t.match(said.join(' '), /audit: 1, compared.*up to record 1/)
  t.equal(await run({ act: 'move', file }), 1)
  t.match(said.join(' '), /already/)
  t.notMatch(said.join(' '), /\b(one|two|three)\b/, 'no password is repeated')
})

t.test('without a database there is nothing to prepare', async (t) => {
  const said: string[] = []
  const command = { kind: 'vault', configurationFile: '', act: 'migrate', owner: null } as const
  t.equal(await runVaultCommand(command, configuration, (line) => said.push(line)), 1)
  t.match(said.join(' '), /names no database/)
})
