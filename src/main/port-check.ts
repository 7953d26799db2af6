import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import type { ListenAddress } from './listen-address.ts'

/** Why a port cannot be held: someone has it, the address is not of this machine, or this user may not. */
export type PortProblem = { readonly address: ListenAddress; readonly code: string }

/** Tries every port once, and lets go of it. A port can still be taken between this look and the start. */
export async function checkPorts(addresses: readonly ListenAddress[]): Promise<readonly PortProblem[]> {
  const codes = await Promise.all(addresses.map(tryPort))
  return addresses.flatMap((address, index) => {
    const code = codes[index]
    return code === undefined || code === null ? [] : [{ address, code }]
  })
}

/** Names the port, the host, the configuration key and the cure. */
export function portProblemText({ address, code }: PortProblem): string {
  const key = address.path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
  const port = `${address.transport.toUpperCase()} port ${address.port} on ${address.host}`
  const find = `ss -lnp${address.transport[0] ?? ''} 'sport = ${address.port}'`
  switch (code) {
    case 'EADDRINUSE':
      return `${port} (${key}) is taken by another program: end it (find it with: ${find}) or change ${key}`
    case 'EADDRNOTAVAIL':
      return `${port} (${key}): this machine has no such address: change ${key.replace(/\w+$/, 'host')}`
    case 'EACCES':
      return `${port} (${key}) needs rights that this user has not: use a port from 1024 on, or grant them`
    default:
      return `${port} (${key}) cannot be used: change ${key}`
  }
}

function tryPort(address: ListenAddress): Promise<string | null> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? 'unknown')
    if (address.transport === 'udp') {
      const socket = createSocket(address.host.includes(':') ? 'udp6' : 'udp4')
      socket.once('error', failed)
      socket.bind(address.port, address.host, () => socket.close(() => resolve(null)))
      return
    }
    const server = createServer()
    server.once('error', failed)
    server.listen({ port: address.port, host: address.host, exclusive: true }, () => server.close(() => resolve(null)))
  })
}
