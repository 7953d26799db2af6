import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Runs `npm ci` when node_modules is missing or is not what package-lock.json says. Returns false when that fails. */
export function installNodePackages({ folder, say, run = spawnSync }) {
  const stamp = join(folder, 'node_modules/.tonewall-lock')
  const wanted = wantedStamp(folder)
  const runtime = join(folder, 'node_modules/.bin/node')
  if (existsSync(runtime) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true
  say('installing the packages of package-lock.json with npm ci (the pinned Node runtime is among them)')
  // npm itself runs on the Node of this machine, which may be older than what packages of the pinned runtime ask for:
  // warnings about that would only worry people.
  const outcome = run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 'inherit', 'inherit'],
    // Without node_modules/.bin: npm would else run on the very runtime that it is about to replace.
    env: { ...process.env, PATH: pathWithout(process.env.PATH ?? '', join(folder, 'node_modules/.bin')) },
  })
  if (outcome.status !== 0 || !existsSync(runtime)) {
    say('npm ci failed: see its messages above; with no network, bring node_modules from another machine')
    return false
  }
  writeFileSync(stamp, wanted)
  return true
}

/** Packages with binaries differ by processor too. */
export function wantedStamp(folder) {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform}-${process.arch}\n`
}

function pathWithout(path, folder) {
  return path
    .split(delimiter)
    .filter((entry) => entry !== folder)
    .join(delimiter)
}
