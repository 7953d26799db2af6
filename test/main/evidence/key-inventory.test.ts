import t from 'tap'
import { startVault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { keyInventory } from '../../../src/main/evidence/key-inventory.ts'
import { freePort } from '../../fakes/free-port.ts'
import { sharedCertificates, sharedIdentity } from '../../fakes/shared-certificates.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration
const DAY_MS = 86_400_000

function site(port: number, folder = sharedCertificates()) {
  return {
    certificates: { folder, development: false, revoked: null },
    vault: { ...shipped.vault, host: '127.0.0.1', port },
  }
}

t.test('the vault that runs tells its keys with age and end, and never a key', async (t) => {
  const vault = await startVault({
    dataDir: t.testdir(),
    host: '127.0.0.1',
    port: 0,
    identity: sharedIdentity('vault'),
    merchants: [{ name: 'shop' }],
    cryptoperiodDays: 90,
    logger: createLogger({ role: 'vault', level: 'silent' }),
    metrics: new Metrics('vault'),
  })
  t.teardown(() => vault.close())
  const found = await keyInventory(site(vault.port))
  if (found.kind === 'unread') throw new Error(found.text)
  t.same(
    found.keys.map(({ purpose, merchant, state, provider }) => [purpose, merchant, state, provider]),
    [
      ['key-encryption', '', 'active', 'file'],
      ['fingerprint', 'shop', 'active', 'file'],
      ['card', 'shop', 'active', 'file'],
    ],
  )
  const card = found.keys.find(({ purpose }) => purpose === 'card')
  const [createdMs, endsMs] = [card?.createdAt, card?.expiresAt].map((date) => Date.parse(date ?? ''))
  t.equal((endsMs ?? 0) - (createdMs ?? 0), 90 * DAY_MS)
  t.match(card, { cards: 0, isOverdue: false, endedAt: null, algorithm: 'AES-256-GCM' })
  t.notMatch(JSON.stringify(found), /wrapped|[A-Za-z0-9+/]{40}/)
})

t.test('without a vault, or a certificate, it is said what to do', async (t) => {
  t.match(await keyInventory(site(await freePort())), { kind: 'unread', text: /No vault answers/ })
  t.match(await keyInventory(site(1, t.testdir({}))), { kind: 'unread', text: /operator\.crt/ })
})
