import { spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { processInventory, socketsOf } from '../../../src/main/evidence/process-inventory.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const { configuration } = loaded

const STATUS =
  'Name:\tnode\nUid:\t54321\t54321\t54321\t54321\nVmLck:\t  2048 kB\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n'
const LIMITS =
  'Limit                     Soft Limit           Hard Limit           Units\nMax core file size        0                    0                    bytes\n'

/** A /proc with one process. */
function procWith(folder: string, words: readonly string[]): string {
  mkdirSync(join(folder, '77/fd'), { recursive: true })
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  write('77/cmdline', [...words, ''].join('\0'))
  write('77/status', STATUS)
  write('77/limits', LIMITS)
  write('77/stat', `77 (no) de) S 1 77 ${'0 '.repeat(16)}500 0 0`)
  write('stat', 'cpu 1\nbtime 1795335000\n')
  symlinkSync('socket:[4711]', join(folder, '77/fd/5'))
  symlinkSync('/dev/null', join(folder, '77/fd/6'))
  return folder
}

t.test('a role is found by its arguments, with what holds it', (t) => {
  const words = [
    'node',
    '--disable-sigusr1',
    '--permission',
    '/x/src/main.ts',
    'run',
    'guard',
    '--config',
    'f',
    '--name',
  ]
  const rows = processInventory(configuration, procWith(t.testdir({}), [...words, 'guard-2']))
  t.same(
    rows.map(({ name, running }) => [name, running?.pid]),
    [
      ['vault', undefined],
      ['media-1', undefined],
      ['guard-1', undefined],
      ['guard-2', 77],
      ['sipd', undefined],
      ['sbc', undefined],
      ['desk', undefined],
    ],
  )
  t.same(rows.find(({ name }) => name === 'guard-2')?.running, {
    pid: 77,
    user: 'uid 54321',
    startedAt: new Date(1_795_335_005_000).toISOString(),
    coreBytesMax: 0,
    noNewPrivileges: true,
    capabilities: '0000000000000000',
    seccomp: true,
    lockedKiB: 2_048,
    permissionModel: true,
    inspectorShut: true,
  })
  t.end()
})

t.test('rtpengine is found by where it listens, and is no Node', (t) => {
  const rows = processInventory(configuration, procWith(t.testdir({}), ['rtpengine', '--listen-ng=127.0.0.1:22230']))
  t.match(rows.find(({ name }) => name === 'media-1')?.running, { pid: 77, permissionModel: null, inspectorShut: null })
  t.end()
})

t.test('what a process holds is read, and what may not be read is unknown', (t) => {
  const proc = procWith(t.testdir({}), [])
  t.same(socketsOf(77, proc), new Set([4711]))
  t.equal(socketsOf(78, proc), null)
  t.end()
})

t.test('the real /proc is read', async (t) => {
  const child = spawn('/bin/sh', ['-c', 'read x', '/x/src/main.ts', 'run', 'desk', '--name', 'desk'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  t.teardown(() => child.kill())
  await new Promise((resolve) => child.once('spawn', resolve))
  // Only this very command line has no file of a configuration; a site that runs beside the test has one.
  const row = processInventory(configuration).find(({ name }) => name === 'desk')
  t.ok(row?.running, 'a desk is found')
  if (row?.running?.pid === child.pid) t.match(row?.running, { user: userInfo().username, inspectorShut: false })
  t.ok(Math.abs(Date.parse(row?.running?.startedAt ?? '') - Date.now()) < 86_400_000 * 365)
})
