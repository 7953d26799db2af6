import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'

/** A server on the same site answers in milliseconds; a longer way makes the answer of no use. */
const ANSWER_MS_MAX = 2_000
const MESSAGE_BYTES = 48
/** From 1900, where NTP begins, to 1970. */
const EPOCH_SECONDS = 2_208_988_800
const STRATUM_MAX = 15

/** How far this machine's clock is from a time server's: add offsetMs to ours to get its. */
export type ClockReading =
  | { readonly kind: 'read'; readonly offsetMs: number; readonly delayMs: number; readonly stratum: number }
  | { readonly kind: 'failed' }

/**
 * Asks a time server once (SNTP, RFC 4330; the layout is that of RFC 5905 7.3). Never rejects.
 *
 *     our time ──▶ received, sent by the server ──▶ our time      offset = ((received - left) + (sent - arrived)) / 2
 */
export function readClock(options: {
  readonly host: string
  readonly port: number
  readonly nowMs: () => number
  readonly answerMs?: number
}): Promise<ClockReading> {
  const { host, port, nowMs, answerMs = ANSWER_MS_MAX } = options
  return new Promise((resolve) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    const end = (reading: ClockReading): void => {
      clearTimeout(timer)
      socket.close()
      resolve(reading)
    }
    const timer = setTimeout(() => end({ kind: 'failed' }), answerMs)
    // Our own time stays with us: a random text in its place lets nobody answer who has not seen the question.
    const question = Buffer.alloc(MESSAGE_BYTES)
    question[0] = (4 << 3) | 3
    randomBytes(8).copy(question, 40)
    let leftMs = nowMs()
    socket.on('error', () => end({ kind: 'failed' }))
    socket.on('message', (answer) => {
      const arrivedMs = nowMs()
      const reading = readAnswer(answer, question, { leftMs, arrivedMs })
      if (reading !== null) end(reading)
    })
    socket.connect(port, host, () => {
      leftMs = nowMs()
      socket.send(question)
    })
  })
}

/** Null for what is no answer to this question: it may still come. */
function readAnswer(
  answer: Buffer,
  question: Buffer,
  times: { readonly leftMs: number; readonly arrivedMs: number },
): ClockReading | null {
  if (answer.length < MESSAGE_BYTES || !answer.subarray(24, 32).equals(question.subarray(40, 48))) return null
  const first = answer.readUInt8(0)
  const stratum = answer.readUInt8(1)
  // Mode 4 is a server's; leap indicator 3 and stratum 0 say that it does not know the time itself.
  if ((first & 7) !== 4 || first >> 6 === 3 || stratum < 1 || stratum > STRATUM_MAX) return { kind: 'failed' }
  const receivedMs = timeOf(answer, 32)
  const sentMs = timeOf(answer, 40)
  const { leftMs, arrivedMs } = times
  return {
    kind: 'read',
    offsetMs: (receivedMs - leftMs + (sentMs - arrivedMs)) / 2,
    delayMs: arrivedMs - leftMs - (sentMs - receivedMs),
    stratum,
  }
}

function timeOf(message: Buffer, at: number): number {
  const seconds = message.readUInt32BE(at) - EPOCH_SECONDS
  return seconds * 1_000 + (message.readUInt32BE(at + 4) / 2 ** 32) * 1_000
}
