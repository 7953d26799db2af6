import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The UDP ports on which a process listens now, as Linux tells them (proc(5): /proc/PID/fd, /proc/net/udp). */
export function udpPortsOf(pid: number): readonly number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`))?.[1]
      return inode === undefined ? [] : [inode]
    }),
  )
  return readFileSync('/proc/net/udp', 'utf8')
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/)
      const [, port] = (fields[1] ?? '').split(':')
      return port !== undefined && inodes.has(fields[9] ?? '') ? [Number.parseInt(port, 16)] : []
    })
}

/** A descriptor may be closed between being listed and being looked at. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
