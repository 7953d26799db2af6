import { spawn, type ChildProcess } from 'node:child_process'
import type { ProcessLog } from './process-log.ts'
import { restartDelay } from './restart-delay.ts'
import { parseRoleMessage, type RoleMessage, type SupervisorMessage } from './role-message.ts'

/** From start to ready; a noisy machine needs several seconds for the first start. */
const READY_MS_MAX = 20_000
const PING_EVERY_MS = 2_000
/** A process that hangs is as good as dead, but one that only waits for its core is not. */
const SILENCE_MS_MAX = 15_000
const PROBE_EVERY_MS = 50

/**
 * Core files would hold digits, so none is written (PCI DSS 3.3.1: not even in a crash). Linux hands a core to a collector such
 * as systemd-coredump whatever the limit is (core(5)), so that no memory is to be in it either. The environment is emptied but for the
 * names that follow and for what Node's IPC channel needs.
 */
export const LAUNCH = `ulimit -c 0
echo 0 2>/dev/null >/proc/self/coredump_filter || :
exec env -i \${NODE_CHANNEL_FD+"NODE_CHANNEL_FD=$NODE_CHANNEL_FD"} \
  \${NODE_CHANNEL_SERIALIZATION_MODE+"NODE_CHANNEL_SERIALIZATION_MODE=$NODE_CHANNEL_SERIALIZATION_MODE"} "$@"`

/**
 * starting: it runs, and does not serve yet. waiting: it died, and is started again after a delay. failed: its first
 * start did not work, and nothing more is tried. closed: it has ended because it was told to.
 */
export type ProcessState = 'starting' | 'ready' | 'waiting' | 'failed' | 'closing' | 'closed'

/** How the first start ended. `code`, host and port are what a role said, null where it said nothing. */
export type FirstStart =
  | { readonly kind: 'ready'; readonly addresses: readonly string[] }
  | {
      readonly kind: 'failed'
      readonly code: string | null
      readonly host: string | null
      readonly port: number | null
    }

export type WatchedProcessOptions = {
  readonly command: string
  /** A function is asked at each start: what a process is given may have changed. */
  readonly arguments: readonly string[] | (() => readonly string[])
  readonly environment: Readonly<Record<string, string>>
  /** A role speaks over IPC; null: something foreign, which is ready when `probe` says so and ends by SIGTERM. */
  readonly probe: (() => Promise<boolean>) | null
  readonly log: ProcessLog
  readonly event: (event: ProcessEvent) => void
  /** What a role says beside how it is. */
  readonly heard?: (message: RoleOrder) => void
}

export type RoleOrder = Extract<RoleMessage, { readonly type: 'drained' | 'reload' | 'applied' }>

export type ProcessEvent =
  | { readonly type: 'ready'; readonly pid: number; readonly again: boolean; readonly tookMs: number }
  | { readonly type: 'died'; readonly how: string; readonly delayMs: number }
  | { readonly type: 'hung' }

/** One child process: started, watched, started again with back-off when it dies, and ended when told to. */
export class WatchedProcess {
  readonly #options: WatchedProcessOptions
  #child: ChildProcess | null = null
  #state: ProcessState = 'closed'
  #wasReady = false
  #startedMs = 0
  #lastHeardMs = 0
  #lastDelayMs: number | null = null
  #failure: RoleMessage & { readonly type: 'failed' } = { type: 'failed', code: '', host: null, port: null }
  #firstStart: ((outcome: FirstStart) => void) | null = null
  #timers: NodeJS.Timeout[] = []
  #ended: (() => void)[] = []

  constructor(options: WatchedProcessOptions) {
    this.#options = options
  }

  get state(): ProcessState {
    return this.#state
  }

  /** null while no process runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Starts it for the first time. When that does not work it is not tried again: a person has to look. */
  start(): Promise<FirstStart> {
    return new Promise((resolve) => {
      this.#firstStart = resolve
      this.#spawn()
    })
  }

