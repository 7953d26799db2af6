import { chmodSync, cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { UNNAMED } from '../../src/main/account.ts'
import { INSTALLATION } from '../../src/main/configuration.ts'
import { ensureDevelopmentSecrets } from '../../src/main/development-secrets.ts'
import { chooseAccounts } from '../../src/main/process-account.ts'
import { othersMayRead } from '../fakes/other-users.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const ALL = (1n << 41n) - 1n
const ROOT = { uid: 0, capabilities: ALL }
const NAMES = { sipd: '70001', sbc: '70002', guard: '70003', vault: '70004', desk: '70005', rtpengine: '70006' }

async function site(folder: string) {
  // Copies, since the users of these tests are not those of others.
  const certificates = join(folder, 'certs')
  cpSync(sharedCertificates(), certificates, { recursive: true })
  const written = await writeTestConfiguration({ folder, certificates })
  mkdirSync(written.configuration.dataFolder)
  ensureDevelopmentSecrets(written.configuration)
  return written
}

t.test('who is not root keeps all processes as its own', async (t) => {
  const { configuration, file } = await site(t.testdir())
  t.same(chooseAccounts(configuration, file, { uid: 1_000, capabilities: 0n }), { kind: 'same', why: null })
})

t.test('a root without the rights to change users stays what it is in development alone', async (t) => {
  const { configuration, file } = await site(t.testdir())
  t.match(chooseAccounts(configuration, file, { uid: 0, capabilities: 0n }), { kind: 'same', why: /run as root/ })
  const certificates = { ...configuration.certificates, development: false }
  t.match(chooseAccounts({ ...configuration, certificates }, file, { uid: 0, capabilities: 0n }), { kind: 'refused' })
})

t.test('a user that is not there, or is root, is refused by name', async (t) => {
  const { configuration, file } = await site(t.testdir())
  for (const vault of ['nobody-of-that-name', 'root']) {
    const chosen = chooseAccounts({ ...configuration, users: { ...NAMES, vault } }, file, ROOT)
    t.same(chosen, { kind: 'refused', texts: [`users.vault: there is no user ${vault} other than root: make it`] })
  }
})

t.test('as root', async (t) => {
  if (!othersMayRead(INSTALLATION)) {
    t.pass('no other user could read this checkout, or this is not root: nothing can be dropped')
    return
  }

  await t.test('each process gets an account of its own that can do its work', async (t) => {
    const { configuration, file } = await site(t.testdir())
    const chosen = chooseAccounts(configuration, file, ROOT)
    t.match(chosen, { kind: 'separate', of: { vault: { uid: UNNAMED.vault }, guard: { uid: UNNAMED.guard } } })
    const named = chooseAccounts({ ...configuration, users: { ...NAMES, desk: 'daemon' } }, file, ROOT)
    t.match(named, { kind: 'separate', of: { desk: { uid: 1, name: 'daemon' }, vault: { uid: 70_004, name: null } } })
  })

  await t.test(
    'a folder that is closed to them leaves them root in development, and starts nothing else',
    async (t) => {
      const { configuration, file } = await site(t.testdir())
      chmodSync(join(file, '..'), 0o700)
      t.match(chooseAccounts(configuration, file, ROOT), {
        kind: 'same',
        why: /closed to user 61001, who sipd runs as/,
      })
      const refused = chooseAccounts({ ...configuration, users: NAMES }, file, ROOT)
      t.match(refused.kind === 'refused' && refused.texts.join(), /vault is closed to user 70004, who vault runs as/)
      const certificates = { ...configuration.certificates, development: false }
      t.match(chooseAccounts({ ...configuration, certificates }, file, ROOT), { kind: 'refused' })
    },
  )
})
