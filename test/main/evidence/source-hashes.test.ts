import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sourceHashes } from '../../../src/main/evidence/source-hashes.ts'

const INSTALLATION = {
  src: { 'main.ts': 'one\n', cde: { 'guard.ts': 'two\n' }, '.hidden': 'no' },
  certs: { 'maker.ts': 'three\n', dev: { 'ca.key': 'secret' } },
  node_modules: { a: { 'index.js': 'no' } },
  run: {},
  'package.json': '{}\n',
  '.env': 'secret',
}

t.test('sources are hashed in the form of sha256sum, which agrees; data, keys and packages are not there', (t) => {
  const folder = t.testdir(INSTALLATION)
  const { lines, count, sha256, revision } = sourceHashes(folder)
  t.same(
    lines.split('\n').map((line) => line.slice(66)),
    ['certs/maker.ts', 'package.json', 'src/cde/guard.ts', 'src/main.ts', ''],
  )
  t.equal(count, 4)
  t.match(sha256, /^[0-9a-f]{64}$/)
  t.ok(revision === null || revision.commit.length >= 40)
  const list = join(folder, 'run/sources.sha256')
  writeFileSync(list, lines)
  const check = () => spawnSync('sha256sum', ['--check', '--quiet', list], { cwd: folder }).status
  t.equal(check(), 0)
  writeFileSync(join(folder, 'src/main.ts'), 'One\n')
  t.equal(check(), 1)
  t.not(sourceHashes(folder).sha256, sha256)
  t.end()
})

t.test('a delivery without tests and benches is hashed as it is', (t) => {
  t.equal(sourceHashes(t.testdir({ 'package.json': '{}' })).count, 1)
  t.end()
})
