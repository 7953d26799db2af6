import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { ROLE_NAMES } from '../../src/main/role-name.ts'
import { roleNeeds } from '../../src/main/role-needs.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

t.test('only the vault and the sbc write, each to folders of its own', (t) => {
  const writes = ROLE_NAMES.map((role) => [role, roleNeeds(role, configuration, 'x.yaml').writes])
  const { vault, audit, callRecords } = configuration
  t.same(Object.fromEntries(writes), {
    sipd: [],
    sbc: [callRecords],
    guard: [],
    vault: [vault.folder, audit.folder],
    desk: [],
  })
  t.end()
})

t.test('each reads its own key, and the vault what its database and its collector need', (t) => {
  const { folder } = configuration.certificates
  for (const role of ROLE_NAMES) {
    const { reads } = roleNeeds(role, configuration, '/etc/tonewall/site.yaml')
    t.equal(reads[0], '/etc/tonewall/site.yaml')
    t.same(
      reads.filter((file) => file.endsWith('.key')),
      [join(folder, `${role}.key`)],
    )
  }
  const files = { authority: '/x/a', certificate: '/x/c', key: '/x/k' }
  const pkcs11 = { provider: 'pkcs11' as const, library: '/x/l', token: '', key: '', pinFile: '/x/n', environment: {} }
  const transit = { url: '', mount: '', key: '', tokenFile: '/x/t', namespace: null, authority: null }
  const former = { provider: 'transit' as const, ...transit }
  const changed = {
    ...configuration,
    vault: {
      ...configuration.vault,
      keys: { ...configuration.vault.keys, kek: pkcs11, former: [former] },
      postgresql: { host: 'db', port: 5_432, standbys: [], database: '', user: '', passwordFile: '/x/p', tls: files },
    },
    audit: { ...configuration.audit, signingKey: '/x/s' },
  }
  const { reads } = roleNeeds('vault', changed, 'x.yaml')
  for (const file of ['/x/p', '/x/a', '/x/c', '/x/k', '/x/s', '/x/l', '/x/n', '/x/t']) t.ok(reads.includes(file), file)
  t.end()
})
