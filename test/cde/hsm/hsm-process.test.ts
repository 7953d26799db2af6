import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { encodeFrame, FrameReader } from '../../../src/kit/frame.ts'

const PROGRAM = fileURLToPath(new URL('../../../src/cde/hsm/hsm-process.ts', import.meta.url))
const OPEN = { type: 'open', library: '/none', token: 't', key: 'k', pinFile: '/none' }

function start(): { readonly child: ChildProcess; readonly pipe: Duplex } {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: {},
  })
  return { child, pipe: child.stdio[3] as Duplex }
}

t.test('orders are answered in their order, and the process ends with its parent', async (t) => {
  const { child, pipe } = start()
  const reader = new FrameReader()
  const answers: unknown[] = []
  pipe.write(encodeFrame(OPEN))
  pipe.write(encodeFrame({ type: 'wrap', contextBytes: 2 }, Buffer.from('abkey')))
  for await (const chunk of pipe) {
    const frames = reader.push(chunk as Buffer)
    if (frames === 'malformed') throw new Error('no frame')
    answers.push(...frames.map(({ header }) => header))
    if (answers.length === 2) break
  }
  t.match(answers, [
    { type: 'failed', code: 'pin_unreadable' },
    { type: 'failed', code: 'wrong_state' },
  ])
  const ended = once(child, 'exit')
  pipe.destroy()
  t.same(await ended, [0, null])
})

t.test('what is no order ends it', async (t) => {
  for (const bad of [encodeFrame({ type: 'dance' }), Buffer.from([255, 255, 255, 255])]) {
    const { child, pipe } = start()
    pipe.on('error', () => undefined)
    pipe.write(bad)
    t.same(await once(child, 'exit'), [1, null])
  }
})
