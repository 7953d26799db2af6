import { createSocket, type Socket } from 'node:dgram'
import { dtmfTones, type Tone } from '../../test/fakes/dtmf-tones.ts'
import { recordedSpeech } from '../../test/fakes/recorded-speech.ts'
import { encodeUlaw } from '../../src/cde/guard/g711.ts'
import { quantile } from '../harness/statistics.ts'
import type { FromRtpLoad, Quantiles, StreamFigures, ToRtpLoad, WindowPorts } from './rtp-load-protocol.ts'

/**
 * Plays rtpengine for many windows: sends both parties' RTP to whatever is measured and receives what comes out. Each
 * packet's time of sending is kept by its RTP timestamp, so the sender's own lateness is in no delay. While it plays it
 * never sleeps: waking it would be work of the kernel's that is put down to whoever sends to it, and it would hear late.
 */
const HOST = '127.0.0.1'
const RECEIVE_BUFFER_BYTES = 1_048_576
const PTIME_MS = 20
const SAMPLES = 160
const SPEECH_SECONDS = 40
/** A payer presses a key this often: over its own speech, each for 100 ms. */
const KEY_EVERY_MS = 1_500
const KEY_MS = 100
/** Every other payer's telephone sends events beside the tones. */
const EVENT_PAYLOAD_TYPE = 101
/** What is late is not lost: the end is when nothing came for so long, longer than any look-ahead, or this at most. */
const QUIET_MS = 600
const DRAIN_MS_MAX = 10_000
const FIRST_TIMESTAMP = 8_000

type Stream = {
  readonly socket: Socket
  readonly ssrc: number
  readonly audio: readonly Uint8Array[]
  readonly hasEvents: boolean
  sequence: number
  next: number
  dueMs: number
  readonly sentMs: Float64Array
  readonly heardMs: Float64Array
}

type Line = { readonly payer: Socket; readonly agent: Socket; streams: readonly [Stream, Stream] | null }

const lines: Line[] = []
let lastHeardMs = 0
const tell = (message: FromRtpLoad): void => void process.send?.(message)
process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToRtpLoad) => {
  if (message.type === 'open') void open(message.windows)
  else void run(message)
})

async function open(windows: number): Promise<void> {
  const opened: WindowPorts[] = []
  for (let window = 0; window < windows; window += 1) {
    const payer = await bound()
    const agent = await bound()
    lines.push({ payer, agent, streams: null })
    opened.push({
      payer: { host: HOST, port: payer.address().port },
      agent: { host: HOST, port: agent.address().port },
    })
  }
  tell({ type: 'opened', windows: opened })
}

async function run(order: ToRtpLoad & { readonly type: 'run' }): Promise<void> {
  const { voice, withKeys } = speech()
  const packets = Math.ceil((order.warmUpMs + order.measureMs) / PTIME_MS) + 1
  const startMs = performance.now() + PTIME_MS
  for (const [window, line] of lines.entries()) {
    const target = order.targets[window]
    if (target === undefined) throw new Error('a window has no target')
    await connect(line.payer, target.payer)
    await connect(line.agent, target.agent)
    const stream = (socket: Socket, half: number, audio: readonly Uint8Array[], hasEvents: boolean): Stream => ({
      socket,
      ssrc: 0x1000 + window * 2 + half,
      // Everybody says something else at one time.
      audio: [...audio.slice((window * 37) % audio.length), ...audio.slice(0, (window * 37) % audio.length)],
      hasEvents,
      sequence: 1,
      next: 0,
      dueMs: startMs + offsetMs(window * 2 + half, order.burstMs),
      sentMs: new Float64Array(packets).fill(Number.NaN),
      heardMs: new Float64Array(packets).fill(Number.NaN),
    })
    const payer = stream(line.payer, 0, withKeys, window % 2 === 1)
    const agent = stream(line.agent, 1, voice, false)
    line.agent.on('message', (datagram) => hear(payer, datagram))
    line.payer.on('message', (datagram) => hear(agent, datagram))
    line.streams = [payer, agent]
  }
  const late = await play(order)
  await quiet()
  const first = Math.ceil(order.warmUpMs / PTIME_MS)
  tell({ type: 'done', payer: figures(0, first), agent: figures(1, first), senderLateMs: quantilesOf(late) })
}

async function quiet(): Promise<void> {
  const untilMs = performance.now() + DRAIN_MS_MAX
  lastHeardMs = performance.now()
  while (performance.now() - lastHeardMs < QUIET_MS && performance.now() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS / 4))
  }
}

/** Streams begin evenly over the time of a packet, or in bursts. */
function offsetMs(stream: number, burstMs: number | null): number {
  const evenMs = (stream * PTIME_MS) / (lines.length * 2)
  return burstMs === null ? evenMs : Math.floor(evenMs / burstMs) * burstMs
}

