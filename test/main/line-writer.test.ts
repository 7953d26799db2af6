import t from 'tap'
import { LineWriter } from '../../src/main/line-writer.ts'
import { eventually } from '../fakes/eventually.ts'

const INFO = '{"level":30,"msg":"told"}\n'
const ERROR = '{"level":50,"msg":"wrong"}\n'

t.test('lines for the record wait for others and go out in one piece, in order', async (t) => {
  const written: string[] = []
  const writer = new LineWriter((text) => written.push(text))
  writer.write(INFO)
  writer.write('{"level":20,"msg":"more"}\n')
  t.same(written, [])
  await eventually(() => written.length > 0)
  t.same(written, [`${INFO}{"level":20,"msg":"more"}\n`])
})

t.test('an error goes at once, behind what waited', (t) => {
  const written: string[] = []
  const writer = new LineWriter((text) => written.push(text))
  writer.write(INFO)
  writer.write(ERROR)
  t.same(written, [INFO + ERROR])
  t.end()
})

t.test('what is no line of pino goes at once', (t) => {
  const written: string[] = []
  new LineWriter((text) => written.push(text)).write('text\n')
  t.same(written, ['text\n'])
  t.end()
})

t.test('many lines do not wait for the time', (t) => {
  const written: string[] = []
  const writer = new LineWriter((text) => written.push(text))
  for (let line = 0; line < 1_000; line += 1) writer.write(INFO)
  t.ok(written.length >= 2)
  writer.flush()
  t.equal(written.join(''), INFO.repeat(1_000))
  writer.flush()
  t.equal(written.join(''), INFO.repeat(1_000), 'a second flush has nothing to write')
  t.end()
})
