import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EXIT, verifyFiles, type FileVerdict } from '../../../src/audit-verify.mjs'
import { AUDIT_GENESIS, chained, type AuditEntry, type AuditRecord } from '../../../src/cde/vault/audit-chain.ts'
import { checkpointEntry, openSigningKey, type CheckpointSigner } from '../../../src/cde/vault/audit-checkpoint.ts'
import { beginLine, endLine, recordLine } from '../../../src/cde/vault/audit-lines.ts'
import { createLogger } from '../../../src/kit/log.ts'

const PROGRAM = join(import.meta.dirname, '../../../src/audit-verify.mjs')
const NOW_MS = Date.UTC(2026, 10, 22)
const logger = createLogger({ role: 'vault', level: 'silent' })

const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: 'tok_ä"\\',
  windowId: '',
}

/** Records of which each tenth, and the last, is a checkpoint. */
async function signedChain(signer: CheckpointSigner, count: number): Promise<AuditRecord[]> {
  const records: AuditRecord[] = []
  while (records.length < count) {
    const head = records.at(-1) ?? AUDIT_GENESIS
    const number = records.length + 1
    const isCheckpoint = number % 10 === 0 || number === count
    const entry = isCheckpoint
      ? await checkpointEntry(signer, head, NOW_MS + number)
      : { ...ENTRY, windowId: `w${number}` }
    records.push(chained(entry, head, NOW_MS + number))
  }
  return records
}

function fileText(records: readonly AuditRecord[], from = AUDIT_GENESIS): string {
  const lines = [beginLine(from), ...records.map(recordLine), endLine(records.at(-1) ?? from)]
  return lines.map((line) => `${line}\n`).join('')
}

