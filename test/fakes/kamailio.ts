import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'

/** Debian's folder of it, which a user's PATH may leave out. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`
const READY_MS_MAX = 15_000
const ASK_MS_MAX = 3_000
const CLOSE_MS = 3_000
const SHARED_MIB = '64'
const run = promisify(execFile)

/** kamailio with a test's own configuration, in a process of its own. */
export class Kamailio {
  readonly #child: ChildProcess
  readonly #control: string

  private constructor(child: ChildProcess, control: string) {
    this.#child = child
    this.#control = control
  }

  /** `lines`: what it loads beside tm, sl, rr, pv, siputils, textops and ctl, and its routes. Resolves when it answers. */
  static async start(
    folder: string,
    options: { readonly listen: readonly string[]; readonly lines: string },
  ): Promise<Kamailio> {
    const file = join(folder, 'kamailio.cfg')
    const control = join(folder, 'kamailio.control')
    const usual = [
      'debug=0',
      'log_stderror=yes',
      'children=2',
      'disable_tcp=yes',
      'auto_aliases=no',
      'dns=no',
      'rev_dns=no',
    ]
    const modules = ['tm', 'sl', 'rr', 'pv', 'siputils', 'textops', 'ctl'].map((name) => `loadmodule "${name}.so"`)
    const head = ['#!KAMAILIO', ...usual, ...options.listen.map((socket) => `listen=udp:${socket}`), ...modules]
    writeFileSync(file, [...head, `modparam("ctl", "binrpc", "unix:${control}")`, options.lines, ''].join('\n'))
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'TERM', 'kamailio', '-DD', '-E', '-f', file, '-Y', folder, '-m', SHARED_MIB],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH } },
    )
    const said: Buffer[] = []
    child.stderr.on('data', (bytes: Buffer) => said.push(bytes))
    const kamailio = new Kamailio(child, control)
    const isReady = async (): Promise<boolean> => child.exitCode !== null || (await kamailio.ask('core.uptime')) !== ''
    await eventually(isReady, READY_MS_MAX).catch(() => undefined)
    if (child.exitCode === null && (await kamailio.ask('core.uptime')) !== '') return kamailio
    await kamailio.close()
    throw new Error(`kamailio did not start: ${Buffer.concat(said).toString('latin1').slice(-1_000)}`)
  }

  /** One of its own commands, such as ul.dump; '' when it does not answer. */
  async ask(command: string): Promise<string> {
    const asked = run('kamcmd', ['-s', `unix:${this.#control}`, command], {
      timeout: ASK_MS_MAX,
      env: { ...process.env, PATH },
    })
    return (await asked.catch(() => ({ stdout: '' }))).stdout
  }

  /** Ends it. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS)
    await exited
    clearTimeout(late)
  }
}
