import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const CHECKOUT = resolve(import.meta.dirname, '../..')

/** Files that git tracks or would, by path from the checkout's folder: what is committed next is held to the rules too. */
export function trackedFiles(under = '.'): readonly string[] {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', under], {
    cwd: CHECKOUT,
    encoding: 'utf8',
  })
  if (listed.status !== 0) throw new Error('git ls-files failed: the rules of the house need a checkout')
  const deleted = spawnSync('git', ['ls-files', '--deleted', '-z', under], { cwd: CHECKOUT, encoding: 'utf8' })
  const gone = new Set(deleted.stdout.split('\0'))
  return listed.stdout.split('\0').filter((file) => file !== '' && !gone.has(file))
}

export function readTracked(file: string): string {
  return readFileSync(join(CHECKOUT, file), 'utf8')
}
