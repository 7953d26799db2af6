import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AccountName, Configuration } from '../wire/configuration.ts'
import { ACCOUNT_NAMES, privileges, UNNAMED, type Account } from './account.ts'
import { giveFolders, giveSecrets } from './hand-over.ts'
import { RTPENGINE_NEEDS, roleNeeds, type RoleNeeds } from './role-needs.ts'

/**
 * separate: each process has an account of its own. same: all run as who started them, which is right for anybody but root;
 * `why`, a line for people, when it was root. refused: nothing may start.
 */
export type Accounts =
  | { readonly kind: 'separate'; readonly of: Readonly<Record<AccountName, Account>> }
  | { readonly kind: 'same'; readonly why: string | null }
  | { readonly kind: 'refused'; readonly texts: readonly string[] }
export type ChosenAccounts = Exclude<Accounts, { readonly kind: 'refused' }>

/** capabilities(7): CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP. A container may have taken them from its root. */
const CAPABILITIES_NEEDED = [0, 1, 3, 5, 6, 7, 8].reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)
const PROBE_MS_MAX = 10_000

/**
 * Chooses who each process runs as, gives them what lies in the data folder, and asks the kernel whether they can read and write what
 * they need. A site for development goes on as root when that cannot be; any other is refused.
 */
export function chooseAccounts(
  configuration: Configuration,
  configurationFile: string,
  own: { readonly uid: number; readonly capabilities: bigint } = {
    uid: process.getuid?.() ?? -1,
    capabilities: effectiveCapabilities(),
  },
): Accounts {
  const { users, certificates } = configuration
  if (own.uid !== 0) return { kind: 'same', why: null }
  if ((own.capabilities & CAPABILITIES_NEEDED) !== CAPABILITIES_NEEDED)
    return withoutAccounts(certificates.development, ['this root may not give up its rights: start as another user'])
  const unknown: string[] = []
  const accounts = ACCOUNT_NAMES.map((name): readonly [AccountName, Account] => {
    const user = users?.[name]
    const unnamed = { uid: UNNAMED[name], gid: UNNAMED[name], name: null }
    const account = user === undefined ? unnamed : lookUp(user)
    if (account === null) unknown.push(`users.${name}: there is no user ${user ?? ''} other than root: make it`)
    return [name, account ?? unnamed]
  })
  if (unknown.length > 0) return { kind: 'refused', texts: unknown }
  const of = Object.fromEntries(accounts) as Record<AccountName, Account>
  giveFolders(configuration, of)
  giveSecrets(configuration, of)
  const closed = ACCOUNT_NAMES.flatMap((name) => {
    const needs = name === 'rtpengine' ? RTPENGINE_NEEDS : roleNeeds(name, configuration, configurationFile)
    return closedTo(of[name], needs).map((file) => `${file} is closed to ${describe(name, of[name])}`)
  })
  if (closed.length === 0) return { kind: 'separate', of }
  // Whoever names users wants them.
  return withoutAccounts(certificates.development && users === null, closed)
}

function withoutAccounts(mayBeRoot: boolean, texts: readonly string[]): Accounts {
  if (!mayBeRoot)
    return { kind: 'refused', texts: [...texts, 'Each process runs as its own user: see users in the schema.'] }
  return {
    kind: 'same',
    why: `All processes run as root, for ${texts[0] ?? 'want of accounts'}. Never do so with real cards.`,
  }
}

function describe(name: AccountName, account: Account): string {
  return `${account.name ?? `user ${account.uid}`}, who ${name} runs as`
}

/** getent(1) knows local users and those of a directory; null: there is none, or it is root. */
function lookUp(user: string): Account | null {
  const asked = spawnSync('getent', ['passwd', user], { encoding: 'utf8', timeout: PROBE_MS_MAX })
  const [name, , uid, gid] = asked.stdout.trim().split(':')
  if (asked.status === 0 && name !== undefined) {
    const account = { uid: Number(uid), gid: Number(gid), name }
    return account.uid > 0 && Number.isInteger(account.gid) ? account : null
  }
  // A number needs no name.
  return /^[1-9]\d{0,8}$/.test(user) ? { uid: Number(user), gid: Number(user), name: null } : null
}

/** What of the needs the account cannot have, as the kernel says, with ACLs and all. */
function closedTo(account: Account, needs: RoleNeeds): readonly string[] {
  const script = `for file do
  case "$file" in r:*) test -r "\${file#?:}" ;; w:*) test -w "\${file#?:}" && test -x "\${file#?:}" ;; esac || printf '%s\\0' "\${file#?:}"
done`
  const reads = [process.execPath, ...needs.program, ...needs.reads].map((file) => `r:${file}`)
  const writes = needs.writes.map((file) => `w:${file}`)
  const [program = '', ...given] = [...privileges(account, []), '/bin/sh', '-c', script, 'sh', ...reads, ...writes]
  const asked = spawnSync(program, given, { cwd: '/', encoding: 'utf8', timeout: PROBE_MS_MAX })
  if (asked.status === null || asked.stderr !== '') return ['setpriv']
  return asked.stdout.split('\0').filter((file) => file !== '')
}

/** CapEff of proc(5). */
function effectiveCapabilities(): bigint {
  try {
    const mask = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync(join('/proc/self', 'status'), 'utf8'))?.[1]
    return BigInt(`0x${mask ?? '0'}`)
  } catch {
    return 0n
  }
}
