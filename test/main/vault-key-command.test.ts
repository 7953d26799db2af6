import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { startVault } from '../../src/cde/vault/vault.ts'
import { readIdentity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { runCustodians, runUnseal, type CustodianTerminal } from '../../src/main/custodian-command.ts'
import { hiddenInput } from '../../src/main/hidden-input.ts'
import { runVaultKeyCommand } from '../../src/main/vault-key-command.ts'
import type { VaultKeyCommand } from '../../src/main/vault-key-options.ts'
import { openKeys } from '../../src/main/vault-keys.ts'
import { openVaultLink } from '../../src/main/vault-link.ts'
import type { KeysConfiguration } from '../../src/wire/key-configuration.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { makeSoftHsm } from '../fakes/soft-hsm.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const shipped = loaded.configuration

const certificates = sharedCertificates()

type Given<Act extends VaultKeyCommand['act']> = Extract<VaultKeyCommand, { readonly act: Act }>

/** A site's vault in a folder, whose configuration names its port. */
async function vaultIn(t: Test, folder: string, keys: Partial<KeysConfiguration> = {}) {
  const lines: string[] = []
  const logger = createLogger({ role: 'vault', level: 'info', stream: { write: (line) => lines.push(line) } })
  const own = { ...shipped.vault, folder, keys: { ...shipped.vault.keys, ...keys } }
  const vault = await startVault({
    ...(await openKeys(own, logger)),
    ...{ dataDir: folder, host: '127.0.0.1', port: 0, merchants: [{ name: 'shop' }], logger },
    identity: readIdentity({ folder: certificates, role: 'vault' }),
    metrics: new Metrics('vault'),
  })
  t.teardown(() => vault.close())
  const configuration = {
    ...shipped,
    certificates: { ...shipped.certificates, folder: certificates },
    vault: { ...own, port: vault.port },
  }
  return { vault, configuration, lines }
}

function recorder() {
  const said: string[] = []
  const shown: string[] = []
  const terminal = (answers: readonly string[] = []): CustodianTerminal => {
    const left = [...answers]
    return {
      isTerminal: true,
      say: (line) => said.push(line),
      show: (text) => shown.push(Buffer.from(text).toString()),
      readHidden: () => {
        const answer = left.shift()
        return Promise.resolve(answer === undefined ? null : Buffer.from(answer))
      },
    }
  }
  return {
    said,
    shown,
    terminal,
    output: { say: (line: string) => said.push(line), write: (text: string) => said.push(text) },
  }
}

t.test('an operator lists, rotates and shreds the keys of a vault that runs', async (t) => {
  const { configuration } = await vaultIn(t, t.testdir())
  const { said, output } = recorder()
  const run = (command: object): Promise<number> => {
    said.length = 0
    const given = { kind: 'vault-keys', configurationFile: '', ...command }
    return runVaultKeyCommand(given as Given<'list'>, configuration, output)
  }
  t.equal(await run({ act: 'list', json: false }), 0)
  t.match(
    said.join('\n'),
    /KEY +PURPOSE.*\n.*key-encryption +AES-256 +file.*\n(.*shop +active.*\n){2}.*retired keys: 0/,
  )
  t.match(said.join('\n'), /FILE beside what it protects: for development only/)
  t.equal(await run({ act: 'list', json: true }), 0)
  t.match(JSON.parse(said[0] ?? ''), { keys: [{ provider: 'file' }, {}, {}], reencryption: { state: String } })
  t.equal(await run({ act: 'rotate', merchant: 'nobody', purpose: 'card' }), 1)
  t.match(said, [/no such merchant/])
  t.equal(await run({ act: 'rotate', merchant: 'shop', purpose: 'card' }), 0)
  t.match(said.join('\n'), /retired/)
  t.equal(await run({ act: 'rewrap' }), 0)
  const shred = { act: 'shred', merchant: 'shop', keyId: null, confirmation: null }
  t.equal(await run(shred), 0)
  const confirmation = /--confirm ([a-z]{8})$/.exec(said.join(' '))?.[1]
  t.equal(await run({ ...shred, confirmation: 'aaaaaaaa' }), 1)
  t.match(said, [/confirmation is wrong/])
  await run(shred)
  t.not(/--confirm ([a-z]{8})$/.exec(said.join(' '))?.[1], confirmation)
  t.equal(await run({ ...shred, confirmation: /--confirm ([a-z]{8})$/.exec(said.join(' '))?.[1] }), 0)
  t.match(said.join(' '), /3 keys: done.*destroy them too/)
  t.equal(await run({ act: 'make' }), 1)
  t.match(said, [/names no HSM/])
})

t.test('shares are handed out one by one, and open the vault at its start', async (t) => {
  const folder = t.testdir()
  const configuration = { ...shipped, vault: { ...shipped.vault, folder: join(folder, 'data') } }
  const { said, shown, terminal } = recorder()
  const command = {
    kind: 'vault-keys',
    configurationFile: '',
    act: 'custodians',
    shares: 3,
    threshold: 2,
    folder: null,
  } as const
  const enter = ['', '', '', '', '', '']
  t.equal(await runCustodians(command, configuration, terminal(enter.slice(1))), 1, 'the last one went away')
  shown.length = 0
  t.equal(await runCustodians(command, configuration, terminal(enter)), 0)
  const shares = shown.filter((text) => /^[0-9A-Z-]{69}$/.test(text))
  t.equal(shares.length, 3)
  t.equal(shown.filter((text) => text.includes('\u001b[2J')).length, 3, 'and the screen is cleared after each')
  for (const share of shares) t.notMatch(said.join(' '), share)
  t.equal(await runCustodians(command, configuration, { ...terminal(), isTerminal: false }), 1)
  t.match(said.at(-1), /--folder/)

  const running = await vaultIn(t, join(folder, 'data'), { kek: { provider: 'custodians' } })
  const unseal = (share: string | null, shareFile: string | null = null) => {
    said.length = 0
    const given = { kind: 'vault-keys', configurationFile: '', act: 'unseal', shareFile } as const
    return runUnseal(given, running.configuration, terminal(share === null ? [] : [share]))
  }
  t.equal(await unseal('not a share'), 1)
  t.match(said, [/no share of the key/])
  t.equal(await unseal(shares[0] ?? ''), 0)
  t.match(said, [/1 of 2. The vault is still sealed/])
  t.equal(await unseal(shares[0] ?? ''), 1)
  t.match(said, [/given before/])
  t.equal(await unseal(null), 1)
  t.equal(await unseal(null, join(folder, 'none')), 1)
  writeFileSync(join(folder, 'share'), `${shares[2]?.toLowerCase() ?? ''}\n`)
  t.equal(await unseal(null, join(folder, 'share')), 0)
  t.match(said, [/The vault is open/])
  for (const share of shares) t.notMatch(running.lines.join(''), share.slice(0, 14))
})

t.test('shares in a folder are one to a file, for nobody else, and never over another', async (t) => {
  const folder = t.testdir()
  const configuration = { ...shipped, vault: { ...shipped.vault, folder: join(folder, 'data') } }
  const out = join(folder, 'out')
  const command = {
    kind: 'vault-keys',
    configurationFile: '',
    act: 'custodians',
    shares: 2,
    threshold: 2,
    folder: out,
  } as const
  const { said, terminal } = recorder()
  t.equal(await runCustodians(command, configuration, { ...terminal(), isTerminal: false }), 0)
  for (const name of ['share-1', 'share-2']) {
    t.equal(statSync(join(out, name)).mode & 0o777, 0o600)
    t.match(readFileSync(join(out, name), 'utf8'), /^[0-9A-Z-]{69}$/)
  }
  t.notOk(existsSync(join(out, 'share-3')))
  const before = readFileSync(join(out, 'share-1'))
  t.equal(await runCustodians(command, configuration, terminal()), 1)
  t.match(said.at(-1), /is there one already/)
  t.same(readFileSync(join(out, 'share-1')), before)
})

t.test('an HSM makes its key once; without it the vault does not start, and says what to do', async (t) => {
  const folder = t.testdir()
  const kek = { provider: 'pkcs11', ...makeSoftHsm(folder) } as const
  const keys = { kek, former: [], cryptoperiodDays: 90 }
  const { said, output } = recorder()
  const configuration = { ...shipped, vault: { ...shipped.vault, folder: join(folder, 'data'), keys } }
  const lines: string[] = []
  const logger = createLogger({ role: 'vault', level: 'info', stream: { write: (line) => lines.push(line) } })
  await t.rejects(openKeys(configuration.vault, logger), { code: 'kek_missing' })
  t.match(lines.join(''), /"state":"no_key".*tonewall vault keys make/)
  const make = { kind: 'vault-keys', configurationFile: '', act: 'make' } as const
  t.equal(await runVaultKeyCommand(make, configuration, output), 0)
  t.equal(await runVaultKeyCommand(make, configuration, output), 1)
  t.match(said.at(-1), /has this key already/)
  const running = await vaultIn(t, join(folder, 'data'), keys)
  said.length = 0
  await runVaultKeyCommand(
    { kind: 'vault-keys', configurationFile: '', act: 'list', json: false },
    running.configuration,
    output,
  )
  t.match(said.join('\n'), /pkcs11:tonewall:kek-1 +key-encryption +AES-256 +pkcs11/)
  t.notMatch(said.join('\n'), /development/)
})

t.test('where no vault listens, and without the operator’s certificate, the command says so', async (t) => {
  const nobody = { ...shipped, certificates: { ...shipped.certificates, folder: t.testdir() } }
  t.match(await openVaultLink(nobody), /certificate cannot be read/)
  const absent = {
    ...{ certificates: { ...shipped.certificates, folder: certificates } },
    vault: { ...shipped.vault, port: 1 },
  }
  t.match(await openVaultLink(absent), /No vault answers at 127\.0\.0\.1:1/)
})

t.test('what is read unseen is one line, and what follows stays for others', async (t) => {
  const pipe = new PassThrough() as unknown as NodeJS.ReadStream
  const { isTerminal, readHidden } = hiddenInput(pipe, () => undefined)
  t.notOk(isTerminal)
  const [first, second] = ['first\b\bst', 'second']
  ;(pipe as unknown as PassThrough).write(`${first}\n${second}\n`)
  t.same((await readHidden('?'))?.toString(), 'first')
  t.same((await readHidden('?'))?.toString(), 'second')
  ;(pipe as unknown as PassThrough).end('last')
  t.same((await readHidden('?'))?.toString(), 'last')
  const broken = new PassThrough()
  const reading = hiddenInput(broken as unknown as NodeJS.ReadStream, () => undefined).readHidden('?')
  broken.write('abc\u0003')
  t.equal(await reading, null)
})
