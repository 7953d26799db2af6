import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

/** A program of this folder, spoken to over IPC. `Out` is sent, `In` comes back. */
export class LoadProcess<Out extends { readonly type: string }, In extends { readonly type: string }> {
  readonly #child: ChildProcess
  readonly #heard: In[] = []
  #wake: (() => void) | null = null

  constructor(program: string) {
    this.#child = fork(join(import.meta.dirname, program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (message) => {
      this.#heard.push(message as In)
      this.#wake?.()
    })
    this.#child.once('exit', () => this.#wake?.())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  send(message: Out): void {
    this.#child.send(message)
  }

  /** The next message of a kind; those before it are forgotten. Throws at the deadline, or when the process ended. */
  async next<Type extends In['type']>(type: Type, deadlineMs: number): Promise<Extract<In, { type: Type }>> {
    const untilMs = performance.now() + deadlineMs
    for (;;) {
      const message = this.#heard.shift()
      if (message?.type === type) return message as Extract<In, { type: Type }>
      if (message !== undefined) continue
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0 || this.#child.exitCode !== null) throw new Error(`no answer from a load process: ${type}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}
