import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readTrunkSecrets } from '../../src/sbc/trunk-secrets.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

t.test('passwords are the first lines of their files, for what we prove and for what peers prove', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-secrets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'a password\r\na comment\n')
  const proving = testTrunk({ name: 'proving', side: 'carrier', credentials: { user: 'us', passwordFile } })
  const asking = testTrunk({
    name: 'asking',
    side: 'contact-centre',
    authentication: { realm: 'tonewall', users: [{ user: 'them', passwordFile }] },
  })
  const secrets = readTrunkSecrets([proving, asking])
  t.same(secrets.credentials(proving), { user: 'us', password: 'a password' })
  t.equal(secrets.credentials(asking), null)
  t.equal(secrets.gate(proving), null)
  t.match(secrets.gate(asking)?.check({ method: 'INVITE', uri: 'sip:1@h', credentials: [] }), { kind: 'challenge' })
  const missing = { user: 'us', passwordFile: join(folder, 'none') }
  t.throws(() => readTrunkSecrets([{ ...proving, credentials: missing }]), { code: 'ENOENT' })
  t.end()
})
