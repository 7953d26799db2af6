import { spawnSync } from 'node:child_process'

/** True when this is root and another user could read below a folder: else no process can be given an account of its own. */
export function othersMayRead(folder: string): boolean {
  if (process.getuid?.() !== 0) return false
  const rights = ['--reuid=61009', '--regid=61009', '--clear-groups']
  return spawnSync('setpriv', [...rights, 'test', '-x', folder], { cwd: '/' }).status === 0
}
