import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { ProcessLog } from '../../src/main/process-log.ts'
import { WatchedProcess, type ProcessEvent } from '../../src/main/watched-process.ts'

const PROGRAM = resolve(import.meta.dirname, '../fakes/role-program.ts')

function watch(t: Test, behaviour: string) {
  const file = join(t.testdir(), 'role.log')
  const events: ProcessEvent[] = []
  let wake: () => void = () => undefined
  const watched = new WatchedProcess({
    command: process.execPath,
    arguments: [PROGRAM, behaviour],
    environment: { PATH: process.env['PATH'] ?? '' },
    probe: null,
    log: new ProcessLog({ file, line: () => undefined }),
    event: (event) => {
      events.push(event)
      wake()
    },
  })
  t.teardown(() => watched.kill())
  const until = async (type: ProcessEvent['type'], count: number): Promise<void> => {
    while (events.filter((event) => event.type === type).length < count)
      await new Promise<void>((resolveEvent) => (wake = resolveEvent))
  }
  return { watched, events, until, log: () => readFileSync(file, 'utf8') }
}

/** Never 0: a signal to that would go to the whole process group of the test. */
function pidOf(watched: WatchedProcess): number {
  const { pid } = watched
  if (pid === null) throw new Error('it does not run')
  return pid
}

t.test('a process is ready when it says so, and ends when it is asked', async (t) => {
  const { watched, log } = watch(t, 'serve')
  t.match(await watched.start(), { kind: 'ready' })
  const pid = pidOf(watched)
  t.equal(watched.state, 'ready')
  await watched.close({ deadlineMs: 5_000 })
  t.equal(watched.state, 'closed')
  t.throws(() => process.kill(pid, 0), 'it is gone')
  t.match(log(), /began/)
  await watched.close({ deadlineMs: 5_000 })
})

t.test('it gets no more of the environment than it is given', async (t) => {
  const { watched } = watch(t, 'serve')
  const started = await watched.start()
  t.same(started.kind === 'ready' ? started.addresses : [], ['PATH'])
})

t.test('it writes no core file', async (t) => {
  const { watched } = watch(t, 'serve')
  await watched.start()
  t.match(readFileSync(`/proc/${pidOf(watched)}/limits`, 'utf8'), /Max core file size +0 +0 /)
})

t.test('one that is killed is started again, with another id', async (t) => {
  const { watched, events, until } = watch(t, 'serve')
  await watched.start()
  const first = pidOf(watched)
  process.kill(first, 'SIGKILL')
  await until('ready', 2)
  t.match(events, [
    { type: 'ready', again: false },
    { type: 'died', how: 'SIGKILL', delayMs: 100 },
    { type: 'ready', again: true },
  ])
  t.not(watched.pid, first)
})

t.test('each death in a row waits longer', async (t) => {
  const { watched, events, until, log } = watch(t, 'crash')
  await watched.start()
  await until('died', 3)
  const deaths = events.flatMap((event) => (event.type === 'died' ? [event] : []))
  t.match(deaths.slice(0, 3), [
    { how: 'exit code 7', delayMs: 100 },
    { how: 'exit code 7', delayMs: 200 },
    { how: 'exit code 7', delayMs: 400 },
  ])
  t.notMatch(log(), /nobody may keep/, 'what it printed while it fell is not kept')
  t.match(log(), /28 bytes of error output withheld/)
})

t.test('one that cannot start the first time is not tried again, and says why', async (t) => {
  const { watched, events } = watch(t, 'taken')
  t.same(await watched.start(), { kind: 'failed', code: 'EADDRINUSE', host: '127.0.0.1', port: 5060 })
  t.equal(watched.state, 'failed')
  t.same(events, [])
})

t.test('a program that is not there is a failed start', async (t) => {
  const { events } = watch(t, 'serve')
  const watched = new WatchedProcess({
    command: '/nowhere/program',
    arguments: [],
    environment: {},
    probe: null,
    log: new ProcessLog({ file: join(t.testdir(), 'role.log'), line: () => undefined }),
    event: (event) => events.push(event),
  })
  t.match(await watched.start(), { kind: 'failed', code: null })
})

t.test('one that does not close in time is killed', async (t) => {
  const { watched } = watch(t, 'deaf')
  await watched.start()
  const startedMs = performance.now()
  await watched.close({ deadlineMs: 200 })
  t.equal(watched.state, 'closed')
  t.ok(performance.now() - startedMs < 5_000)
})

t.test('one that is closed while it starts is a failed start', async (t) => {
  const { watched } = watch(t, 'silent')
  const start = watched.start()
  await watched.close({ deadlineMs: 5_000 })
  t.match(await start, { kind: 'failed' })
  t.equal(watched.state, 'closed')
})

t.test('one that waits to be started again is not started after a close', async (t) => {
  const { watched, until } = watch(t, 'crash')
  await watched.start()
  await until('died', 1)
  t.equal(watched.state, 'waiting')
  await watched.close({ deadlineMs: 1_000 })
  t.equal(watched.state, 'closed')
  t.equal(watched.pid, null)
})

t.test('something foreign is ready when the probe says so, and is ended by SIGTERM', async (t) => {
  let asked = 0
  const watched = new WatchedProcess({
    command: 'sleep',
    arguments: ['60'],
    environment: { PATH: process.env['PATH'] ?? '' },
    probe: () => Promise.resolve((asked += 1) >= 3),
    log: new ProcessLog({ file: join(t.testdir(), 'role.log'), line: () => undefined }),
    event: () => undefined,
  })
  t.match(await watched.start(), { kind: 'ready' })
  t.equal(asked, 3)
  await watched.close({ deadlineMs: 5_000 })
  t.equal(watched.state, 'closed')
})
