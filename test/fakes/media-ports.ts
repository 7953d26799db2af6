import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Between the ports that freePort hands out and the range of port 0. */
const MIN = 22_000
const BLOCK_PORTS = 400
const BLOCKS = 26
const WAIT_MS = 50
const WAIT_MS_MAX = 60_000

export type MediaPorts = {
  readonly min: number
  readonly max: number
  /** For the next rtpengine of this process. Without it the block is kept until the process ends. */
  readonly release: () => void
}

const free: number[] = []

/**
 * Media ports that no other test on this machine uses now: two rtpengines share a port without an error, and each then
 * gets packets of the other's calls. A block is held by listening at its first port, over TCP, while this process lives.
 */
export async function mediaPorts(): Promise<MediaPorts> {
  const min = free.shift() ?? (await claimed())
  let isReleased = false
  const release = (): void => {
    if (!isReleased) free.push(min)
    isReleased = true
  }
  return { min, max: min + BLOCK_PORTS - 1, release }
}

async function claimed(): Promise<number> {
  const untilMs = performance.now() + WAIT_MS_MAX
  do {
    const first = Math.floor(Math.random() * BLOCKS)
    for (let step = 0; step < BLOCKS; step += 1) {
      const min = MIN + BLOCK_PORTS * ((first + step) % BLOCKS)
      if (await canHold(min)) return min
    }
    await delay(WAIT_MS)
  } while (performance.now() < untilMs)
  throw new Error('other tests use all media ports')
}

function canHold(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.unref()
      resolve(true)
    })
  })
}
