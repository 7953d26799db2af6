import t from 'tap'
import { openVault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { keyInventory } from '../../../src/main/evidence/key-inventory.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration
const DAY_MS = 86_400_000

t.test('keys are listed with age and end, while the vault serves, and without the keys', async (t) => {
  const folder = t.testdir()
  const configuration = { ...shipped, vault: { ...shipped.vault, folder } }
  t.match(await keyInventory(configuration), { kind: 'unread', text: /no vault yet/ })
  const logger = createLogger({ role: 'vault', level: 'silent' })
  const vault = await openVault({
    dataDir: folder,
    merchants: [{ name: 'shop' }],
    logger,
    metrics: new Metrics('vault'),
  })
  t.teardown(() => vault.close())
  const found = await keyInventory(configuration, { cryptoperiodDays: 365 })
  if (found.kind === 'unread') throw new Error(found.text)
  t.same(found.keys.map(({ merchant, purpose, state }) => [merchant, purpose, state]).sort(), [
    ['shop', 'card', 'active'],
    ['shop', 'fingerprint', 'active'],
  ])
  for (const { purpose, createdAt, expiresAt, endedAt, wrappedBy } of found.keys) {
    t.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 60_000)
    t.equal(
      expiresAt === null ? null : Date.parse(expiresAt) - Date.parse(createdAt),
      purpose === 'card' ? 365 * DAY_MS : null,
    )
    t.equal(endedAt, null)
    t.match(wrappedBy, /^file-[0-9a-f]{16}$/)
  }
  t.same(Object.keys(found.keys[0] ?? {}).includes('wrapped'), false)
  t.match(await keyInventory(configuration, { cryptoperiodDays: null, uid: 54_321 }), {
    kind: 'unread',
    text: /another user/,
  })
})

t.test('a store that cannot be opened is said, with what to do', async (t) => {
  const folder = t.testdir({
    'vault.sqlite': 'this is no database at all, and longer than a header of one has to be'.repeat(20),
  })
  t.match(await keyInventory({ ...shipped, vault: { ...shipped.vault, folder } }), {
    kind: 'unread',
    text: /cannot be read/,
  })
})
