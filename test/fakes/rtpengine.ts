import { spawn, type ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { mediaPorts } from './media-ports.ts'

/** A real rtpengine in userspace on loopback, started for one test and ended by its own process id. */
export type Rtpengine = {
  readonly host: string
  readonly port: number
  readonly process: ChildProcess
  close(): Promise<void>
}

const READY_MS_MAX = 5_000

export async function startRtpengine(
  options: {
    readonly port?: number
    readonly interfaces?: readonly string[]
  } = {},
): Promise<Rtpengine> {
  const port = options.port ?? (await freeUdpPort())
  const media = await mediaPorts()
  const child = spawn(
    'rtpengine',
    [
      '--config-file=none',
      '--table=-1',
      ...(options.interfaces ?? ['lo/127.0.0.1']).map((name) => `--interface=${name}`),
      `--listen-ng=127.0.0.1:${port}`,
      `--port-min=${media.min}`,
      `--port-max=${media.max}`,
      '--num-threads=2',
      '--foreground',
      '--log-stderr',
      '--log-level=4',
    ],
    { stdio: ['ignore', 'ignore', process.env['RTPENGINE_LOG'] === '1' ? 'inherit' : 'ignore'] },
  )
  const until = Date.now() + READY_MS_MAX
  while (!(await answersPing(port))) {
    if (child.exitCode !== null || Date.now() > until) throw new Error('rtpengine did not start')
    await delay(20)
  }
  return {
    host: '127.0.0.1',
    port,
    process: child,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      media.release()
    },
  }
}

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

async function answersPing(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    const answered = new Promise<boolean>((resolve) => {
      socket.once('message', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.send('1 d7:command4:pinge', port, '127.0.0.1')
    return await Promise.race([answered, delay(100, false)])
  } finally {
    socket.close()
  }
}
