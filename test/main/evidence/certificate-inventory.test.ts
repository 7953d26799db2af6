import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ROLES } from '../../../src/kit/identity.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { certificateInventory } from '../../../src/main/evidence/certificate-inventory.ts'
import { sharedCertificates } from '../../fakes/shared-certificates.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration

t.test('each certificate is told with its role, its end and who signed it', (t) => {
  const configuration = { ...shipped, certificates: { folder: sharedCertificates(), development: true, revoked: null } }
  const rows = certificateInventory(configuration, Date.now())
  t.equal(rows.length, 1 + ROLES.length)
  t.match(rows[0], {
    role: 'authority of the processes',
    file: 'ca.crt',
    keyMode: null,
    certificate: { selfSigned: true },
  })
  const guard = rows.find(({ file }) => file === 'guard.crt')
  t.match(guard, {
    role: 'process guard',
    keyMode: '0600',
    problem: null,
    certificate: {
      names: 'DNS:guard.tonewall.internal',
      selfSigned: false,
      key: /^rsa \d{4}$/,
      sha256: /^[0-9a-f]{64}$/,
    },
  })
  const { notAfter = '', daysLeft = 0 } = guard?.certificate ?? {}
  t.ok(daysLeft > 0)
  t.equal(
    certificateInventory(configuration, Date.parse(notAfter) + 1).find(({ file }) => file === 'guard.crt')?.certificate
      ?.daysLeft,
    -1,
  )
  t.notMatch(JSON.stringify(rows), /PRIVATE|\//, 'no key, and no folder')
  t.end()
})

t.test('a chain is told link by link, and what cannot be read is said', (t) => {
  const from = sharedCertificates()
  const folder = t.testdir({ 'sbc.crt': 'nothing', 'sbc.key': '' })
  copyFileSync(join(from, 'ca.crt'), join(folder, 'ca.crt'))
  const read = (name: string): string => readFileSync(join(from, name), 'utf8')
  writeFileSync(join(folder, 'guard.crt'), read('guard.crt') + read('ca.crt'))
  chmodSync(join(folder, 'sbc.key'), 0o644)
  const tls = {
    addresses: [],
    certificate: join(folder, 'guard.crt'),
    key: join(folder, 'none.key'),
    authority: null,
    mutual: true,
    wildcards: false,
    revoked: null,
  }
  const rows = certificateInventory(
    { ...shipped, certificates: { folder, development: false, revoked: null }, sip: { ...shipped.sip, tls } },
    Date.now(),
  )
  t.match(
    rows.find(({ file }) => file === 'sbc.crt'),
    { certificate: null, problem: /no certificate/, keyMode: '0644' },
  )
  t.match(
    rows.find(({ file }) => file === 'vault.crt'),
    { certificate: null, problem: /ENOENT/, keyMode: null },
  )
  t.same(
    rows.filter(({ role }) => role.startsWith('SIP')).map(({ role, keyMode }) => [role, keyMode]),
    [
      ['SIP over TLS', null],
      ['SIP over TLS, 2. in its file', null],
    ],
  )
  t.end()
})
