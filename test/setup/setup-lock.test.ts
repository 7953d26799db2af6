import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'

const LOCK = resolve(import.meta.dirname, '../../src/setup/setup-lock.mjs')

/**
 * A process that takes the lock of a folder, says so, holds it for a while and lets go. Two at one time could not both
 * make the folder `held`.
 */
const HOLDER = `
import { mkdirSync, rmdirSync } from 'node:fs'
import { takeSetupLock } from ${JSON.stringify(LOCK)}
const [folder, holdMs, waitMs] = process.argv.slice(2)
const lock = await takeSetupLock({ folder, say: (text) => console.log('said ' + text), waitMs: Number(waitMs) })
if (lock === null) process.exit(3)
mkdirSync(folder + '/held')
console.log('taken')
await new Promise((resolve) => setTimeout(resolve, Number(holdMs)))
rmdirSync(folder + '/held')
lock.release()
`

function hold(folder: string, options: { readonly holdMs: number; readonly waitMs?: number }) {
  const program = join(folder, 'holder.mjs')
  writeFileSync(program, HOLDER)
  const child = spawn(process.execPath, [program, folder, String(options.holdMs), String(options.waitMs ?? 20_000)])
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
  const until = async (text: string): Promise<void> => {
    while (!said.includes(text)) await once(child.stdout, 'data')
  }
  return { child, until, said: () => said, exited: once(child, 'close') }
}

t.test('the second waits for the first, and says so', async (t) => {
  const folder = t.testdir()
  const first = hold(folder, { holdMs: 700 })
  await first.until('taken')
  const second = hold(folder, { holdMs: 0 })
  await second.until('waiting for it')
  t.notMatch(second.said(), /taken/)
  await Promise.all([first.exited, second.exited])
  t.match(second.said(), /taken/)
  t.equal(existsSync(join(folder, 'run/setup.lock')), false)
})

t.test('many at once never hold it together', async (t) => {
  const folder = t.testdir()
  const holders = Array.from({ length: 6 }, () => hold(folder, { holdMs: 50 }))
  for (const { exited } of holders) t.same(await exited, [0, null])
})

t.test('a lock whose holder was killed is taken over', async (t) => {
  const folder = t.testdir()
  const first = hold(folder, { holdMs: 60_000 })
  await first.until('taken')
  first.child.kill('SIGKILL')
  await first.exited
  rmdirSync(join(folder, 'held'))
  t.match(readFileSync(join(folder, 'run/setup.lock'), 'utf8'), /^\d+ \d+$/)
  const second = hold(folder, { holdMs: 0 })
  t.same(await second.exited, [0, null])
  t.match(second.said(), /taken/)
})

t.test('a process id that is in use again does not keep the lock', async (t) => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'run'))
  writeFileSync(join(folder, 'run/setup.lock'), `${process.pid} 1`)
  t.same(await hold(folder, { holdMs: 0 }).exited, [0, null])
})

t.test('the wait ends', async (t) => {
  const folder = t.testdir()
  const first = hold(folder, { holdMs: 60_000 })
  await first.until('taken')
  t.teardown(() => first.child.kill('SIGKILL'))
  const second = hold(folder, { holdMs: 0, waitMs: 300 })
  t.same(await second.exited, [3, null])
  t.match(second.said(), /does not end/)
})

t.test('a checkout that cannot be written is said in words', async (t) => {
  const folder = t.testdir({ run: 'a file where a folder is needed' })
  const holder = hold(folder, { holdMs: 0 })
  t.same(await holder.exited, [3, null])
  t.match(holder.said(), /cannot write to .*: run this as the user who owns the checkout/)
})
