import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { verifyFiles } from '../../../src/audit-verify.mjs'
import { exportAudit } from '../../../src/cde/vault/audit-export.ts'
import { headOfLine } from '../../../src/cde/vault/audit-lines.ts'
import { testCard } from '../../fakes/test-card.ts'
import { openSigningKey } from '../../../src/cde/vault/audit-checkpoint.ts'
import { openTestVault } from './open-test-vault.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'
import { createLogger } from '../../../src/kit/log.ts'

t.test('what a vault wrote down is exported, and verified by a program that knows nothing of it', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  for (let count = 0; count < 600; count += 1) void vault.tokenize(testCard())
  await vault.tokenize(testCard())
  await vault.close()
  const logger = createLogger({ role: 'vault', level: 'silent' })
  const { publicKey } = openSigningKey({ file: join(folder, 'audit-signing-key'), mayMake: false, logger })
  const store = openSqliteStore({ file: join(folder, 'vault.sqlite'), nowMs: Date.now })
  const head = await store.auditHead()
  const textOf = async (options: Parameters<typeof exportAudit>[1] = {}): Promise<string | null> => {
    const pieces = await exportAudit(store, options)
    if (pieces === null) return null
    let whole = ''
    for await (const piece of pieces) whole += piece
    return whole
  }
  const file = join(folder, 'all.jsonl')
  const text = (await textOf()) ?? ''
  writeFileSync(file, text)
  const verdict = await verifyFiles({ files: [file], keys: [publicKey] })
  t.match(verdict, {
    kind: 'intact',
    from: { sequence: 0 },
    head: { sequence: head.sequence },
    signedTo: head.sequence - 1,
  })
  t.notMatch(text, /4263982640|"pan"/)

  const parts = [join(folder, 'one.jsonl'), join(folder, 'two.jsonl')]
  writeFileSync(parts[0] ?? '', (await textOf({ to: 100 })) ?? '')
  writeFileSync(parts[1] ?? '', (await textOf({ after: 100 })) ?? '')
  t.same(await verifyFiles({ files: parts, keys: [publicKey] }), verdict)
  t.equal(await textOf({ after: head.sequence + 1 }), null)
  await store.close()
})

t.test('of a line its head is read, and of any other text none', (t) => {
  const hash = 'ab'.repeat(32)
  t.match(headOfLine(`{"sequence":4,"at":"","hash":"${hash}"}`), { sequence: 4, isEnd: false })
  t.match(headOfLine(`{"end":{"sequence":4,"hash":"${hash}"}}`), { sequence: 4, isEnd: true })
  t.match(headOfLine(`{"file":"x","from":{"sequence":0,"hash":"${hash}"}}`), { sequence: 0, isEnd: false })
  for (const wrong of [
    '',
    'x',
    'null',
    '1',
    '{}',
    '{"sequence":4}',
    `{"sequence":"4","hash":"${hash}"}`,
    '{"sequence":4,"hash":"ab"}',
  ])
    t.equal(headOfLine(wrong), null)
  t.end()
})
