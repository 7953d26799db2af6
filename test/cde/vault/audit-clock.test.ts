import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { readClock } from '../../../src/cde/vault/audit-clock.ts'

const EPOCH_SECONDS = 2_208_988_800
const NOW_MS = Date.UTC(2026, 10, 22)

/** A time server of its own time; `change` spoils its answers. */
async function timeServer(t: Test, options: { readonly aheadMs: number; readonly change?: (answer: Buffer) => void }) {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  socket.on('message', (question, { port, address }) => {
    const answer = Buffer.alloc(48)
    answer[0] = (4 << 3) | 4
    answer[1] = 2
    question.copy(answer, 24, 40, 48)
    const ms = NOW_MS + options.aheadMs
    for (const at of [32, 40]) {
      answer.writeUInt32BE(Math.floor(ms / 1_000) + EPOCH_SECONDS, at)
      answer.writeUInt32BE(Math.floor(((ms % 1_000) / 1_000) * 2 ** 32), at + 4)
    }
    options.change?.(answer)
    socket.send(answer, port, address)
  })
  return { host: '127.0.0.1', port: socket.address().port, nowMs: () => NOW_MS, answerMs: 300 }
}

t.test('the offset to a time server is read', async (t) => {
  for (const aheadMs of [0, 1_250, -400]) {
    const reading = await readClock(await timeServer(t, { aheadMs }))
    t.match(reading, { kind: 'read', stratum: 2 })
    if (reading.kind === 'read') t.ok(Math.abs(reading.offsetMs - aheadMs) < 0.01, 'to a hundredth of a millisecond')
  }
})

t.test('an answer that is none, or of a server that does not know the time, is not believed', async (t) => {
  const changes: ((answer: Buffer) => void)[] = [
    (answer) => answer.fill(0, 24, 32),
    (answer) => answer.writeUInt8(0, 1),
    (answer) => answer.writeUInt8((3 << 6) | (4 << 3) | 4, 0),
    (answer) => answer.writeUInt8((4 << 3) | 3, 0),
  ]
  for (const change of changes) t.same(await readClock(await timeServer(t, { aheadMs: 0, change })), { kind: 'failed' })
  const silent = createSocket('udp4')
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address()
  t.same(await readClock({ host: '127.0.0.1', port, nowMs: () => NOW_MS, answerMs: 20 }), { kind: 'failed' })
})
