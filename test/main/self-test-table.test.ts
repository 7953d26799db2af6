import t from 'tap'
import { adviceOf, selfTestTable } from '../../src/main/self-test-table.ts'
import type { SelfTestResult } from '../../src/wire/self-test-protocol.ts'

const RESULT: SelfTestResult = {
  guard: 'guard-1',
  rtpengine: 'media-1',
  code: 'ok',
  inService: true,
  keysRead: 0,
  delayMs: 42,
  durationMs: 3_312,
  atMs: 1_800_000_000_000,
}

t.test('a person reads one line for each guard, in columns', (t) => {
  const lines = selfTestTable([
    RESULT,
    { ...RESULT, guard: 'guard-12', code: 'unreachable', inService: false, delayMs: null, durationMs: 0 },
  ])
  t.same(lines, [
    'guard     rtpengine  verdict      keys read  delay  took   in service',
    'guard-1   media-1    ok           0          42 ms  3.3 s  yes',
    'guard-12  media-1    unreachable  0          -      0.0 s  no',
  ])
  t.same(selfTestTable([]), [])
  t.end()
})

t.test('each verdict but ok says what to look at', (t) => {
  t.same(adviceOf(RESULT), [])
  for (const code of ['leaked', 'key_lost', 'no_media', 'delay', 'not_direct', 'timeout', 'unreachable'] as const) {
    const [line, ...more] = adviceOf({ ...RESULT, code })
    t.match(line, /^guard-1: .{40}/)
    t.same(more, [])
  }
  t.end()
})
