import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ProcessLog, warningText } from '../../src/main/process-log.ts'

t.test('lines are kept and handed on whole, wherever the output was cut', (t) => {
  const file = join(t.testdir(), 'logs/guard-1.log')
  const lines: string[] = []
  const log = new ProcessLog({ file, line: (line) => lines.push(line) })
  for (const chunk of ['one\ntw', 'o', '\nthr']) log.write(chunk)
  log.close()
  log.close()
  t.same(lines, ['one', 'two', 'thr'])
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\nthr\n')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.end()
})

t.test('output without an end of line is cut', (t) => {
  const lines: string[] = []
  const log = new ProcessLog({ file: join(t.testdir(), 'a.log'), line: (line) => lines.push(line) })
  log.write('x'.repeat(40_000))
  log.close()
  t.ok((lines[0]?.length ?? 0) <= 16_384)
  t.end()
})

t.test('a full file moves aside', (t) => {
  const file = join(t.testdir(), 'a.log')
  writeFileSync(file, Buffer.alloc(16_777_217))
  const log = new ProcessLog({ file, line: () => undefined })
  log.write('fresh\n')
  log.close()
  t.equal(readFileSync(file, 'utf8'), 'fresh\n')
  t.equal(statSync(`${file}.1`).size, 16_777_217)
  t.end()
})

t.test('warnings and errors are shown to people with their facts, the rest is not', (t) => {
  const line = (level: number): string =>
    JSON.stringify({
      level,
      time: 'now',
      role: 'sbc',
      pid: 1,
      code: 'not_proven',
      count: 2,
      msg: 'the window was undone',
    })
  t.equal(warningText(line(40)), 'the window was undone (code=not_proven, count=2)')
  t.equal(warningText(line(30)), null)
  t.equal(warningText('{"level":50,"msg":"short"}'), 'short')
  for (const other of ['', 'not JSON', 'null', '7', '{"msg":"no level"}']) t.equal(warningText(other), null)
  t.end()
})
