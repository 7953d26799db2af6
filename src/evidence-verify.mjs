#!/usr/bin/env node
/**
 * Verifies a folder that `tonewall evidence` wrote. One file and nothing beside Node (18 or later), so that an assessor can read it
 * through, and run it on a machine that has never seen the product.
 *
 *     node evidence-verify.mjs --key FILE FOLDER
 *
 * The folder's SHA256SUMS is what sha256sum(1) writes, below one line that it takes for a comment:
 *
 *     # tonewall-evidence-1 <ISO 8601, UTC> <key id>
 *     <64 hex>  <path>                                    every other file but SHA256SUMS.sig, in order
 *
 * SHA256SUMS.sig is its Ed25519 signature (RFC 8032), 64 bytes. Without this program: `sha256sum --check SHA256SUMS`, and
 * `openssl pkeyutl -verify -pubin -inkey KEY -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig`; files that were added only this one finds.
 */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const LIST = 'SHA256SUMS'
export const SIGNATURE = 'SHA256SUMS.sig'
export const FORMAT = 'tonewall-evidence-1'
const HEAD = /^# tonewall-evidence-1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (ed25519-[0-9a-f]{16})$/
const LINE = /^([0-9a-f]{64}) {2}([a-z0-9][a-z0-9.-]*(?:\/[a-z0-9][a-z0-9.-]*)*)$/
/** The folder that the command writes has some fifteen files; what has more is another. */
const ENTRIES_MAX = 10_000

export const EXIT = { signed: 0, broken: 1, usage: 2, own: 3 }

/** The name of a public key, PEM or KeyObject: as in the audit record. */
export function keyId(key) {
  const digest = createHash('sha256').update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
  return 'ed25519-' + digest.digest('hex').slice(0, 16)
}

/**
 * Compares the folder with its list, and the list with its signature. `keys` are public keys in PEM. Returns
 *
 *     {kind: 'intact', at, keyId, files}      files: how many
 *     {kind: 'broken', faults}                each {file, code}: changed, missing, added, signature, format
 */
export function verifyFolder({ folder, keys }) {
  let list, signature
  try {
    list = readFileSync(join(folder, LIST))
    signature = readFileSync(join(folder, SIGNATURE))
  } catch {
    return broken([{ file: LIST, code: 'missing' }])
  }
  const [head, ...lines] = list.toString('utf8').split('\n')
  const [, at, signer] = HEAD.exec(head) ?? []
  if (signer === undefined || lines.pop() !== '') return broken([{ file: LIST, code: 'format' }])
  const key = keys.find((pem) => keyId(pem) === signer)
  if (key === undefined || !verify(null, list, createPublicKey(key), signature)) {
    return broken([{ file: LIST, code: 'signature' }])
  }
  const listed = new Map()
  for (const line of lines) {
    const [, hash, file] = LINE.exec(line) ?? []
    if (file === undefined || listed.has(file)) return broken([{ file: LIST, code: 'format' }])
    listed.set(file, hash)
  }
  const found = filesIn(folder, '')
  const faults = [
    ...found.filter((file) => !listed.has(file)).map((file) => ({ file, code: 'added' })),
    ...[...listed].flatMap(([file, hash]) => {
      if (!found.includes(file)) return [{ file, code: 'missing' }]
      return sha256(join(folder, file)) === hash ? [] : [{ file, code: 'changed' }]
    }),
  ]
  return faults.length > 0 ? broken(faults) : { kind: 'intact', at, keyId: signer, files: listed.size }
}

/** Links and the like are files that nobody listed. */
function filesIn(folder, below) {
  const files = []
  for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : below + '/' + entry.name
    if (path === LIST || path === SIGNATURE) continue
    if (entry.isDirectory()) files.push(...filesIn(folder, path))
    else files.push(entry.isFile() ? path : path + ' (no plain file)')
    if (files.length > ENTRIES_MAX) throw new Error('this is no folder of evidence')
  }
  return files
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function broken(faults) {
  return { kind: 'broken', faults }
}

const USAGE = `usage: tonewall evidence verify [--key FILE...] FOLDER

  --key FILE   the public key that it was signed with, PEM, from elsewhere than the folder; can be given again

exit codes: 0 as it was signed; 1 changed, missing or added files, or another signature; 2 asked in a way it does not know;
            3 as it was signed by the key that lies in the folder: whoever changed the folder could have changed the key, too
`

/** The command. `say` and `complain` take lines for people. Returns the exit code. */
export function main(given, say, complain) {
  const asked = readArguments(given)
  if (asked === null) {
    complain(USAGE.trimEnd())
    return EXIT.usage
  }
  let verdict
  try {
    const files = asked.keys.length > 0 ? asked.keys : [join(asked.folder, 'public-key.pem')]
    const keys = files.map((file) => readFileSync(file, 'utf8'))
    keys.forEach(keyId)
    verdict = verifyFolder({ folder: asked.folder, keys })
  } catch {
    complain('the folder or a key cannot be read')
    return EXIT.usage
  }
  if (verdict.kind === 'broken') {
    for (const { file, code } of verdict.faults) say(`${WORDS[code]}: ${file}`)
    return EXIT.broken
  }
  say(`intact: ${verdict.files} files, signed at ${verdict.at} with ${verdict.keyId}`)
  if (asked.keys.length > 0) return EXIT.signed
  say(`that key came with the folder: compare its name with what the site says (tonewall audit key), or give --key`)
  return EXIT.own
}

const WORDS = {
  changed: 'changed',
  missing: 'missing',
  added: 'added',
  signature: 'not signed by this key',
  format: 'not in the form of evidence',
}

function readArguments(given) {
  const asked = { keys: [], folder: null }
  for (let index = 0; index < given.length; index += 1) {
    if (given[index] === '--key') {
      const file = given[(index += 1)]
      if (file === undefined) return null
      asked.keys.push(file)
    } else if (given[index].startsWith('-') || asked.folder !== null) return null
    else asked.folder = given[index]
  }
  return asked.folder === null ? null : asked
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(
    process.argv.slice(2),
    (line) => process.stdout.write(line + '\n'),
    (line) => process.stderr.write(line + '\n'),
  )
}
