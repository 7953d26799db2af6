import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkpointEntry, checkpointHead, openSigningKey } from '../../../src/cde/vault/audit-checkpoint.ts'
import { createLogger } from '../../../src/kit/log.ts'

const logger = createLogger({ role: 'vault', level: 'silent' })
const HEAD = { sequence: 7, hash: Buffer.alloc(32, 9) }

t.test('a key is made once, for its owner alone, and signs what only it can have signed', async (t) => {
  const file = join(t.testdir(), 'deep', 'key')
  const made = openSigningKey({ file, mayMake: true, logger })
  t.equal(statSync(file).mode & 0o777, 0o600)
  const again = openSigningKey({ file, mayMake: false, logger })
  t.equal(again.keyId, made.keyId)
  t.match(made.publicKey, 'BEGIN PUBLIC KEY')
  const { resource, action } = await checkpointEntry(made, HEAD, 1_000)
  t.equal(action, 'checkpoint')
  t.same(checkpointHead(resource, again.publicKey), HEAD)
  for (const changed of [
    resource.replace('7 ', '8 '),
    resource.replace('09', '08'),
    resource.replace('1970', '1971'),
    `${resource} more`,
    resource.slice(0, -4),
    '',
  ])
    t.equal(checkpointHead(changed, made.publicKey), null)
  const other = openSigningKey({ file: join(t.testdir(), 'other'), mayMake: true, logger })
  t.equal(checkpointHead(resource, other.publicKey), null)
})

t.test('a key that is missing, open to others or of another kind is refused', (t) => {
  const folder = t.testdir()
  const file = join(folder, 'key')
  t.throws(() => openSigningKey({ file, mayMake: false, logger }), { code: 'unreadable' })
  openSigningKey({ file, mayMake: true, logger })
  chmodSync(file, 0o640)
  t.throws(() => openSigningKey({ file, mayMake: false, logger }), { code: 'too_open' })
  chmodSync(file, 0o600)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  t.throws(() => openSigningKey({ file, mayMake: true, logger }), { code: 'not_ed25519' })
  writeFileSync(file, 'nonsense')
  t.throws(() => openSigningKey({ file, mayMake: true, logger }), { code: 'unreadable' })
  t.equal(readFileSync(file, 'utf8'), 'nonsense', 'and is not overwritten')
  t.end()
})
