import { Writable } from 'node:stream'
import t from 'tap'
import { writeTogether } from '../../src/sbc/write-together.ts'
import { eventually } from '../fakes/eventually.ts'

/** A stream that notes what each of its writes to the system would have been. */
function noting(): { readonly stream: Writable; readonly calls: string[] } {
  const calls: string[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      calls.push(chunk.toString())
      done()
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''))
      done()
    },
  })
  return { stream, calls }
}

t.test('what is written in one turn of the event loop goes out at once, in order', async (t) => {
  const { stream, calls } = noting()
  writeTogether(stream)
  stream.write('one ')
  await Promise.resolve()
  stream.write('two ')
  stream.write('three')
  t.same(calls, [])
  await eventually(() => calls.length > 0)
  t.same(calls, ['one two three'])
  stream.write('later')
  await eventually(() => calls.length > 1)
  t.same(calls, ['one two three', 'later'])
})

t.test('callbacks are called, and a stream that was destroyed meanwhile is left alone', async (t) => {
  const { stream, calls } = noting()
  writeTogether(stream)
  const written = new Promise<void>((resolve) => stream.write('one', () => resolve()))
  await written
  stream.on('error', () => undefined)
  stream.write('lost')
  stream.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  t.same(calls, ['one'])
})
