import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from '../../test/fakes/eventually.ts'
import { freePort } from '../../test/fakes/free-port.ts'
import { CALLEE_HOST, CALLER_HOST, NUMBER } from './cps-site.ts'
import { readCounts, readRings, type Ring, type SippCounts } from './sipp-report.ts'

const SCENARIOS = join(import.meta.dirname, 'scenarios')
/** Calls that got no answer are given up after 64 T1 (RFC 3261 Timer B). */
const DRAIN_S = 36
const BOUND_MS_MAX = 5_000
/** A callee whose caller has gone waits for nothing but the last BYE. */
const CALLEE_MS_MAX = 1_500

let runs = 0

/** Calls that one sipp makes to another, at an even rate. */
export type SippLoad = {
  readonly callsPerSecond: number
  readonly calls: number
  readonly holdMs: number
  /** Whom the caller sends to; the callee itself when nothing stands between. */
  readonly sip: HostPort
  readonly callee: HostPort
  readonly folder: string
  /** As taskset writes them; null on a machine with one. */
  readonly cores: string | null
}

export type SippRun = {
  readonly caller: SippCounts
  readonly callee: SippCounts
  readonly rings: readonly Ring[]
  /** The first thing that went wrong, in sipp's words; '' when nothing did. */
  readonly error: string
}

/** Two sipps at work. `result` resolves when the caller has ended all its calls, or given up. */
export class SippPair {
  readonly #caller: ChildProcess
  readonly #callee: ChildProcess
  readonly #folder: string

  private constructor(parts: {
    readonly caller: ChildProcess
    readonly callee: ChildProcess
    readonly folder: string
  }) {
    this.#caller = parts.caller
    this.#callee = parts.callee
    this.#folder = parts.folder
  }

  static async start(load: SippLoad): Promise<SippPair> {
    runs += 1
    const folder = join(load.folder, `calls-${runs}`)
    mkdirSync(folder)
    const scenario = readFileSync(join(SCENARIOS, 'caller.xml'), 'utf8').replace('@HOLD@', String(load.holdMs))
    writeFileSync(join(folder, 'caller.xml'), scenario)
    const lastS = Math.ceil(load.calls / load.callsPerSecond + load.holdMs / 1_000) + DRAIN_S
    const { callee } = load
    const waiting = await sipp(load, folder, [
      ...['-sf', join(SCENARIOS, 'callee.xml'), '-i', callee.host, '-p', String(callee.port), '-mi', CALLEE_HOST],
      ...[
        '-m',
        String(load.calls),
        '-timeout',
        `${lastS + 2}s`,
        '-stf',
        'callee.csv',
        '-trace_err',
        '-error_file',
        'callee-errors.log',
      ],
    ])
    await eventually(() => waiting.exitCode !== null || isBound(callee), BOUND_MS_MAX)
    const calling = await sipp(load, folder, [
      ...['-sf', 'caller.xml', '-i', CALLER_HOST, '-p', String(await freePort()), '-mi', CALLER_HOST],
      ...['-m', String(load.calls), '-r', String(load.callsPerSecond), '-l', String(load.calls)],
      ...['-timeout', `${lastS}s`, '-timeout_error', '-stf', 'caller.csv', '-trace_logs', '-log_file', 'rings.log'],
      ...['-trace_err', '-error_file', 'caller-errors.log'],
      ...['-s', NUMBER, `${load.sip.host}:${load.sip.port}`],
    ])
    return new SippPair({ caller: calling, callee: waiting, folder })
  }

  get isCalling(): boolean {
    return this.#caller.exitCode === null && this.#caller.signalCode === null
  }

  /** Rings so far: calls that got through to the callee. */
  ringing(): number {
    return readRings(textOf(join(this.#folder, 'rings.log'))).length
  }

  async result(): Promise<SippRun> {
    await ended(this.#caller)
    await Promise.race([ended(this.#callee), delay(CALLEE_MS_MAX)])
    await this.close()
    const file = (name: string): string => textOf(join(this.#folder, name))
    return {
      caller: readCounts(file('caller.csv')),
      callee: readCounts(file('callee.csv')),
      rings: readRings(file('rings.log')),
      error: firstError(file('caller-errors.log')) || firstError(file('callee-errors.log')),
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    for (const child of [this.#caller, this.#callee]) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await ended(child)
    }
  }
}

async function sipp(load: SippLoad, folder: string, given: readonly string[]): Promise<ChildProcess> {
  const child = spawn(
    'taskset',
    [
      ...['--cpu-list', load.cores ?? '0', 'sipp'],
      ...given,
      // A resolution of 10 ms, as sipp has it by itself, would send calls in bursts.
      ...[
        '-bind_local',
        '-t',
        'u1',
        '-nostdin',
        '-timer_resol',
        '1',
        '-trace_stat',
        '-fd',
        '1',
        '-mp',
        String(await freePort()),
      ],
    ],
    { cwd: folder, stdio: 'ignore' },
  )
  await once(child, 'spawn')
  return child
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Of an error file, whose first line says nothing: when and what, without the message that follows. */
function firstError(text: string): string {
  return text.split('\n').find((line) => /^\d{4}-\d\d-\d\d\t/.test(line)) ?? ''
}

/** Looks without binding: a probe that bound the port could take it from sipp. */
function isBound(address: HostPort): boolean {
  const host = address.host.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0').toUpperCase())
  const port = address.port.toString(16).padStart(4, '0').toUpperCase()
  return textOf('/proc/net/udp').includes(` ${host.reverse().join('')}:${port} `)
}
