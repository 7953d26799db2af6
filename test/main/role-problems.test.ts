import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { loadConfiguration } from '../../src/main/configuration.ts'
import { ROLE_NAMES } from '../../src/main/role-name.ts'
import { concernsRole } from '../../src/main/role-problems.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

t.test('a missing file concerns those who read it; anything else that is wrong concerns all', (t) => {
  const missing = (key: string) => {
    const problem = { file: '', line: 1, column: 1, key, problem: 'there is no such file', cure: '' }
    return ROLE_NAMES.filter((role) => concernsRole(role, problem))
  }
  t.same(missing('sip.secretFile'), ['sipd', 'sbc'])
  t.same(missing('sip.tls.key'), ['sipd'])
  t.same(missing('desk.agents[0].tokenFile'), ['desk'])
  t.same(missing('vault.postgresql.passwordFile'), ['vault'])
  t.same(missing('trunks[1].credentials.passwordFile'), ['sbc'])
  t.same(missing('vaults'), ROLE_NAMES)
  const secret = { file: '', line: 1, column: 1, key: 'sip.secretFile', problem: 'there is no such file', cure: '' }
  t.equal(concernsRole('operator', secret), false, 'an operator needs none of them')
  t.equal(concernsRole('operator', { ...secret, key: 'certificates.revoked' }), true)
  const wrong = { file: '', line: 1, column: 1, key: 'desk.port', problem: 'is taken', cure: '' }
  t.ok(ROLE_NAMES.every((role) => concernsRole(role, wrong)))
  t.end()
})

t.test('a guard starts beside no password of the database; the vault does not, nor the whole site', async (t) => {
  const folder = t.testdir({ certs: {} })
  const { file } = await writeTestConfiguration({
    folder,
    change: (written) => {
      const database = { host: '127.0.0.1', passwordFile: 'none' }
      const changed = { ...written, vault: { ...written.vault, store: 'postgresql' as const, postgresql: database } }
      writeFileSync(join(folder, 'site.yaml'), stringify(changed, { aliasDuplicateObjects: false }))
      return written
    },
  })
  t.equal(loadConfiguration(file).kind, 'loaded')
  const site = join(folder, 'site.yaml')
  t.equal(loadConfiguration(site, 'guard').kind, 'loaded')
  t.equal(loadConfiguration(site, 'operator').kind, 'loaded')
  for (const loaded of [loadConfiguration(site, 'vault'), loadConfiguration(site)])
    t.match(loaded, { kind: 'refused', problems: [{ key: 'vault.postgresql.passwordFile' }] })
})
