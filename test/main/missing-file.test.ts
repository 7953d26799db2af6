import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { isMissing } from '../../src/main/missing-file.ts'

const MODULE = join(import.meta.dirname, '../../src/main/missing-file.ts')

t.test('a file that is not there is missing', (t) => {
  t.notOk(isMissing(MODULE))
  t.ok(isMissing(join(import.meta.dirname, 'no such file')))
  t.end()
})

t.test('a process that may not read a file does not say that it is missing', (t) => {
  const program = `import { isMissing } from '${MODULE}'; process.exit(isMissing('/no/such/file') ? 1 : 0)`
  // Nothing of this process's environment, in which a test runner keeps options for Node.
  const run = spawnSync(
    'env',
    ['-i', process.execPath, '--permission', `--allow-fs-read=${MODULE}`, '--input-type=module', '--eval', program],
    { encoding: 'utf8' },
  )
  t.equal(run.status, 0, run.stderr)
  t.end()
})
