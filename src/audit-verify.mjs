#!/usr/bin/env node
/**
 * Verifies files of Tonewall's audit record. One file and nothing beside Node (18 or later): an auditor can read it through, and
 * run it on a machine that has never seen the product.
 *
 *     node audit-verify.mjs --key FILE... [--checkpoint FILE] [--head SEQUENCE:HASH] [--whole] [--live] FILE...
 *
 * Files are given in order. Each is lines of JSON in one exact form:
 *
 *     {"file":"tonewall-audit-1","from":{"sequence":0,"hash":"<64 hex>"}}            the head that it follows; zeros at the beginning
 *     {"sequence":1,"at":"<ISO 8601, UTC>","role":…,"action":…,"outcome":…,"origin":…,"merchant":…,"resource":…,"windowId":…,"hash":"<64 hex>"}
 *     {"end":{"sequence":1,"hash":"<64 hex>"}}                                          again the last one
 *
 * A file of the archive ends with {"end":{…},"seal":{"keyId":…,"at":…,"signature":…}}: Ed25519 over 'tonewall-audit-segment-1', the head
 * that it follows, its last one, time and key id.
 *
 * hash = SHA-256 (hash before ‖ 'tonewall-audit-1' ‖ sequence ‖ at ‖ role … windowId), each text in UTF-8 with its length in front, 32 bit,
 * big-endian. A record of action `checkpoint` carries `SEQUENCE HASH TIME KEYID SIGNATURE`: Ed25519 (RFC 8032) over the texts
 * 'tonewall-audit-checkpoint-1', sequence, hash, time and key id, laid out alike. Who changes a record can make all hashes behind it
 * anew, but no signature; so what no checkpoint covers yet is said, and a cut at the end is found by one that was kept elsewhere.
 */
