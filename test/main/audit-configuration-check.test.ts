import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadChanged } from '../fakes/changed-configuration.ts'

function problemsWith(folder: string, audit: object): readonly string[] {
  const loaded = loadChanged(folder, { audit })
  return loaded.kind === 'refused' ? loaded.problems.map(({ key, problem }) => `${key} ${problem}`) : []
}

t.test('the files of the audit record must be there, and for their owner', (t) => {
  const folder = t.testdir()
  const at = (name: string) => join(folder, name)
  for (const name of ['key', 'ca']) writeFileSync(at(name), '', { mode: 0o600 })
  mkdirSync(at('audit'), { mode: 0o700 })
  const syslog = { host: '127.0.0.1', authority: at('ca'), certificate: at('ca'), key: at('key') }
  t.same(problemsWith(folder, { folder: at('audit'), signingKey: at('key'), syslog }), [])
  t.same(problemsWith(folder, { folder: at('not there yet') }), [])
  t.same(problemsWith(folder, { folder: at('ca') }), ['audit.folder is a file'])
  chmodSync(at('audit'), 0o755)
  chmodSync(at('key'), 0o640)
  t.same(problemsWith(folder, { folder: at('audit'), signingKey: at('key') }), [
    'audit.folder is open to everybody on this machine',
    'audit.signingKey can be read by others than its owner',
  ])
  t.same(problemsWith(folder, { signingKey: at('none'), syslog: { ...syslog, authority: at('no'), key: at('nor') } }), [
    'audit.signingKey there is no such file',
    'audit.syslog.authority there is no such file',
    'audit.syslog.key there is no such file',
  ])
  t.match(problemsWith(folder, { onlineMonths: 2, keptMonths: 11 }), [
    /onlineMonths .*too small/,
    /keptMonths .*too small/,
  ])
  t.end()
})
