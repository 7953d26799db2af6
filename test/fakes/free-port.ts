import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** Below the range that Linux hands out for port 0 (from 32768), so that no outgoing connection takes the port later. */
const PORT_MIN = 12_000
const PORT_MAX = 22_000
const TRIES_MAX = 200

const handedOut = new Set<number>()

/** A port that is free for UDP and TCP on 127.0.0.1 now, and is not handed out twice by this process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN))
    if (handedOut.has(port)) continue
    handedOut.add(port)
    if ((await isFreeTcp(port)) && (await isFreeUdp(port))) return port
  }
  throw new Error('no free port was found')
}

function isFreeTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function isFreeUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => resolve(false))
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(true)))
  })
}
