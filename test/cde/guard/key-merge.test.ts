import t from 'tap'
import { KeyMerge, type CountedKey } from '../../../src/cde/guard/key-merge.ts'
import type { KeyPress } from '../../../src/cde/guard/key-press.ts'

type Told = Pick<KeyPress, 'key' | 'transport' | 'startMs' | 'endMs'> & { readonly takenMs?: number }

/** What is counted of presses that are told at `takenMs`: for a tone 45 ms after its start, for an INFO at its end. */
function counted(presses: readonly Told[]): readonly CountedKey[] {
  const keys: CountedKey[] = []
  const merge = new KeyMerge((key) => keys.push(key))
  const when = (told: Told) =>
    told.takenMs ?? { event: told.startMs, tone: told.startMs + 45, info: told.endMs }[told.transport]
  for (let nowMs = 0; nowMs <= 6_000; nowMs += 5) {
    for (const told of presses) {
      if (Math.ceil(when(told) / 5) * 5 === nowMs) {
        const { key, transport, startMs, endMs } = told
        merge.take({ key, transport, startMs, endMs, isDown: false, heardMs: endMs }, nowMs)
      }
    }
    merge.due(nowMs)
  }
  return keys
}

const keysOf = (keys: readonly CountedKey[]) => keys.map(({ press }) => press.key)
const run = (
  transport: KeyPress['transport'],
  keys: readonly number[],
  skewMs = 0,
  everyMs = 200,
  onMs = 100,
): Told[] =>
  keys.map((key, index) => {
    const startMs = 100 + index * everyMs + skewMs
    return { key, transport, startMs, endMs: startMs + onMs }
  })

const KEYS = [4, 1, 1, 1, 2, 11, 0]

t.test('each transport alone counts each press, also of one key twice', (t) => {
  for (const transport of ['event', 'tone', 'info'] as const) t.same(keysOf(counted(run(transport, KEYS))), KEYS)
  t.end()
})

t.test('event and tone of one press are one key, whichever the gateway sends first', (t) => {
  for (const skewMs of [-80, -40, 0, 40, 80]) {
    t.same(keysOf(counted([...run('event', KEYS), ...run('tone', KEYS, skewMs)])), KEYS, `${skewMs} ms`)
    const fast = [...run('event', KEYS, 0, 100, 50), ...run('tone', KEYS, skewMs, 100, 50)]
    t.same(keysOf(counted(fast)), KEYS, `fast, ${skewMs} ms`)
  }
  t.end()
})

t.test(
  'a tone that was misread beside an event is not a key, and an event that comes late is not a second one',
  (t) => {
    t.same(keysOf(counted([...run('event', [5]), ...run('tone', [6], 20)])), [5])
    const late = run('event', [5], 60).map((told) => ({ ...told, takenMs: 400 }))
    t.same(keysOf(counted([...run('tone', [5]), ...late])), [5])
    t.end()
  },
)

t.test('the leading edge that a gateway lets through before its event is the same press', (t) => {
  t.same(keysOf(counted([...run('tone', KEYS, -40, 200, 45), ...run('event', KEYS)])), KEYS)
  t.end()
})

t.test('an INFO beside events or tones is not a second key', (t) => {
  for (const transport of ['event', 'tone'] as const)
    for (const skewMs of [0, 100, 250])
      t.same(keysOf(counted([...run(transport, KEYS, 0, 400), ...run('info', KEYS, skewMs, 400)])), KEYS)
  t.same(keysOf(counted([...run('info', KEYS, -350, 400), ...run('event', KEYS, 0, 400)])), KEYS, 'or before them')
  t.end()
})

t.test('a change of transport in the middle loses nothing', (t) => {
  const told = [...run('event', [1, 2, 3]), ...run('tone', [3, 4], 600), ...run('info', [6, 6, 5], 1_000)]
  t.same(keysOf(counted(told)), [1, 2, 3, 3, 4, 6, 6, 5])
  t.end()
})

t.test('presses come out in the order of their starts, also when packets were out of order', (t) => {
  const told = [
    { key: 2, transport: 'event', startMs: 200, endMs: 250, takenMs: 200 },
    { key: 1, transport: 'event', startMs: 100, endMs: 150, takenMs: 230 },
  ] as const
  t.same(keysOf(counted(told)), [1, 2])
  t.end()
})

t.test('the same key again sooner than a hand can looks doubled; at 40 ms it does not', (t) => {
  const pair = (gapMs: number, second = 5) =>
    counted([
      { key: 5, transport: 'event', startMs: 100, endMs: 150 },
      { key: second, transport: 'event', startMs: 150 + gapMs, endMs: 250 + gapMs },
    ]).map((key) => key.doubled)
  t.same(pair(10), [false, true])
  t.same(pair(40), [false, false])
  t.same(pair(10, 6), [false, false])
  t.end()
})

t.test('a key that waits or is held keeps the line busy, until its packets stop', (t) => {
  const merge = new KeyMerge(() => undefined)
  t.equal(merge.dueMs(), null)
  merge.take({ key: 1, transport: 'event', startMs: 0, endMs: 20, isDown: true, heardMs: 0 }, 0)
  t.equal(merge.dueMs(), 60)
  t.ok(merge.isKeyDown(10))
  merge.due(100)
  t.ok(merge.isKeyDown(300))
  t.notOk(merge.isKeyDown(500))
  t.end()
})

t.test('wiped, it has overwritten each key that waited or was remembered', (t) => {
  const merge = new KeyMerge(() => undefined)
  const press = (key: number, startMs: number): KeyPress => {
    return { key, transport: 'event', startMs, endMs: startMs + 50, isDown: false, heardMs: startMs + 50 }
  }
  const presses = [press(4, 0), press(2, 200), press(6, 400)]
  for (const one of presses) merge.take(one, one.startMs)
  merge.due(300)
  merge.wipe()
  t.same(
    presses.map(({ key }) => key),
    [0, 0, 0],
  )
  t.equal(merge.dueMs(), null)
  t.notOk(merge.isKeyDown(410))
  t.end()
})
