import { readFile } from 'node:fs/promises'

/**
 * The kernel's list of UDP sockets (proc(5), /proc/net/udp): the local address is the second field, its port in hex, and
 * the last field counts datagrams that found the socket's buffer full.
 */
const SOCKETS_FILES = ['/proc/self/net/udp', '/proc/self/net/udp6'] as const

/** Datagrams lost between the wire and the guard, because it was too busy to take them in time. */
export class ReceiveDrops {
  readonly #files: readonly string[]
  /** By port, while its window is open. */
  #seen = new Map<number, number>()

  constructor(files: readonly string[] = SOCKETS_FILES) {
    this.#files = files
  }

  /** How many more these ports have lost since the last look. Where the system has no such list: none. */
  async look(ports: ReadonlySet<number>): Promise<number> {
    const texts = await Promise.all(this.#files.map((file) => readFile(file, 'latin1').catch(() => '')))
    const seen = new Map<number, number>()
    let more = 0
    for (const line of texts.join('\n').split('\n')) {
      const fields = line.trim().split(/\s+/)
      const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)
      const drops = Number(fields.at(-1))
      if (!ports.has(port) || !Number.isSafeInteger(drops)) continue
      // The same port may be there for both families, or on several addresses.
      seen.set(port, (seen.get(port) ?? 0) + drops)
    }
    for (const [port, drops] of seen) more += Math.max(0, drops - (this.#seen.get(port) ?? 0))
    this.#seen = seen
    return more
  }
}
