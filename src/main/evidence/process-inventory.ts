import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { hostPortText } from '../../kit/host-text.ts'
import type { Configuration } from '../../wire/configuration.ts'
import { processPlans, type ProcessPlan } from '../process-plan.ts'

/** A process as the system shows it. Each fact is null where this user may not read it. */
export type RunningProcess = {
  readonly pid: number
  readonly user: string
  readonly startedAt: string | null
  /** Largest core file in bytes; -1: no limit. */
  readonly coreBytesMax: number | null
  readonly noNewPrivileges: boolean | null
  /** Effective capabilities, a mask in hex: zeros for none. */
  readonly capabilities: string | null
  readonly seccomp: boolean | null
  readonly lockedKiB: number | null
  /** Node's permission model, and its inspector's signal taken away; null for what is not Node. */
  readonly permissionModel: boolean | null
  readonly inspectorShut: boolean | null
}

export type ProcessRow = { readonly name: string; readonly role: string; readonly running: RunningProcess | null }

/** Clock ticks a second: what Linux tells user space on every processor that Node runs on (USER_HZ). */
const TICKS_PER_SECOND = 100

/** Every process of the configuration on this machine, with the one that runs. `proc` is /proc. */
export function processInventory(configuration: Configuration, proc = '/proc'): readonly ProcessRow[] {
  const all = commandLines(proc)
  return processPlans(configuration).map((plan) => {
    const found = all.find(({ words }) => isOf(plan, configuration, words))
    return {
      name: plan.name,
      role: plan.program.kind === 'role' ? plan.program.role : 'rtpengine',
      running: found === undefined ? null : describe(proc, found),
    }
  })
}

type CommandLine = { readonly pid: number; readonly words: readonly string[] }

function commandLines(proc: string): readonly CommandLine[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), words: (readOrNull(join(proc, name, 'cmdline')) ?? '').split('\0') }))
}

/** By its arguments: the roles are told their name, and rtpengine where to listen. */
function isOf(plan: ProcessPlan, configuration: Configuration, words: readonly string[]): boolean {
  if (plan.program.kind === 'role') {
    const at = words.findIndex((word) => word.endsWith('/src/main.ts'))
    const name = words[words.indexOf('--name') + 1]
    return at >= 0 && words[at + 1] === 'run' && words[at + 2] === plan.program.role && name === plan.name
  }
  const engine = configuration.rtpengines.find(({ name }) => name === plan.name)
  return engine !== undefined && words.includes(`--listen-ng=${hostPortText(engine)}`)
}

function describe(proc: string, { pid, words }: CommandLine): RunningProcess {
  const folder = join(proc, String(pid))
  const status = readOrNull(join(folder, 'status')) ?? ''
  const field = (name: string): string | null => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? null
  const flag = (name: string): boolean | null => {
    const value = field(name)
    return value === null ? null : value !== '0'
  }
  const core = /^Max core file size\s+(\S+)/m.exec(readOrNull(join(folder, 'limits')) ?? '')?.[1]
  const isNode = words.some((word) => word.endsWith('/src/main.ts'))
  return {
    pid,
    user: userName(field('Uid')),
    startedAt: startedAt(proc, pid),
    coreBytesMax: core === undefined ? null : core === 'unlimited' ? -1 : Number(core),
    noNewPrivileges: flag('NoNewPrivs'),
    capabilities: field('CapEff'),
    seccomp: flag('Seccomp'),
    lockedKiB: field('VmLck') === null ? null : Number(field('VmLck')),
    permissionModel: isNode ? words.includes('--permission') : null,
    inspectorShut: isNode ? words.includes('--disable-sigusr1') : null,
  }
}

function userName(uid: string | null): string {
  if (uid === null) return 'unknown'
  const line = (readOrNull('/etc/passwd') ?? '').split('\n').find((entry) => entry.split(':')[2] === uid)
  return line?.split(':')[0] ?? `uid ${uid}`
}

/** proc(5): the start in ticks after boot is the 20th field behind the name, which may hold anything but a last bracket. */
function startedAt(proc: string, pid: number): string | null {
  const ticks = (readOrNull(join(proc, String(pid), 'stat')) ?? '').replace(/^.*\) /s, '').split(' ')[19]
  const booted = /^btime (\d+)/m.exec(readOrNull(join(proc, 'stat')) ?? '')?.[1]
  if (ticks === undefined || booted === undefined) return null
  const date = new Date((Number(booted) + Number(ticks) / TICKS_PER_SECOND) * 1_000)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

/** The inodes of the sockets that a process holds; null where this user may not look. */
export function socketsOf(pid: number, proc = '/proc'): ReadonlySet<number> | null {
  const folder = join(proc, String(pid), 'fd')
  try {
    const inodes = readdirSync(folder).flatMap((name) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOrEmpty(join(folder, name)))?.[1]
      return inode === undefined ? [] : [Number(inode)]
    })
    return new Set(inodes)
  } catch {
    return null
  }
}

function linkOrEmpty(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    // Closed meanwhile.
    return ''
  }
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Ended meanwhile, or somebody else's.
    return null
  }
}
