import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { UNNAMED } from '../../src/main/account.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { giveFolders, giveSecrets } from '../../src/main/hand-over.ts'
import type { AccountName, Configuration } from '../../src/wire/configuration.ts'
import type { Account } from '../../src/main/account.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const shipped = loaded.configuration

const isRoot = process.getuid?.() === 0
const accounts = Object.fromEntries(
  Object.entries(UNNAMED).map(([name, uid]) => [name, isRoot ? { uid, gid: uid, name: null } : own()]),
) as Record<AccountName, Account>

/** Who is not root can give files to nobody but itself. */
function own(): Account {
  return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1, name: null }
}

function site(folder: string): Configuration {
  const dataFolder = join(folder, 'run')
  const { vault, audit, sip, desk } = shipped
  const [agent] = desk.agents
  if (agent === undefined) throw new Error('the shipped configuration has an agent')
  return {
    ...shipped,
    dataFolder,
    certificates: { ...shipped.certificates, folder: join(folder, 'certs'), development: true },
    vault: { ...vault, folder: join(dataFolder, 'vault') },
    audit: { ...audit, folder: join(folder, 'elsewhere') },
    callRecords: join(dataFolder, 'calls'),
    sip: { ...sip, secretFile: join(dataFolder, 'secrets/sip') },
    desk: { ...desk, agents: [{ ...agent, tokenFile: join(dataFolder, 'secrets/agent') }] },
  }
}

t.test('folders below the data folder become those of who writes them; what lies elsewhere stays', (t) => {
  const folder = t.testdir({ elsewhere: {}, run: { vault: { 'vault.sqlite': '' } }, other: '' })
  const configuration = site(folder)
  const inside = join(configuration.vault.folder, 'vault.sqlite')
  symlinkSync(join(folder, 'other'), join(configuration.vault.folder, 'link'))
  linkSync(join(folder, 'other'), join(configuration.vault.folder, 'second-name'))
  giveFolders(configuration, accounts)
  giveFolders(configuration, accounts)
  for (const name of [configuration.vault.folder, inside]) t.equal(statSync(name).uid, accounts.vault.uid, name)
  t.equal(statSync(configuration.callRecords ?? '').uid, accounts.sbc.uid)
  t.equal(statSync(configuration.callRecords ?? '').mode & 0o777, 0o700)
  for (const name of ['elsewhere', 'other', 'run/vault/link'])
    t.equal(lstatSync(join(folder, name)).uid, process.getuid?.(), `${name} is left alone`)
  t.end()
})

t.test('a secret is readable for those alone who use it, and a key for its role', (t) => {
  const configuration = site(t.testdir({ certs: { 'ca.key': '', 'vault.key': '', 'vault.crt': '' } }))
  const { sip, desk, certificates, dataFolder } = configuration
  mkdirSync(join(dataFolder, 'secrets'), { recursive: true, mode: 0o700 })
  const tokenFile = desk.agents[0]?.tokenFile ?? ''
  const keys = ['ca.key', 'vault.key'].map((name) => join(certificates.folder, name))
  for (const file of [sip.secretFile, tokenFile, ...keys]) {
    writeFileSync(file, '')
    chmodSync(file, 0o600)
  }
  giveSecrets(configuration, accounts)
  giveSecrets(configuration, accounts)
  const about = (file: string) => {
    const { uid, gid, mode } = statSync(file)
    return { uid, gid, mode: mode & 0o777 }
  }
  const { uid, gid } = accounts.desk
  t.same(about(tokenFile), { uid, gid, mode: 0o600 })
  t.same(about(sip.secretFile), { uid: accounts.sipd.uid, gid: accounts.sbc.gid, mode: 0o640 })
  t.match(about(keys[1] ?? ''), { uid: accounts.vault.uid, mode: 0o600 })
  t.match(about(keys[0] ?? ''), { uid: process.getuid?.(), mode: 0o600 }, "the authority's key is nobody's")
  t.end()
})

t.test('what another user made is not given away', (t) => {
  const folder = t.testdir({ run: { secrets: { agent: '' } } })
  const configuration = site(folder)
  const file = join(folder, 'run/secrets/agent')
  const other = isRoot ? 1 : own().uid
  chownSync(file, other, isRoot ? 1 : own().gid)
  giveSecrets({ ...configuration, certificates: { ...configuration.certificates, development: false } }, accounts)
  t.equal(statSync(file).uid, other)
  t.end()
})
