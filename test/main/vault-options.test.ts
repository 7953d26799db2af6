import t from 'tap'
import { parseCommandLine } from '../../src/main/command-line.ts'

const read = (line: string) => parseCommandLine(line.split(' '))

t.test('the database is prepared by its owner, or by the vault’s own role', (t) => {
  t.match(read('vault migrate'), { kind: 'vault', act: 'migrate', owner: null })
  t.match(read('vault migrate --user tonewall_owner --password-file /x/y --config site.yaml'), {
    configurationFile: 'site.yaml',
    owner: { user: 'tonewall_owner', passwordFile: '/x/y' },
  })
  t.match(read('vault migrate --password-file /x/y'), { kind: 'refused' })
  t.match(read('vault migrate --user a;b'), { kind: 'refused', text: /--user is a role/ })
  t.match(read('vault migrate now'), { kind: 'refused', text: /takes no now/ })
  t.match(read('vault migrate --from sqlite'), { kind: 'refused', text: /takes no option --from/ })
  t.end()
})

t.test('a move names where from and where to', (t) => {
  t.match(read('vault move --from sqlite run/vault/vault.sqlite --to postgresql'), {
    kind: 'vault',
    act: 'move',
    file: 'run/vault/vault.sqlite',
  })
  for (const line of ['vault move', 'vault move --from sqlite x', 'vault move --from postgresql x --to sqlite']) {
    t.match(read(line), { kind: 'refused', text: /--from sqlite FILE --to postgresql/ }, line)
  }
  t.match(read('vault move --from sqlite a b --to postgresql'), { kind: 'refused' })
  t.match(read('vault'), { kind: 'refused', text: /migrate, or move/ })
  t.match(read('vault --config'), { kind: 'refused' })
  t.end()
})
