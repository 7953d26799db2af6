import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
/** Six processes one after another, beside other tests on two cores. */
const READY_MS_MAX = 120_000
const CLOSE_MS_MAX = 30_000

/** `tonewall start` as an operator runs it: the supervisor is a process of its own too, with no more environment than PATH. */
export class CommandSite {
  readonly #child: ChildProcess
  readonly #pids = new Map<string, number>()
  #said = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#pids.set('supervisor', child.pid ?? 0)
  }

  /** Rejects when it does not run in time; then it was killed. */
  static async start(options: {
    readonly configurationFile: string
    readonly say: (line: string) => void
  }): Promise<CommandSite> {
    const { configurationFile, say } = options
    const given = [process.execPath, MAIN, 'start', '--no-call', '--config', configurationFile]
    const child = spawn('env', ['-i', `PATH=${process.env['PATH'] ?? ''}`, ...given], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const site = new CommandSite(child)
    const ended = once(child, 'exit')
    const running = new Promise<'running'>((done) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        site.#said += `${line}\n`
        say(line.replace(/#token=.*/, ''))
        const [, name, pid] = /^(\S+) is (?:ready|back).*\(process (\d+)\)$/.exec(line) ?? []
        if (name !== undefined) site.#pids.set(name, Number(pid))
        if (line.startsWith('Running.')) done('running')
      })
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX)
    const first = await Promise.race([running, ended])
    clearTimeout(timer)
    if (first !== 'running') throw new Error('the site did not start')
    return site
  }

  /** All that it wrote to its terminal. */
  get said(): string {
    return this.#said
  }

  /** Process ids by name. */
  get pids(): ReadonlyMap<string, number> {
    return this.#pids
  }

  pidOf(name: string): number {
    const pid = this.#pids.get(name)
    if (pid === undefined) throw new Error(`${name} does not run`)
    return pid
  }

  /** Ends every process. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS_MAX)
    this.#child.kill('SIGTERM')
    await ended
    clearTimeout(timer)
  }
}
