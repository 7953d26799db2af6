import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { parseHsmAnswer, type HsmAnswer, type HsmCode, type HsmOrder, type HsmPlace } from '../cde/hsm/hsm-protocol.ts'
import { KekFailure, type KekFailureCode, type KeyEncryptionKey } from '../cde/vault/key-encryption-key.ts'
import { encodeFrame, FrameReader } from '../kit/frame.ts'
import { INSTALLATION } from './configuration.ts'
import { LAUNCH } from './watched-process.ts'

/** An HSM in the network that has lost its way; the first start of a process on a noisy machine. */
const ANSWER_MS_MAX = 20_000
/** Data keys are made one at a time. */
const ORDERS_MAX = 256

export type HsmOptions = HsmPlace & {
  /** What the library's own configuration needs, such as SOFTHSM2_CONF; else the environment is empty. */
  readonly environment: Readonly<Record<string, string>>
}

/** Opens the key in the HSM. Rejects with KekFailure. */
export async function openHsmKey(options: HsmOptions): Promise<KeyEncryptionKey> {
  const key = new HsmKey(options)
  try {
    await key.open()
    return key
  } catch (error) {
    key.close()
    throw error
  }
}

/** Has the HSM make the key, which it will not give away. Rejects with KekFailure. */
export async function makeHsmKey({ environment, ...place }: HsmOptions): Promise<void> {
  const link = new HsmLink(environment)
  try {
    const { answer } = await link.ask({ type: 'make', ...place })
    if (answer.type !== 'made') throw failureOf(answer)
  } finally {
    link.close()
  }
}

class HsmKey implements KeyEncryptionKey {
  readonly id: string
  readonly provider = 'pkcs11'
  readonly isSealed = false
  readonly #options: HsmOptions
  #isExtractable: boolean | null = null
  #link: Promise<HsmLink> | null = null
  #closed = false

  constructor(options: HsmOptions) {
    this.#options = options
    this.id = ['pkcs11', options.token, options.key].join(':')
  }

  get isExtractable(): boolean | null {
    return this.#isExtractable
  }

  async open(): Promise<void> {
    await this.#opened()
  }

  async wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array> {
    const { answer, body } = await this.#ask('wrap', key, context)
    if (answer.type !== 'done') throw failureOf(answer)
    return body
  }

  async unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null> {
    const { answer, body } = await this.#ask('unwrap', wrapped, context)
    if (answer.type === 'wrong') return null
    if (answer.type !== 'done') throw failureOf(answer)
    return body
  }

  close(): void {
    this.#closed = true
    void this.#link?.then(
      (link) => link.close(),
      () => undefined,
    )
    this.#link = null
  }

  async #ask(type: 'wrap' | 'unwrap', given: Uint8Array, context: Buffer): Promise<Answered> {
    const link = await this.#opened()
    const body = Buffer.concat([context, given])
    try {
      const answered = await link.ask({ type, contextBytes: context.length }, body)
      // A session that was lost is not found again: the next order gets a new process.
      if (answered.answer.type === 'failed') this.#forget(link)
      return answered
    } catch (error) {
      this.#forget(link)
      throw error
    } finally {
      body.fill(0)
    }
  }

  #opened(): Promise<HsmLink> {
    if (this.#closed) return Promise.reject(new KekFailure('kek_unreachable', 'closed'))
    if (this.#link !== null) return this.#link
    const opening = this.#open()
    this.#link = opening
    opening.catch(() => {
      if (this.#link === opening) this.#link = null
    })
    return opening
  }

  async #open(): Promise<HsmLink> {
    const { environment, library, token, key, pinFile } = this.#options
    const link = new HsmLink(environment)
    try {
      const { answer } = await link.ask({ type: 'open', library, token, key, pinFile })
      if (answer.type !== 'opened') throw failureOf(answer)
      this.#isExtractable = answer.isExtractable
      return link
    } catch (error) {
      link.close()
      throw error
    }
  }

  #forget(link: HsmLink): void {
    link.close()
    this.#link = null
  }
}

type Answered = { readonly answer: HsmAnswer; readonly body: Buffer }

/** The process, and what waits for its answers. What it prints is thrown away unread. */
class HsmLink {
  readonly #child: ChildProcess
  readonly #pipe: Duplex
  readonly #reader = new FrameReader()
  readonly #waiting: { readonly settle: (answered: Answered | null) => void }[] = []

  constructor(environment: Readonly<Record<string, string>>) {
    const assignments = Object.entries(environment).map(([name, value]) => [name, value].join('='))
    this.#child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...assignments, ...hsmCommand()], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      detached: true,
      cwd: '/',
    })
    this.#pipe = this.#child.stdio[3] as Duplex
    this.#pipe.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#pipe.on('error', () => this.close())
    this.#child.once('error', () => this.close())
    this.#child.once('exit', () => this.close())
  }

  /** Rejects with KekFailure when there is no answer in time. */
  async ask(order: HsmOrder, body?: Uint8Array): Promise<Answered> {
    if (this.#waiting.length >= ORDERS_MAX) throw new KekFailure('kek_unreachable', 'too many at once')
    const answered = await new Promise<Answered | null>((resolve) => {
      const timer = setTimeout(() => this.close(), ANSWER_MS_MAX)
      this.#waiting.push({
        settle: (answer) => {
          clearTimeout(timer)
          resolve(answer)
        },
      })
      const frame = encodeFrame(order, body)
      if (this.#pipe.destroyed) this.close()
      else this.#pipe.write(frame, () => frame.fill(0))
    })
    if (answered === null) throw new KekFailure('kek_unreachable', 'the process of the HSM ended, or did not answer')
    return answered
  }

  /** Safe to call twice. */
  close(): void {
    this.#pipe.destroy()
    this.#child.kill('SIGKILL')
    this.#reader.wipe()
    for (const { settle } of this.#waiting.splice(0)) settle(null)
  }

  #take(chunk: Buffer): void {
    const frames = this.#reader.push(chunk)
    if (frames === 'malformed') return this.close()
    for (const { header, body } of frames) {
      const answer = parseHsmAnswer(header)
      if (answer === null) return this.close()
      this.#waiting.shift()?.settle({ answer, body })
    }
  }
}

/** What it may do itself is little; the library is native code, and is held by the unit and the account of the vault. */
function hsmCommand(): readonly string[] {
  const quiet = ['ExperimentalWarning', 'SecurityWarning'].map((name) => `--disable-warning=${name}`)
  return [process.execPath, '--disable-sigusr1', ...quiet, join(INSTALLATION, 'src/cde/hsm/hsm-process.ts')]
}

const FAILURES: Readonly<Record<HsmCode, KekFailureCode>> = {
  library_unusable: 'kek_unusable',
  pin_unreadable: 'kek_refused',
  pin_refused: 'kek_refused',
  no_token: 'kek_missing',
  no_key: 'kek_missing',
  ambiguous: 'kek_unusable',
  key_exists: 'kek_unusable',
  token_failed: 'kek_unreachable',
  wrong_state: 'kek_unreachable',
}

function failureOf(answer: HsmAnswer): KekFailure {
  if (answer.type !== 'failed') return new KekFailure('kek_unusable', 'the HSM answered something else')
  const value = answer.value === 0 ? '' : ` CKR 0x${answer.value.toString(16)}`
  return new KekFailure(FAILURES[answer.code], `${answer.code}${value}`)
}
