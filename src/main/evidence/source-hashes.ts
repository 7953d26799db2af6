import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What belongs to the product. Not node_modules, which the lockfile holds to hashes, and not data, keys or certificates. */
const FOLDERS = ['src', 'sbc-config', 'deploy', 'test', 'bench', 'certs']
const FILES = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'README.md',
  'ARCHITECTURE.md',
  'DECISIONS.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'LICENSE',
]
/** Made on this machine: development certificates. */
const LEFT_OUT = /^certs\/dev(\/|$)/
const GIT_MS_MAX = 10_000

export type SourceHashes = {
  /** Lines as of sha256sum(1), sorted by path. */
  readonly lines: string
  readonly count: number
  /** SHA-256 over the lines: one number for the whole. */
  readonly sha256: string
  /** The commit, and how many files differ from it; null where this is no checkout. */
  readonly revision: { readonly commit: string; readonly changed: number } | null
}

/** Hashes every file of the product. Throws the system's error for one that cannot be read. */
export function sourceHashes(installation: string): SourceHashes {
  const lines = [...FOLDERS.flatMap((folder) => filesBelow(installation, folder)), ...rootFiles(installation)]
    .toSorted()
    .map((file) => `${sha256(readFileSync(join(installation, file)))}  ${file}\n`)
  const text = lines.join('')
  return { lines: text, count: lines.length, sha256: sha256(text), revision: revisionOf(installation) }
}

function filesBelow(installation: string, folder: string): readonly string[] {
  let entries
  try {
    entries = readdirSync(join(installation, folder), { withFileTypes: true })
  } catch {
    // A delivery may come without tests and benches.
    return []
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.name.startsWith('.') || LEFT_OUT.test(path)) return []
    if (entry.isDirectory()) return filesBelow(installation, path)
    return entry.isFile() ? [path] : []
  })
}

function rootFiles(installation: string): readonly string[] {
  const there = new Set(readdirSync(installation))
  return FILES.filter((file) => there.has(file))
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function revisionOf(installation: string): SourceHashes['revision'] {
  const git = (...given: readonly string[]): string | null => {
    const asked = spawnSync('git', ['-C', installation, ...given], { encoding: 'utf8', timeout: GIT_MS_MAX })
    return asked.status === 0 ? asked.stdout.trim() : null
  }
  const commit = git('rev-parse', 'HEAD')
  const status = git('status', '--porcelain')
  if (commit === null || status === null) return null
  return { commit, changed: status === '' ? 0 : status.split('\n').length }
}
