import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { ACCOUNT_NAMES, privileges, UNNAMED, type Account } from '../../src/main/account.ts'

/** What a command that is run so says of itself in /proc/self/status. */
function statusOf(account: Account | null, ...options: 'bind-low-ports'[]): Record<string, string> {
  const [program = '', ...rights] = privileges(account, options)
  const { stdout, stderr } = spawnSync(program, [...rights, 'cat', '/proc/self/status'], { encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return Object.fromEntries(
    stdout.split('\n').map((line): [string, string] => {
      const [key = '', value = ''] = line.split(':\t')
      return [key, value.trim()]
    }),
  )
}

t.test('whoever starts a process, it can never get more rights', (t) => {
  t.equal(statusOf(null)['NoNewPrivs'], '1')
  t.end()
})

t.test('root makes it another user without groups or rights, but for the one that a low port takes', (t) => {
  if (process.getuid?.() === 0) asRoot(t)
  else t.pass('only root can: this is a user already')
  t.end()
})

function asRoot(t: Test): void {
  const account = { uid: UNNAMED.vault, gid: UNNAMED.vault, name: null }
  const status = statusOf(account)
  const ids = Array.from({ length: 4 }, () => '61004').join('\t')
  t.match(status, { Uid: ids, Gid: ids, Groups: '', NoNewPrivs: '1' })
  for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.match(status[name], /^0+$/, name)
  const low = statusOf(account, 'bind-low-ports')
  for (const name of ['CapEff', 'CapBnd', 'CapAmb']) t.match(low[name], /^0+400$/, name)
  const named = statusOf({ uid: 1, gid: 1, name: 'daemon' })
  t.equal(named['Uid']?.split('\t')[0], '1', 'a user with a name has its groups')
}

t.test('accounts without a name are all different, and none is a user of systemd or an ordinary one', (t) => {
  t.equal(new Set(ACCOUNT_NAMES.map((name) => UNNAMED[name])).size, ACCOUNT_NAMES.length)
  for (const name of ACCOUNT_NAMES) t.ok(UNNAMED[name] > 60_705 && UNNAMED[name] < 61_184, name)
  t.end()
})
