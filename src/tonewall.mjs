#!/usr/bin/env node
/** The command `tonewall`: hands over to src/main.ts in the pinned runtime, whatever Node this is. */
import { spawn } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const installation = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))))
const runtime = join(installation, 'node_modules/.bin/node')

if (existsSync(runtime)) {
  const main = join(installation, 'src/main.ts')
  const child = spawn(runtime, ['--disable-sigusr1', main, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal]
  })
} else {
  process.stderr.write(`tonewall: nothing is installed yet: run npm start or npm ci in ${installation}\n`)
  process.exitCode = 1
}
