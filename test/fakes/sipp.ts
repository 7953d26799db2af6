import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** sipp's own words: 0 all calls succeeded, 1 at least one failed, 97 its time was over, 255 it could not run. */
export type SippResult = {
  readonly exitCode: number | null
  readonly messages: readonly SippMessage[]
  /** sipp's reasons for calls that failed, '' when none did. */
  readonly errors: string
}
export type SippMessage = { readonly direction: 'sent' | 'received'; readonly text: string }

export type SippOptions = {
  /** What sipp does, one step after the other. */
  readonly steps: readonly SippStep[]
  /** Where the scenario's messages and sipp's logs are written. */
  readonly folder: string
  readonly local: { readonly host: string; readonly port?: number }
  /** Whom a caller calls. Without it sipp waits to be called. */
  readonly remote?: HostPort & { readonly number: string }
  readonly transport?: 'udp' | 'tcp'
  readonly calls?: number
  readonly callsEachSecond?: number
  readonly arguments?: readonly string[]
}

/** A file of test/system/scenarios without `.xml`; `@NAME@` or `@NAME=usual@` in it is replaced by the value of NAME. */
export type SippStep = string | readonly [file: string, values: Readonly<Record<string, string>>]

const SCENARIOS = resolve(import.meta.dirname, '../system/scenarios')
/** Nothing here takes longer; sipp ends itself with code 97. */
const RUN_S_MAX = 20
/** A caller that did not hear of the end of its calls is ended by its process id. */
const KILL_MS_MAX = (RUN_S_MAX + 5) * 1_000
const BOUND_MS_MAX = 5_000

let runs = 0

/** One sipp in a process of its own, as a carrier or as an agent. */
export class Sipp {
  readonly local: HostPort
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>
  readonly #files: { readonly messages: string; readonly errors: string }
  readonly #killer: NodeJS.Timeout

  private constructor(parts: { readonly local: HostPort; readonly child: ChildProcess; readonly folder: string }) {
    this.local = parts.local
    this.#child = parts.child
    this.#files = { messages: join(parts.folder, 'messages.log'), errors: join(parts.folder, 'errors.log') }
    this.#exited = once(parts.child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null))
    this.#killer = setTimeout(() => parts.child.kill('SIGKILL'), KILL_MS_MAX)
  }

  /** Resolves when sipp has its SIP port. Whoever waits for calls starts before who calls. */
  static async start(options: SippOptions): Promise<Sipp> {
    runs += 1
    const folder = join(options.folder, `sipp-${runs}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'scenario.xml'), scenarioOf(options.steps))
    const { local, remote, transport = 'udp' } = options
    const port = local.port ?? (await freePort())
    const child = spawn(
      'sipp',
      [
        ...['-sf', 'scenario.xml', '-i', local.host, '-p', String(port), '-bind_local', '-t', `${transport[0] ?? ''}1`],
        ...['-mi', local.host, '-mp', String(await freePort()), '-nostdin', '-m', String(options.calls ?? 1)],
        ...['-timeout', `${RUN_S_MAX}s`, '-timeout_error', '-recv_timeout', '8000'],
        ...['-trace_msg', '-message_file', 'messages.log', '-trace_err', '-error_file', 'errors.log'],
        ...(options.callsEachSecond === undefined ? [] : ['-r', String(options.callsEachSecond)]),
        ...(options.arguments ?? []),
        ...(remote === undefined ? [] : ['-s', remote.number, `${remote.host}:${remote.port}`]),
      ],
      { cwd: folder, stdio: 'ignore' },
    )
    const sipp = new Sipp({ local: { host: local.host, port }, child, folder })
    if (remote === undefined)
      await eventually(() => child.exitCode !== null || isBound({ host: local.host, port }, transport), BOUND_MS_MAX)
    return sipp
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Waits until all calls of it are over. */
  async result(): Promise<SippResult> {
    const exitCode = await this.#exited
    clearTimeout(this.#killer)
    return { exitCode, messages: readMessages(readText(this.#files.messages)), errors: readText(this.#files.errors) }
  }

  /** Ends the process. Safe to call twice. */
  async close(): Promise<void> {
    clearTimeout(this.#killer)
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#exited
  }
}

/** Start lines in order, such as 'INVITE' and '486 Busy Here', for assertions on what crossed. */
export function startLines(messages: readonly SippMessage[], direction: SippMessage['direction']): readonly string[] {
  return messages
    .filter((message) => message.direction === direction)
    .map(({ text }) => /^(?:SIP\/2\.0 (.*)|([A-Z]+) )/.exec(text))
    .map((line) => line?.[1]?.trim() ?? line?.[2] ?? '')
}

/** The steps' files put together as one scenario. */
function scenarioOf(steps: readonly SippStep[]): string {
  const parts = steps.map((step) => (typeof step === 'string' ? stepText(step, {}) : stepText(...step)))
  return `<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="steps">${parts.join('')}</scenario>\n`
}

function stepText(file: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(join(SCENARIOS, `${file}.xml`), 'utf8')
  const inside = /<scenario [^>]*>([^]*)<\/scenario>/.exec(text)?.[1] ?? ''
  return inside.replace(/@([A-Z]+)(?:=([^@]*))?@/g, (_whole, name: string, usual: string | undefined) => {
    const value = values[name] ?? usual
    if (value === undefined) throw new Error('the step names a value that was not given')
    return value
  })
}

function readMessages(log: string): readonly SippMessage[] {
  return log.split(/^-{20,} .*$/m).flatMap((part) => {
    const found = /^\s*\w+ message (sent|received)[^\n]*:\s*\n\s*\n([^]*)$/.exec(part)
    if (found === null) return []
    return [{ direction: found[1] === 'sent' ? ('sent' as const) : ('received' as const), text: found[2] ?? '' }]
  })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Looks without binding: a probe that bound the port could take it from sipp. */
function isBound(address: HostPort, transport: 'udp' | 'tcp'): boolean {
  const host = address.host.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0').toUpperCase())
  const port = address.port.toString(16).padStart(4, '0').toUpperCase()
  return readText(`/proc/net/${transport}`).includes(` ${host.reverse().join('')}:${port} 00000000:0000 `)
}
