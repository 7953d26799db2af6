/**
 * What `npm start`, `npm test` and `npm run bench` run first: plain JavaScript for Node 20 and later, with nothing
 * installed yet. It installs what is missing, saying what and why, and hands over to the pinned runtime.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installNodePackages } from './setup/node-packages.mjs'
import { takeSetupLock } from './setup/setup-lock.mjs'
import { installSystemPackages } from './setup/system-packages.mjs'

const INSTALLATION = dirname(dirname(fileURLToPath(import.meta.url)))
const NODE_MAJOR_MIN = 20

/** What each command hands over to, and its own first arguments. */
const PROGRAMS = {
  start: ['src/main.ts', 'start'],
  test: ['test/all.ts'],
  bench: ['bench/main.ts'],
}

const [command, ...rest] = process.argv.slice(2)
process.exitCode = await main()

async function main() {
  if (!Object.hasOwn(PROGRAMS, command ?? '')) {
    say(`usage: node src/setup.mjs ${Object.keys(PROGRAMS).join('|')} [options]`)
    return 2
  }
  if (process.platform !== 'linux') {
    say(`Tonewall runs on Linux: rtpengine does. This is ${process.platform}.`)
    return 1
  }
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    say(`Node ${process.versions.node} is too old to begin with: use ${NODE_MAJOR_MIN} or later.`)
    return 1
  }
  const lock = await takeSetupLock({ folder: INSTALLATION, say })
  if (lock === null) return 1
  try {
    if (!installSystemPackages({ command, say })) return 1
    if (!installNodePackages({ folder: INSTALLATION, say })) return 1
  } finally {
    lock.release()
  }
  return handOver()
}

/** Runs the program in the pinned runtime. Signals are passed on; its exit code becomes ours. */
function handOver() {
  const runtime = join(INSTALLATION, 'node_modules/.bin/node')
  const [program, ...first] = PROGRAMS[command]
  if (!existsSync(join(INSTALLATION, program))) {
    say(`${program} is missing from this checkout.`)
    return 1
  }
  const child = spawn(runtime, ['--disable-sigusr1', program, ...first, ...rest], {
    cwd: INSTALLATION,
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.once('error', () => {
      say(`the runtime does not start: remove node_modules and try again`)
      resolve(1)
    })
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}
