import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const CGROUPS = '/sys/fs/cgroup'
/** Deeper than any service manager nests. */
const CGROUP_DEPTH_MAX = 64

/** Reads a file of /proc or /sys; null when there is none. */
export type ReadSystemFile = (file: string) => string | null

/**
 * Where memory of this process, and so of those that it starts, may be written to: devices and files of proc(5), /proc/swaps. Empty when nothing is
 * swapped out, or when a cgroup around it forbids that (memory.swap.max, which systemd sets as MemorySwapMax=). Card digits are in memory
 * (PCI DSS 3.3.1), and Node cannot lock its own.
 */
export function swapDevices(read: ReadSystemFile = readSystemFile): readonly string[] {
  const devices = (read('/proc/swaps') ?? '')
    .split('\n')
    .slice(1)
    .flatMap((line) => /^\S+/.exec(line)?.[0] ?? [])
  if (devices.length === 0) return []
  // cgroups(7): the line of the second version begins so.
  let group = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? '/'
  for (let depth = 0; depth < CGROUP_DEPTH_MAX; depth += 1) {
    if (read(join(CGROUPS, group, 'memory.swap.max'))?.trim() === '0') return []
    if (group === '/') break
    group = dirname(group)
  }
  return devices
}

/** One line for people, or null where nothing is to be said. */
export function swapAdvice(read: ReadSystemFile = readSystemFile): string | null {
  const devices = swapDevices(read)
  if (devices.length === 0) return null
  return [
    'this machine swaps memory out, and card digits may be in it, to',
    devices.join(', ') + ':',
    'switch swap off, or run guard, vault and rtpengine as the units of deploy/systemd (MemorySwapMax=0)',
  ].join(' ')
}

function readSystemFile(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
