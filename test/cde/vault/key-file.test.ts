import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openKeyFile } from '../../../src/cde/vault/key-file.ts'
import { createLogger } from '../../../src/kit/log.ts'

const CONTEXT = Buffer.from('context')

function recorder() {
  const lines: string[] = []
  return {
    lines,
    logger: createLogger({ role: 'vault', level: 'info', stream: { write: (line) => lines.push(line) } }),
  }
}

t.test('the first start makes a file for its owner only, warns, and the next start reads the same key', async (t) => {
  const file = join(t.testdir(), 'new-folder', 'key')
  const { lines, logger } = recorder()
  const first = openKeyFile({ file, logger })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700)
  t.match(lines.join(''), /for development only/)
  const wrapped = await first.wrap(Buffer.alloc(32, 7), CONTEXT)
  first.close()
  first.close()
  const second = openKeyFile({ file, logger })
  t.equal(second.id, first.id)
  t.same(await second.unwrap(wrapped, CONTEXT), Buffer.alloc(32, 7))
  t.equal(await second.unwrap(wrapped, Buffer.from('other')), null)
  t.notOk(lines.join('').includes(readFileSync(file).toString('hex')))
})

t.test('a closed key opens nothing', async (t) => {
  const { logger } = recorder()
  const kek = openKeyFile({ file: join(t.testdir(), 'key'), logger })
  const wrapped = await kek.wrap(Buffer.alloc(32, 7), CONTEXT)
  kek.close()
  t.equal(await kek.unwrap(wrapped, CONTEXT), null)
})

t.test('a file that others may read, or that has another length, is not used', (t) => {
  const { logger } = recorder()
  const file = join(t.testdir(), 'key')
  writeFileSync(file, Buffer.alloc(31), { mode: 0o600 })
  t.throws(() => openKeyFile({ file, logger }), { code: 'wrong_length' })
  writeFileSync(file, Buffer.alloc(32))
  chmodSync(file, 0o640)
  t.throws(() => openKeyFile({ file, logger }), { code: 'too_open' })
  t.throws(() => openKeyFile({ file: join(t.testdirName, 'key', 'below'), logger }), { code: 'unreadable' })
  t.end()
})
