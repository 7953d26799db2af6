import { Socket } from 'node:net'
import { encodeFrame, FrameReader } from '../../kit/frame.ts'
import { Hsm } from './hsm.ts'
import { parseHsmOrder } from './hsm-protocol.ts'

/**
 * The HSM's library in a process of its own: foreign code that blocks, and may fall over, is kept away from cards and calls. Orders come from the
 * vault over descriptor 3; when the vault is gone this ends.
 */
const PIPE = 3

const pipe = new Socket({ fd: PIPE, readable: true, writable: true })
const reader = new FrameReader()
const hsm = new Hsm()

pipe.on('data', (chunk: Buffer) => {
  const frames = reader.push(chunk)
  if (frames === 'malformed') process.exit(1)
  for (const frame of frames) {
    const order = parseHsmOrder(frame.header)
    if (order === null) process.exit(1)
    const { answer, body } = hsm.obey(order, frame.body)
    const encoded = encodeFrame(answer, body)
    body.fill(0)
    pipe.write(encoded, () => encoded.fill(0))
  }
})
pipe.on('error', () => process.exit(0))
pipe.on('end', () => process.exit(0))
// A terminal's Ctrl-C reaches this process too; the vault still needs it.
process.on('SIGINT', () => undefined)
// What a runtime prints when it falls over can quote memory.
process.on('uncaughtException', () => process.exit(1))