  /** Says something to a role. False when it does not run. */
  tell(message: SupervisorMessage): boolean {
    if (this.#child === null || this.#state !== 'ready') return false
    send(this.#child, message)
    return true
  }

  /** Asks it to end, waits, and kills it when the deadline passes. Safe to call twice. */
  async close(options: { readonly deadlineMs: number }): Promise<void> {
    this.#clearTimers()
    const child = this.#child
    if (child === null) {
      this.#state = 'closed'
      return
    }
    if (this.#state !== 'closing') {
      this.#state = 'closing'
      if (this.#options.probe === null) send(child, { type: 'close' })
      else child.kill('SIGTERM')
    }
    const ended = new Promise<void>((resolve) => this.#ended.push(resolve))
    const timer = setTimeout(() => child.kill('SIGKILL'), options.deadlineMs)
    await ended
    clearTimeout(timer)
  }

  /** Ends it at once, with nothing said to anybody. */
  kill(): void {
    this.#clearTimers()
    this.#state = this.#child === null ? 'closed' : 'closing'
    this.#child?.kill('SIGKILL')
  }

  #spawn(): void {
    const { probe, log } = this.#options
    this.#state = 'starting'
    this.#startedMs = performance.now()
    this.#lastHeardMs = this.#startedMs
    // A session of its own: Ctrl-C at a terminal reaches the supervisor alone, which ends the others in order.
    const environment = Object.entries(this.#options.environment).map(([name, value]) => `${name}=${value}`)
    const { arguments: given } = this.#options
    const child = spawn(
      '/bin/sh',
      ['-c', LAUNCH, 'sh', ...environment, this.#options.command, ...(typeof given === 'function' ? given() : given)],
      {
        stdio: ['ignore', 'pipe', 'pipe', ...(probe === null ? (['ipc'] as const) : [])],
        detached: true,
        cwd: '/',
      },
    )
    this.#child = child
    let withheldBytes = 0
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => log.write(chunk))
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      // What the runtime prints when it falls over can quote memory: kept only while no call can have been there.
      if (probe !== null || this.#state === 'starting') log.write(chunk)
      else withheldBytes += chunk.length
    })
    child.on('message', (value) => this.#hear(value))
    child.once('error', () => this.#end('it cannot be started'))
    child.once('close', (code, signal) => {
      if (withheldBytes > 0) log.write(`${withheldBytes} bytes of error output withheld\n`)
      this.#end(signal === null ? `exit code ${code ?? 0}` : signal)
    })
    if (probe === null) this.#watchPings(child)
    else void this.#probeUntilReady(child, probe)
    this.#later(READY_MS_MAX, () => {
      if (this.#child === child && this.#state === 'starting') child.kill('SIGKILL')
    })
  }

  #hear(value: unknown): void {
    const message = parseRoleMessage(value)
    if (message === null) return
    this.#lastHeardMs = performance.now()
    switch (message.type) {
      case 'ready':
        this.#ready(message.addresses)
        return
      case 'failed':
        this.#failure = message
        return
      case 'drained':
      case 'reload':
      case 'applied':
        this.#options.heard?.(message)
        return
      case 'pong':
    }
  }

  #ready(addresses: readonly string[]): void {
    const pid = this.pid
    if (this.#state !== 'starting' || pid === null) return
    this.#state = 'ready'
    const tookMs = performance.now() - this.#startedMs
    this.#options.event({ type: 'ready', pid, again: this.#wasReady, tookMs })
    this.#wasReady = true
    this.#firstStart?.({ kind: 'ready', addresses })
    this.#firstStart = null
  }

  #end(how: string): void {
    if (this.#child === null) return
    this.#child = null
    this.#clearTimers()
    for (const ended of this.#ended.splice(0)) ended()
    const isClosing = this.#state === 'closing'
    if (this.#firstStart !== null) {
      this.#state = isClosing ? 'closed' : 'failed'
      const { code, host, port } = this.#failure
      this.#firstStart({ kind: 'failed', code: code === '' ? null : code, host, port })
      this.#firstStart = null
      return
    }
    if (isClosing) {
      this.#state = 'closed'
      return
    }
    const delayMs = restartDelay({ lastDelayMs: this.#lastDelayMs, upMs: performance.now() - this.#startedMs })
    this.#lastDelayMs = delayMs
    this.#state = 'waiting'
    this.#options.event({ type: 'died', how, delayMs })
    this.#later(delayMs, () => this.#spawn())
  }

  #watchPings(child: ChildProcess): void {
    const timer = setInterval(() => {
      if (performance.now() - this.#lastHeardMs > SILENCE_MS_MAX && this.#state === 'ready') {
        this.#options.event({ type: 'hung' })
        child.kill('SIGKILL')
      } else send(child, { type: 'ping' })
    }, PING_EVERY_MS)
    this.#timers.push(timer)
  }

  async #probeUntilReady(child: ChildProcess, probe: () => Promise<boolean>): Promise<void> {
    while (this.#child === child && this.#state === 'starting') {
      const answered = await probe()
      if (this.#child !== child) return
      if (answered) this.#ready([])
      else await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS))
    }
  }

  #later(delayMs: number, action: () => void): void {
    this.#timers.push(setTimeout(action, delayMs))
  }

  #clearTimers(): void {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer)
  }
}

function send(child: ChildProcess, message: SupervisorMessage): void {
  if (child.connected) child.send(message, () => undefined)
}