/** Sends each packet when it is due, and returns how late that was, in ms. */
function play(order: { readonly warmUpMs: number; readonly measureMs: number }): Promise<readonly number[]> {
  const streams = lines.flatMap((line) => line.streams ?? [])
  const late: number[] = []
  const startMs = performance.now()
  let phase: 'warming' | 'measuring' = 'warming'
  return new Promise((resolve) => {
    const turn = (): void => {
      let nowMs = performance.now()
      if (phase === 'warming' && nowMs - startMs >= order.warmUpMs) {
        phase = 'measuring'
        tell({ type: 'measuring' })
      }
      if (nowMs - startMs >= order.warmUpMs + order.measureMs) {
        tell({ type: 'measured' })
        resolve(late)
        return
      }
      for (const stream of streams) {
        while (stream.dueMs <= nowMs && stream.next < stream.sentMs.length) {
          nowMs = performance.now()
          if (phase === 'measuring') late.push(nowMs - stream.dueMs)
          send(stream, nowMs)
          stream.dueMs += PTIME_MS
        }
      }
      setImmediate(turn)
    }
    turn()
  })
}

function send(stream: Stream, nowMs: number): void {
  const index = stream.next
  const payload = stream.audio[index % stream.audio.length] ?? new Uint8Array(SAMPLES)
  const timestamp = FIRST_TIMESTAMP + index * SAMPLES
  stream.socket.send(rtp(stream, 0, timestamp, payload))
  stream.sentMs[index] = nowMs
  stream.next += 1
  const sinceMs = (index * PTIME_MS) % KEY_EVERY_MS
  if (!stream.hasEvents || sinceMs >= KEY_MS) return
  const isEnd = sinceMs + PTIME_MS >= KEY_MS
  const duration = Math.min(KEY_MS, sinceMs + PTIME_MS) * 8
  const event = Uint8Array.of(keyAt(index), (isEnd ? 0x80 : 0) | 10, duration >> 8, duration & 0xff)
  const pressed = timestamp - sinceMs * 8
  for (let copy = 0; copy < (isEnd ? 3 : 1); copy += 1) {
    stream.socket.send(rtp(stream, EVENT_PAYLOAD_TYPE, pressed, event))
  }
}

function hear(stream: Stream, datagram: Buffer): void {
  const index = (datagram.readUInt32BE(4) - FIRST_TIMESTAMP) / SAMPLES
  // Noise in place of an event may stand between two packets.
  if (!Number.isInteger(index) || datagram.readUInt32BE(8) !== stream.ssrc) return
  lastHeardMs = performance.now()
  if (Number.isNaN(stream.heardMs[index] ?? 0)) stream.heardMs[index] = lastHeardMs
}

function figures(half: 0 | 1, first: number): StreamFigures {
  const delays: number[] = []
  let sent = 0
  for (const { streams } of lines) {
    const stream = streams?.[half]
    if (stream === undefined) continue
    for (let index = first; index < stream.next; index += 1) {
      sent += 1
      const delayMs = (stream.heardMs[index] ?? Number.NaN) - (stream.sentMs[index] ?? 0)
      if (!Number.isNaN(delayMs)) delays.push(delayMs)
    }
  }
  return { sent, lost: sent - delays.length, delayMs: quantilesOf(delays) }
}

function quantilesOf(values: readonly number[]): Quantiles {
  return { p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: values.reduce((a, b) => Math.max(a, b), 0) }
}

function speech(): { readonly voice: readonly Uint8Array[]; readonly withKeys: readonly Uint8Array[] } {
  const { samples } = recordedSpeech({ secondsMax: SPEECH_SECONDS })
  const tones: Tone[] = Array.from({ length: Math.floor((SPEECH_SECONDS * 1_000) / KEY_EVERY_MS) }, (_, press) => ({
    key: press % 10,
    onMs: KEY_MS,
    offMs: KEY_EVERY_MS - KEY_MS,
  }))
  const keys = dtmfTones(tones, { leadMs: 0 })
  const mixed = samples.map((sample, index) => Math.max(-32_124, Math.min(32_124, sample + (keys[index] ?? 0))))
  return { voice: packets(samples), withKeys: packets(mixed) }
}

function keyAt(index: number): number {
  return Math.floor((index * PTIME_MS) / KEY_EVERY_MS) % 10
}

function packets(samples: Int16Array): readonly Uint8Array[] {
  return Array.from({ length: Math.floor(samples.length / SAMPLES) }, (_, index) =>
    encodeUlaw(samples.subarray(index * SAMPLES, (index + 1) * SAMPLES)),
  )
}

function rtp(stream: Stream, payloadType: number, timestamp: number, payload: Uint8Array): Buffer {
  const datagram = Buffer.allocUnsafe(12 + payload.length)
  datagram[0] = 0x80
  datagram[1] = payloadType
  datagram.writeUInt16BE(stream.sequence & 0xffff, 2)
  datagram.writeUInt32BE(timestamp, 4)
  datagram.writeUInt32BE(stream.ssrc, 8)
  datagram.set(payload, 12)
  stream.sequence += 1
  return datagram
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES })
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve))
  return socket
}

function connect(socket: Socket, to: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve) => socket.connect(to.port, to.host, resolve))
}