/** The same numbers at each run (mulberry32), so that a failure can be found again. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

t.test('the verifier of files', async (t) => {
  const folder = t.testdir()
  const signer = openSigningKey({ file: join(folder, 'key'), mayMake: true, logger })
  const records = await signedChain(signer, 45)
  const good = fileText(records)
  const file = join(folder, 'audit.jsonl')
  const keyFile = join(folder, 'audit.pub')
  writeFileSync(keyFile, signer.publicKey)
  const head = { sequence: 45, hash: Buffer.from(records.at(-1)?.hash ?? []).toString('hex') }
  const verifyText = (text: string | Buffer, options = {}): Promise<FileVerdict> => {
    writeFileSync(file, text)
    return verifyFiles({ files: [file], keys: [signer.publicKey], ...options })
  }
  const run = (...given: string[]) => spawnSync(process.execPath, [PROGRAM, ...given], { encoding: 'utf8' })

  t.match(await verifyText(good), { kind: 'intact', head, signedTo: 44 })

  await t.test('runs alone, in a folder of its own, and says what it found', (t) => {
    const alone = join(folder, 'verify.mjs')
    copyFileSync(PROGRAM, alone)
    const told = spawnSync(process.execPath, [alone, '--key', keyFile, file], { encoding: 'utf8', cwd: folder })
    t.match(told, { status: EXIT.signed, stdout: /intact: records 1 to 45.*\nsigned to the end/ })
    t.match(run('--key', keyFile, '--head', `45:${head.hash}`, file), { status: EXIT.signed })
    t.match(run('--key', keyFile, '--head', `46:${head.hash}`, file), {
      status: EXIT.broken,
      stdout: /record 46 is cut/,
    })
    t.match(run('--no-key', file), { status: EXIT.unsigned, stdout: /no signature was checked/ })
    for (const wrong of [
      [],
      [file],
      ['--key', keyFile],
      ['--key', file, file],
      ['--nonsense', file],
      ['--key', keyFile, '--head', 'x', file],
    ])
      t.match(run(...wrong), { status: EXIT.usage })
    t.match(run('--key', keyFile, join(folder, 'nowhere')), { status: EXIT.broken, stdout: /not to be read/ })
    t.end()
  })

  await t.test('any byte that is another is found', async (t) => {
    const bytes = Buffer.from(good)
    const pick = random(1)
    for (let turn = 0; turn < 200; turn += 1) {
      const changed = Buffer.from(bytes)
      const at = pick(bytes.length)
      changed[at] = (changed[at] ?? 0) ^ (1 + pick(255))
      const { kind } = await verifyText(changed)
      if (kind !== 'broken') t.fail(`byte ${at} as ${changed[at] ?? 0} was not found`)
    }
    t.pass('200 changes')
  })

  await t.test('records dropped, swapped, doubled or cut are found, and which', async (t) => {
    const lines = good.trimEnd().split('\n')
    const text = (changed: readonly string[]) => changed.map((line) => `${line}\n`).join('')
    for (let at = 1; at <= 45; at += 4) {
      const line = lines[at] ?? ''
      t.match(await verifyText(text(lines.toSpliced(at, 1))), { kind: 'broken', sequence: at })
      t.match(await verifyText(text(lines.toSpliced(at, 0, line))), { code: 'missing', sequence: at + 1 })
      if (at < 45) {
        const swapped = lines.toSpliced(at, 2, lines[at + 1] ?? '', line)
        t.match(await verifyText(text(swapped)), { code: 'missing', sequence: at })
      }
      t.match(await verifyText(text(lines.slice(0, at))), { code: 'cut', sequence: at })
      const keptElsewhere = await verifyText(fileText(records.slice(0, at - 1)), { heads: [head] })
      t.match(keptElsewhere, { code: 'cut', sequence: at }, 'with an end made anew')
    }
    const pick = random(2)
    for (let turn = 0; turn < 40; turn += 1) {
      const length = pick(Buffer.byteLength(good))
      const { kind } = await verifyText(Buffer.from(good).subarray(0, length))
      if (kind !== 'broken') t.fail(`cut at byte ${length} was not found`)
    }
  })

  await t.test('a chain made anew behind a change is found by the signature, or is told to be unsigned', async (t) => {
    for (let at = 1; at <= 45; at += 4) {
      const forged = records.slice(0, at - 1)
      const entry: AuditEntry = { ...ENTRY, resource: 'forged' }
      forged.push(chained(entry, forged.at(-1) ?? AUDIT_GENESIS, NOW_MS))
      for (const old of records.slice(at)) {
        forged.push(
          chained({ ...old, role: 'vault' } as AuditEntry, forged.at(-1) ?? AUDIT_GENESIS, Date.parse(old.at)),
        )
      }
      const verdict = await verifyText(fileText(forged))
      if (at < 45) t.equal(verdict.kind, 'broken', `record ${at}`)
      else t.match(verdict, { kind: 'intact', signedTo: 39 })
      writeFileSync(file, fileText(forged.slice(0, at)))
      if (at === 37) t.match(run('--key', keyFile, file), { status: EXIT.unsigned })
    }
  })

  await t.test('a checkpoint by another key, or kept elsewhere, decides', async (t) => {
    const { publicKey } = generateKeyPairSync('ed25519')
    const other = publicKey.export({ type: 'spki', format: 'pem' })
    t.match(await verifyText(good, { keys: [other] }), { code: 'signature', sequence: 10 })
    t.match(await verifyText(good, { keys: [other, signer.publicKey] }), { kind: 'intact' })
    const kept = join(folder, 'kept')
    writeFileSync(kept, `${records[39]?.resource ?? ''}\n`)
    t.match(run('--key', keyFile, '--checkpoint', kept, file), { status: EXIT.signed })
    writeFileSync(file, fileText(records.slice(0, 30)))
    t.match(run('--key', keyFile, '--checkpoint', kept, file), { status: EXIT.broken, stdout: /record 31 is cut/ })
    writeFileSync(kept, `${(records[39]?.resource ?? '').replace('39 ', '38 ')}\n`)
    t.match(run('--key', keyFile, '--checkpoint', kept, file), { status: EXIT.usage })
  })

  await t.test('several files are one chain; each must follow the one before', async (t) => {
    const files = [0, 15, 30].map((start) => {
      const part = join(folder, `part-${start}.jsonl`)
      writeFileSync(part, fileText(records.slice(start, start + 15), records[start - 1] ?? AUDIT_GENESIS))
      return part
    })
    const [first = '', second = '', third = ''] = files
    const keys = [signer.publicKey]
    t.match(await verifyFiles({ files, keys }), { kind: 'intact', head, signedTo: 44 })
    t.match(await verifyFiles({ files: [second, third], keys }), {
      kind: 'intact',
      from: { sequence: 15 },
      signedTo: 44,
    })
    t.match(await verifyFiles({ files: [first, third], keys }), { code: 'missing', sequence: 16, file: third })
    t.match(await verifyFiles({ files: [second, first], keys }), { code: 'missing' })
    writeFileSync(third, readFileSync(third, 'utf8').split('\n').slice(0, -2).join('\n') + '\n')
    t.match(await verifyFiles({ files, keys }), { code: 'cut' })
    t.match(await verifyFiles({ files, keys, live: true }), { kind: 'intact' }, 'the last one may be open still')
  })
})

t.test('what is no file of ours is refused, and nothing of it is believed', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'x')
  const zeros = '0'.repeat(64)
  for (const text of [
    '',
    '\n',
    'null\n',
    '{}\n',
    '[]\n',
    `{"file":"tonewall-audit-2","from":{"sequence":0,"hash":"${zeros}"}}\n`,
    `{"file":"tonewall-audit-1","from":{"sequence":-1,"hash":"${zeros}"}}\n`,
    `{"file":"tonewall-audit-1","from":{"sequence":0,"hash":"${zeros}","more":1}}\n`,
    `{"file":"tonewall-audit-1","from":{"sequence":0,"hash":"${zeros}"}}\n{"__proto__":null}\n`,
    `{"file":"tonewall-audit-1","from":{"sequence":0,"hash":"${zeros}"}}\n${'x'.repeat(100_000)}`,
  ]) {
    writeFileSync(file, text)
    t.match(await verifyFiles({ files: [file], live: true }), { kind: 'broken' }, text.slice(0, 80))
  }
})
