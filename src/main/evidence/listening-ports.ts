import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Configuration } from '../../wire/configuration.ts'
import { listenAddresses } from '../listen-address.ts'
import { socketsOf, type ProcessRow } from './process-inventory.ts'

/** A socket that waits for peers, as /proc/net shows it. */
export type WaitingSocket = {
  readonly transport: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
  readonly inode: number
}

/** A port of the configuration, and what this machine says of it. */
export type PortRow = {
  readonly process: string
  readonly transport: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
  /** The key of the configuration that declares it. */
  readonly key: string
  /** held: by its process; held-unseen: by somebody whom this user may not look at; held-by-other: not by its process. */
  readonly state: 'held' | 'held-unseen' | 'held-by-other' | 'silent' | 'other-machine'
}

/** A socket of one of our processes that no key of the configuration declares. */
export type UndeclaredPort = {
  readonly process: string
  readonly transport: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
  /** media: RTP of calls and windows; sending: a UDP socket that only sends and hears answers. */
  readonly use: 'media' | 'sending' | 'unknown'
}

export type PortInventory = { readonly declared: readonly PortRow[]; readonly undeclared: readonly UndeclaredPort[] }

/** Compares what the configuration declares with what listens. Machines other than this one cannot be seen from here. */
export function portInventory(
  configuration: Configuration,
  processes: readonly ProcessRow[],
  proc = '/proc',
): PortInventory {
  const sockets = waitingSockets(proc)
  const held = new Map<number, string>()
  for (const { name, running } of processes) {
    if (running === null) continue
    for (const inode of socketsOf(running.pid, proc) ?? []) held.set(inode, name)
  }
  const declaredInodes = new Set<number>()
  const declared = listenAddresses(configuration).map(({ process, transport, host, port, path }): PortRow => {
    const found = sockets.filter(
      (socket) => socket.transport === transport && socket.port === port && covers(socket, host),
    )
    const own = found.find(({ inode }) => held.get(inode) === process)
    for (const { inode } of own === undefined ? found : [own]) declaredInodes.add(inode)
    const [first] = found
    const state =
      own !== undefined
        ? 'held'
        : first === undefined
          ? 'silent'
          : held.has(first.inode)
            ? 'held-by-other'
            : 'held-unseen'
    return { process, transport, host, port, key: keyText(path), state: isHere(host) ? state : 'other-machine' }
  })
  const undeclared = sockets.flatMap((socket): UndeclaredPort[] => {
    const process = held.get(socket.inode)
    if (process === undefined || declaredInodes.has(socket.inode)) return []
    const { transport, host, port } = socket
    return [{ process, transport, host, port, use: useOf(socket, process, configuration) }]
  })
  return { declared, undeclared }
}

/** A guard's further UDP sockets are those of windows and self-tests; rtpengine's lie in its range. */
function useOf(socket: WaitingSocket, process: string, configuration: Configuration): UndeclaredPort['use'] {
  if (socket.transport === 'tcp') return 'unknown'
  if (configuration.guards.some(({ name }) => name === process)) return 'media'
  const start = configuration.rtpengines.find(({ name }) => name === process)?.start
  if (start != null) return socket.port >= start.portMin && socket.port <= start.portMax ? 'media' : 'unknown'
  return 'sending'
}

/** tcp: state 0A is LISTEN. udp: state 07 is one that is connected to nobody. */
export function waitingSockets(proc = '/proc'): readonly WaitingSocket[] {
  return (['tcp', 'tcp6', 'udp', 'udp6'] as const).flatMap((file) => {
    const transport = file.startsWith('tcp') ? 'tcp' : 'udp'
    return lines(join(proc, 'net', file)).flatMap((line): WaitingSocket[] => {
      const words = line.trim().split(/\s+/)
      const [, local = '', , state] = words
      const [address = '', port = ''] = local.split(':')
      if (state !== (transport === 'tcp' ? '0A' : '07')) return []
      return [{ transport, host: addressText(address), port: Number.parseInt(port, 16), inode: Number(words[9]) }]
    })
  })
}

/** Words of 32 bits, each in the byte order of the machine; Node runs on little-endian ones only. */
export function addressText(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32()
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.subarray(0, 12).toString('hex') === '00000000000000000000ffff') return bytes.subarray(12).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function lines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .filter((line) => line !== '')
  } catch {
    // Without IPv6 there is no such file.
    return []
  }
}

function covers(socket: WaitingSocket, host: string): boolean {
  return (
    socket.host === host ||
    socket.host === '0.0.0.0' ||
    socket.host === '::' ||
    (host === 'localhost' && /^(127\.|::1$)/.test(socket.host))
  )
}

/** Names are taken to be this machine's: who wrote one wanted it resolved here. */
function isHere(host: string): boolean {
  if (!/^[\d.]+$|:/.test(host) || /^(127\.|0\.0\.0\.0$|::1?$)/.test(host)) return true
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === host) ?? false)
}

function keyText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}
