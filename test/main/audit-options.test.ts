import t from 'tap'
import { readAuditCommand } from '../../src/main/audit-options.ts'

const read = (...given: string[]) => readAuditCommand(given, 'default.yaml')

t.test('each command of audit is read', (t) => {
  t.same(read('export'), { kind: 'audit-export', configurationFile: 'default.yaml', to: null, after: null })
  t.same(read('export', '--to', 'f', '--after', '12', '--config', 'c'), {
    kind: 'audit-export',
    configurationFile: 'c',
    to: 'f',
    after: 12,
  })
  t.same(read('key'), { kind: 'audit-key', configurationFile: 'default.yaml' })
  t.same(read('verify', '--key', 'k', 'f'), { kind: 'audit-verify', given: ['--key', 'k', 'f'] })
  t.end()
})

t.test('what it does not know is refused', (t) => {
  for (const given of [
    [],
    ['nonsense'],
    ['export', 'x'],
    ['export', '--nonsense'],
    ['export', '--after', 'x'],
    ['export', '--after', '-1'],
    ['export', '--to'],
    ['export', '--to='],
    ['key', '--to', 'x'],
  ])
    t.match(read(...given), { kind: 'refused' }, given.join(' '))
  t.end()
})
