import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { EXIT, keyId, LIST, main, SIGNATURE, verifyFolder } from '../../../src/evidence-verify.mjs'
import { writeSignedFolder } from '../../../src/main/evidence/signed-folder.ts'

const AT = new Date('2026-11-22T12:00:00.000Z')
const FILES = new Map([
  ['index.html', '<p>one'],
  ['drawings/network.svg', '<svg/>'],
  ['empty.json', ''],
])

function signerOf(privateKey: KeyObject, publicKey: KeyObject) {
  const pem = publicKey.export({ type: 'spki', format: 'pem' })
  return {
    keyId: keyId(pem),
    publicKey: pem,
    sign: (bytes: Uint8Array) => Promise.resolve(sign(null, bytes, privateKey)),
  }
}

async function written(t: Test) {
  const folder = join(t.testdir({}), 'evidence')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signer = signerOf(privateKey, publicKey)
  t.equal(await writeSignedFolder({ folder, files: FILES, signer, at: AT }), true)
  return { folder, signer, key: signer.publicKey }
}

t.test('what was written is intact, private, and never written over', async (t) => {
  const { folder, signer, key } = await written(t)
  t.same(verifyFolder({ folder, keys: [key] }), { kind: 'intact', at: AT.toISOString(), keyId: signer.keyId, files: 4 })
  for (const file of ['index.html', LIST, 'drawings/network.svg'])
    t.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.equal(await writeSignedFolder({ folder, files: FILES, signer, at: AT }), false)
})

t.test('sha256sum and openssl agree, without the product', async (t) => {
  const { folder } = await written(t)
  const run = (program: string, ...given: readonly string[]): number | null =>
    spawnSync(program, given, { cwd: folder }).status
  const verify = [
    'pkeyutl',
    '-verify',
    '-pubin',
    '-inkey',
    'public-key.pem',
    '-rawin',
    '-in',
    LIST,
    '-sigfile',
    SIGNATURE,
  ]
  t.equal(run('sha256sum', '--check', '--strict', LIST), 0)
  t.equal(run('openssl', ...verify), 0)
  appendFileSync(join(folder, LIST), '\n')
  t.not(run('openssl', ...verify), 0)
})

t.test('a file that was changed, taken away, added or put in another’s place is found', async (t) => {
  const { folder, key } = await written(t)
  const changes: readonly (readonly [change: (at: (file: string) => string) => void, faults: readonly string[]])[] = [
    [(at) => appendFileSync(at('index.html'), ' '), ['changed index.html']],
    [(at) => rmSync(at('empty.json')), ['missing empty.json']],
    [(at) => writeFileSync(at('empty.json'), '0'), ['changed empty.json']],
    [(at) => writeFileSync(at('more.html'), ''), ['added more.html']],
    [(at) => mkdirSync(at('drawings/more')), []],
    [(at) => writeFileSync(at('drawings/more.svg'), ''), ['added drawings/more.svg']],
    [(at) => writeFileSync(at('public-key.pem'), 'x'), ['changed public-key.pem']],
    [(at) => rmSync(at(SIGNATURE)), [`missing ${LIST}`]],
    [(at) => writeFileSync(at(SIGNATURE), Buffer.alloc(64)), [`signature ${LIST}`]],
    [(at) => writeFileSync(at(SIGNATURE), ''), [`signature ${LIST}`]],
    [(at) => writeFileSync(at(LIST), readFileSync(at(LIST), 'utf8').replace('12:00', '13:00')), [`signature ${LIST}`]],
    [(at) => writeFileSync(at(LIST), ''), [`format ${LIST}`]],
    [
      (at) => {
        rmSync(at('index.html'))
        symlinkSync(at('empty.json'), at('index.html'))
      },
      ['added index.html (no plain file)', 'missing index.html'],
    ],
  ]
  for (const [number, [change, faults]] of changes.entries()) {
    const copy = join(t.testdirName, `copy-${number}`)
    cpSync(folder, copy, { recursive: true })
    change((file) => join(copy, file))
    const verdict = verifyFolder({ folder: copy, keys: [key] })
    t.same(verdict.kind === 'broken' ? verdict.faults.map(({ file, code }) => `${code} ${file}`) : [], faults)
  }
})

t.test('a list that somebody else signed holds for nobody else’s key', async (t) => {
  const { folder, key } = await written(t)
  const other = generateKeyPairSync('ed25519')
  const forged = join(t.testdirName, 'forged')
  await writeSignedFolder({ folder: forged, files: FILES, signer: signerOf(other.privateKey, other.publicKey), at: AT })
  t.match(verifyFolder({ folder: forged, keys: [key] }), { kind: 'broken', faults: [{ code: 'signature' }] })
  // Named as the right key, and signed by the wrong one.
  const posing = join(t.testdirName, 'posing')
  const signer = { ...signerOf(other.privateKey, other.publicKey), keyId: keyId(key) }
  await writeSignedFolder({ folder: posing, files: FILES, signer, at: AT })
  t.match(verifyFolder({ folder: posing, keys: [key] }), { kind: 'broken', faults: [{ code: 'signature' }] })
  t.same(readdirSync(folder).includes(LIST), true)
})

t.test('the command says what it found, by its exit code too, and runs by itself', async (t) => {
  const { folder, key } = await written(t)
  const file = join(t.testdirName, 'key.pem')
  writeFileSync(file, key)
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const run = (...given: readonly string[]): number => main(given, say, say)
  t.equal(run('--key', file, folder), EXIT.signed)
  t.equal(run(folder), EXIT.own)
  t.match(said.pop(), 'came with the folder')
  for (const given of [[], ['--key'], ['--what', folder], [folder, folder]]) t.equal(run(...given), EXIT.usage)
  t.equal(run('--key', join(folder, 'index.html'), folder), EXIT.usage)
  t.equal(run('/nowhere'), EXIT.usage)
  appendFileSync(join(folder, 'index.html'), 'x')
  said.length = 0
  t.equal(run('--key', file, folder), EXIT.broken)
  t.same(said, ['changed: index.html'])
  const alone = join(t.testdirName, 'verify.mjs')
  cpSync(resolve(import.meta.dirname, '../../../src/evidence-verify.mjs'), alone)
  t.equal(spawnSync(process.execPath, [alone, '--key', file, folder], { env: {} }).status, EXIT.broken)
})
