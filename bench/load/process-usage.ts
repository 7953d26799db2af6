import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of all threads of a process so far, in us, as the scheduler counted it (ns in schedstat). */
export function cpuUs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1_000)
    .reduce((sum, value) => sum + value, 0)
}

/** How long a process's main thread was ready to run and had no core, in ms. */
export function waitedMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1_000_000
}

export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1_024
}

/** Memory of a process with shared pages divided among those who share them; forked processes share most of theirs. */
export function proportionalBytes(pid: number): number {
  return readProportional(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
}

/** `Pss:  1234 kB` of a smaps_rollup file, in bytes. */
export function readProportional(rollup: string): number {
  return Number(/^Pss:\s*(\d+) kB/m.exec(rollup)?.[1]) * 1_024
}

/** Datagrams that the kernel dropped because the buffer of one of these ports was full. */
export function droppedAt(ports: ReadonlySet<number>): number {
  let dropped = 0
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)
    if (ports.has(port)) dropped += Number(fields.at(-1))
  }
  return dropped
}

/** Keeps all threads of a process on these cores, written as taskset(1) does: "0" or "1-3". */
export function pin(pid: number, cores: string): void {
  const { status } = spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)], {
    timeout: 5_000,
  })
  if (status !== 0) throw new Error('taskset did not pin a process')
}