import { createHash, createPublicKey, verify } from 'node:crypto'
import { createReadStream, readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FORMAT = 'tonewall-audit-1'
const CHECKPOINT_FORMAT = 'tonewall-audit-checkpoint-1'
const SEAL_FORMAT = 'tonewall-audit-segment-1'
const FIELDS = ['at', 'role', 'action', 'outcome', 'origin', 'merchant', 'resource', 'windowId']
const HASH = /^[0-9a-f]{64}$/
const GENESIS = { sequence: 0, hash: '0'.repeat(64) }
/** A record has some hundred bytes; a longer line is none of ours, and would fill the memory. */
const LINE_BYTES_MAX = 16_384
/** A checkpoint is written this long after it was signed at most, and clocks may be set meanwhile. */
const CHECKPOINT_DELAY_MS_MAX = 60_000

export const EXIT = { signed: 0, broken: 1, usage: 2, unsigned: 3 }

/**
 * Follows the chain through all files. `keys` are public keys in PEM; `heads` are heads that were kept elsewhere, as {sequence, hash};
 * `live`: the last file may still be written to, and so has no end; `whole`: what is before the first file must have been removed from the archive
 * when its time was over, by a record of these files. Returns the verdict:
 *
 *     {kind: 'intact', from, head, signedTo, removed}          signedTo: the last sequence that a checkpoint or a seal covers, or null;
 *                                                              removed: such a record was found
 *     {kind: 'broken', file, line, sequence, code}             code: missing, changed, cut, signature, format, unreadable
 */
export async function verifyFiles({ files, keys = [], heads = [], live = false, whole = false }) {
  const chain = new Chain(keys, heads)
  let at = { file: '', line: 0 }
  try {
    for (const [index, file] of files.entries()) {
      at = { file, line: 0 }
      let ended = false
      for await (const line of linesOf(file)) {
        at.line += 1
        if (ended) throw new Fault('format')
        if (at.line === 1) chain.begin(parse(line))
        else if (line.startsWith('{"end":')) {
          chain.end(parse(line))
          ended = true
        } else chain.record(line, parse(line))
      }
      if (at.line === 0) throw new Fault('cut')
      if (!ended && !(live && index === files.length - 1)) throw new Fault('cut')
    }
    chain.close()
    const { from, head, signedTo, removed } = chain
    if (whole && from.sequence > 0 && !removed) {
      const first = { file: files[0] ?? '', line: 1, sequence: 1 }
      return { kind: 'broken', ...first, code: 'missing' }
    }
    return { kind: 'intact', from, head, signedTo, removed }
  } catch (error) {
    const code = error instanceof Fault ? error.code : 'unreadable'
    return { kind: 'broken', ...at, sequence: (chain.head?.sequence ?? 0) + 1, code }
  }
}

class Fault extends Error {
  constructor(code) {
    super(code)
    this.code = code
  }
}

class Chain {
  from = null
  head = null
  signedTo = null
  /** A record says that all up to where the first file begins was removed when its time was over. */
  removed = false
  /** What the file that is read follows. */
  #fileFrom = null
  #keys
  #heads
  /** Hashes since the last checkpoint: the next one names one of them. */
  #recent = new Map()

  constructor(keys, heads) {
    this.#keys = new Map(keys.map((pem) => publicKey(pem)))
    this.#heads = new Map()
    for (const { sequence, hash } of heads) {
      if ((this.#heads.get(sequence) ?? hash) !== hash) throw new Fault('changed')
      this.#heads.set(sequence, hash)
    }
  }

  begin({ file, from, ...more }) {
    if (file !== FORMAT || !isHead(from) || Object.keys(more).length > 0) throw new Fault('format')
    this.#fileFrom = from
    if (this.head === null) {
      if (from.sequence === 0 && from.hash !== GENESIS.hash) throw new Fault('changed')
      this.from = from
      this.#reach(from)
      return
    }
    if (from.sequence !== this.head.sequence) throw new Fault('missing')
    if (from.hash !== this.head.hash) throw new Fault('changed')
  }

  record(line, record) {
    const { sequence, hash, ...texts } = record
    const names = Object.keys(texts)
    if (!isHead({ sequence, hash }) || names.join() !== FIELDS.join()) throw new Fault('format')
    if (FIELDS.some((name) => typeof texts[name] !== 'string')) throw new Fault('format')
    if (sequence !== this.head.sequence + 1) throw new Fault('missing')
    const hashed = sha256(Buffer.from(this.head.hash, 'hex'), [
      FORMAT,
      String(sequence),
      ...FIELDS.map((n) => texts[n]),
    ])
    if (hashed !== hash) throw new Fault('changed')
    // The same record in other bytes: somebody wrote this line who was not us.
    if (JSON.stringify({ sequence, ...pick(texts), hash }) !== line) throw new Fault('changed')
    if (texts.action === 'checkpoint') this.#checkpoint(texts)
    const { from } = this
    if (texts.action === 'archive_removed' && texts.resource.startsWith(`${from.sequence} ${from.hash} `))
      this.removed = true
    this.#reach({ sequence, hash })
  }

  end({ end, seal, ...more }) {
    if (!isHead(end) || Object.keys(more).length > 0) throw new Fault('format')
    if (end.sequence > this.head.sequence) throw new Fault('cut')
    if (end.sequence !== this.head.sequence || end.hash !== this.head.hash) throw new Fault('changed')
    if (seal !== undefined) this.#seal(seal)
  }

  #seal({ keyId, at, signature, ...more }) {
    if (![keyId, at, signature].every((text) => typeof text === 'string') || Object.keys(more).length > 0)
      throw new Fault('format')
    if (this.#keys.size === 0) return
    const key = this.#keys.get(keyId)
    const heads = [this.#fileFrom, this.head].flatMap(({ sequence, hash }) => [String(sequence), hash])
    const bytes = Buffer.from(signature, 'base64')
    if (key === undefined || bytes.toString('base64') !== signature) throw new Fault('signature')
    if (!verify(null, lengthPrefixed([SEAL_FORMAT, ...heads, at, keyId]), key, bytes)) throw new Fault('signature')
    this.signedTo = this.head.sequence
    this.#recent.clear()
    this.#recent.set(this.head.sequence, this.head.hash)
  }

  /** Nothing more comes: every head that was kept elsewhere must have been met. */
  close() {
    for (const sequence of this.#heads.keys()) if (sequence > this.head.sequence) throw new Fault('cut')
  }

  #reach(head) {
    if ((this.#heads.get(head.sequence) ?? head.hash) !== head.hash) throw new Fault('changed')
    this.head = head
    if (this.#keys.size > 0) this.#recent.set(head.sequence, head.hash)
  }

  #checkpoint(texts) {
    if (this.#keys.size === 0) return
    const { role, outcome, origin, merchant, windowId, at } = texts
    const plain = [role, outcome, origin, merchant, windowId].join() === 'vault,done,local,,'
    const signed = readCheckpoint(texts.resource, this.#keys)
    if (!plain || signed === null) throw new Fault('signature')
    if (Math.abs(Date.parse(at) - Date.parse(signed.at)) > CHECKPOINT_DELAY_MS_MAX) throw new Fault('signature')
    if (signed.sequence > this.head.sequence) throw new Fault('signature')
    // Several vaults sign one chain, so a checkpoint can stand behind a newer one; it then says nothing new.
    if (signed.sequence < (this.signedTo ?? this.from.sequence)) return
    if (this.#recent.get(signed.sequence) !== signed.hash) throw new Fault('changed')
    this.signedTo = signed.sequence
    for (const sequence of this.#recent.keys()) if (sequence < signed.sequence) this.#recent.delete(sequence)
  }
}

/** `SEQUENCE HASH TIME KEYID SIGNATURE` with a signature that holds, or null. */
function readCheckpoint(text, keys) {
  const [sequence, hash, at, keyId, signature, ...more] = text.split(' ')
  const key = keys.get(keyId)
  if (key === undefined || signature === undefined || more.length > 0 || !/^(0|[1-9]\d{0,15})$/.test(sequence))
    return null
  const bytes = Buffer.from(signature, 'base64')
  if (bytes.toString('base64') !== signature) return null
  if (!verify(null, lengthPrefixed([CHECKPOINT_FORMAT, sequence, hash, at, keyId]), key, bytes)) return null
  return { sequence: Number(sequence), hash, at }
}

function publicKey(pem) {
  const key = createPublicKey(pem)
  const name = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
  return ['ed25519-' + name.slice(0, 16), key]
}

function isHead(head) {
  return (
    Number.isSafeInteger(head?.sequence) && head.sequence >= 0 && HASH.test(head.hash) && Object.keys(head).length === 2
  )
}

function pick(texts) {
  return Object.fromEntries(FIELDS.map((name) => [name, texts[name]]))
}

function sha256(before, texts) {
  return createHash('sha256').update(before).update(lengthPrefixed(texts)).digest('hex')
}

function lengthPrefixed(texts) {
  return Buffer.concat(
    texts.flatMap((text) => {
      const bytes = Buffer.from(text, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    }),
  )
}

function parse(line) {
  try {
    const value = JSON.parse(line)
    if (typeof value === 'object' && value !== null && JSON.stringify(value) === line) return value
  } catch {
    // Told below.
  }
  throw new Fault('format')
}

/** Lines of a file, each of which must end. UTF-8 that is none, or a line too long, is a fault. */
async function* linesOf(file) {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let left = Buffer.alloc(0)
  for await (const chunk of createReadStream(file)) {
    let bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk])
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      yield decode(decoder, bytes.subarray(0, end))
      bytes = bytes.subarray(end + 1)
    }
    if (bytes.length > LINE_BYTES_MAX) throw new Fault('format')
    left = bytes
  }
  if (left.length > 0) throw new Fault('cut')
}

function decode(decoder, bytes) {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new Fault('format')
  }
}

const USAGE = `usage: tonewall audit verify --key FILE... [--checkpoint FILE] [--head SEQUENCE:HASH] [--whole] [--live] FILE...

  FILE...            files of the audit record, in order
  --key FILE         a public key that checkpoints are signed with, PEM; can be given again
  --no-key           follow the hashes only: who can write the files could have made them all anew
  --checkpoint FILE  a checkpoint that was kept elsewhere, one line: the record must reach it
  --head S:HASH      a head that was kept elsewhere: the record must reach it
  --whole            the first file must begin with the first record, or where the record says that older ones were removed
  --live             the last file may still be written to

exit codes: 0 intact, and signed to the end; 1 changed, missing, out of order, or cut; 2 asked in a way it does not know;
            3 intact, but the last records are covered by no checkpoint yet
`

/** The command. `say` and `complain` take lines for people. Returns the exit code. */
export async function main(given, say, complain) {
  const asked = readArguments(given)
  if (asked === null) {
    complain(USAGE.trimEnd())
    return EXIT.usage
  }
  let keys, heads
  try {
    keys = asked.keys.map((file) => readFileSync(file, 'utf8'))
    heads = [...asked.heads, ...asked.checkpoints.map((file) => checkpointHead(file, keys))]
    keys.forEach(publicKey)
  } catch {
    complain('a key or a checkpoint cannot be read, or is signed by none of the keys')
    return EXIT.usage
  }
  const verdict = await verifyFiles({ files: asked.files, keys, heads, live: asked.live, whole: asked.whole })
  if (verdict.kind === 'broken') {
    say(`broken: record ${verdict.sequence} is ${WORDS[verdict.code]} (${verdict.file}, line ${verdict.line})`)
    return EXIT.broken
  }
  const { from, head, signedTo } = verdict
  say(`intact: records ${from.sequence + 1} to ${head.sequence}, head ${head.sequence}:${head.hash}`)
  if (verdict.removed) say(`records 1 to ${from.sequence} were removed when their time was over`)
  else if (from.sequence > 0) say(`records 1 to ${from.sequence} were not given`)
  const tail = head.sequence - (signedTo ?? from.sequence)
  if (asked.keys.length === 0) say('no signature was checked')
  else if (signedTo === null && tail > 0) say('no checkpoint covers any of them')
  else if (tail > 1) say(`signed to record ${signedTo}; the ${tail} behind it are covered by no checkpoint yet`)
  else say('signed to the end')
  // The last checkpoint cannot cover itself.
  return tail <= 1 && signedTo !== null ? EXIT.signed : EXIT.unsigned
}

const WORDS = {
  missing: 'missing or out of place',
  changed: 'not the one that was written',
  cut: 'cut off, with all behind it',
  signature: 'a checkpoint or a seal that nobody signed',
  format: 'not in the form of a record',
  unreadable: 'not to be read',
}

function checkpointHead(file, keys) {
  const checkpoint = readCheckpoint(readFileSync(file, 'utf8').trimEnd(), new Map(keys.map((pem) => publicKey(pem))))
  if (checkpoint === null) throw new Fault('signature')
  return { sequence: checkpoint.sequence, hash: checkpoint.hash }
}

function readArguments(given) {
  const asked = { keys: [], heads: [], checkpoints: [], files: [], live: false, whole: false, noKey: false }
  for (let index = 0; index < given.length; index += 1) {
    const name = given[index]
    if (name === '--live') asked.live = true
    else if (name === '--whole') asked.whole = true
    else if (name === '--no-key') asked.noKey = true
    else if (!name.startsWith('-')) asked.files.push(name)
    else {
      const value = given[(index += 1)]
      if (value === undefined) return null
      if (name === '--key') asked.keys.push(value)
      else if (name === '--checkpoint') asked.checkpoints.push(value)
      else if (name === '--head') {
        const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(value) ?? []
        if (hash === undefined) return null
        asked.heads.push({ sequence: Number(sequence), hash })
      } else return null
    }
  }
  if (asked.files.length === 0 || (asked.keys.length === 0) !== asked.noKey) return null
  if (asked.noKey && asked.checkpoints.length > 0) return null
  return asked
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(
    process.argv.slice(2),
    (line) => process.stdout.write(line + '\n'),
    (line) => process.stderr.write(line + '\n'),
  )
}
