import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import {
  parseFromAnalyser,
  type CallFigures,
  type FromAnalyser,
  type PressFigures,
  type ToAnalyser,
} from '../wire/trunk-check-protocol.ts'
import type { HostPort } from '../wire/configuration.ts'
import { INSTALLATION } from './configuration.ts'
import { LAUNCH } from './watched-process.ts'

/** A first start on a noisy machine. */
const READY_MS_MAX = 20_000
const ANSWER_MS_MAX = 5_000

type Type = FromAnalyser['type']

export type AnalyserEvents = {
  readonly press: (press: PressFigures) => void
  readonly hearing: () => void
  /** The process ended by itself: nothing more will be heard. */
  readonly lost: () => void
}

/**
 * The analyser in its own process: no core file, an empty environment, no file to write, no program to start. What it
 * prints is thrown away unread, and what it tells is checked by shape: no key can come out of it.
 */
export class AnalyserLink {
  readonly #child: ChildProcess
  readonly #events: AnalyserEvents
  readonly #waiting: { readonly types: readonly Type[]; readonly settle: (message: FromAnalyser | null) => void }[] = []
  #closed = false

  private constructor(events: AnalyserEvents) {
    this.#events = events
    this.#child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...analyserCommand()], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true,
      cwd: '/',
    })
    this.#child.on('message', (value) => this.#hear(value))
    this.#child.once('error', () => this.#end())
    this.#child.once('exit', () => this.#end())
  }

  /** null: it did not start. */
  static async start(events: AnalyserEvents): Promise<AnalyserLink | null> {
    const link = new AnalyserLink(events)
    if ((await link.#wait(['ready'], READY_MS_MAX)) !== null) return link
    link.close()
    return null
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Where RTP is to be sent, or why there is no such port. */
  async open(address: HostPort): Promise<HostPort | 'port_taken' | 'address_unavailable' | 'wrong_state' | 'lost'> {
    const answered = this.#wait(['opened', 'refused'], ANSWER_MS_MAX)
    this.send({ type: 'open', host: address.host, port: address.port })
    const answer = await answered
    if (answer?.type === 'opened') return answer.address
    return answer?.type === 'refused' ? answer.code : 'lost'
  }

  send(message: ToAnalyser): void {
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  /** The last presses are told before this resolves; null: it is lost. */
  async finish(): Promise<CallFigures | null> {
    const answer = this.#wait(['figures'], ANSWER_MS_MAX)
    this.send({ type: 'finish' })
    const figures = await answer
    return figures?.type === 'figures' ? figures.figures : null
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    if (this.#child.connected) this.#child.disconnect()
    this.#child.kill('SIGKILL')
    this.#end()
  }

  #hear(value: unknown): void {
    const message = parseFromAnalyser(value)
    if (message === null) return
    const at = this.#waiting.findIndex(({ types }) => types.includes(message.type))
    if (at >= 0) this.#waiting.splice(at, 1)[0]?.settle(message)
    else if (message.type === 'press') this.#events.press(message.press)
    else if (message.type === 'hearing') this.#events.hearing()
  }

  #wait(types: readonly Type[], withinMs: number): Promise<FromAnalyser | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), withinMs)
      this.#waiting.push({
        types,
        settle: (message) => {
          clearTimeout(timer)
          resolve(message)
        },
      })
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) this.#end()
    })
  }

  #end(): void {
    for (const { settle } of this.#waiting.splice(0)) settle(null)
    if (this.#closed) return
    this.#closed = true
    this.#events.lost()
  }
}

function analyserCommand(): readonly string[] {
  const readable = ['src', 'package.json'].map((name) => `--allow-fs-read=${join(INSTALLATION, name)}`)
  const flags = ['--disable-sigusr1', '--permission', '--allow-net', '--disable-warning=ExperimentalWarning']
  return [process.execPath, ...flags, ...readable, join(INSTALLATION, 'src/cde/trunk-check/analyser-process.ts')]
}
