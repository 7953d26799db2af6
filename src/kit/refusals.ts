import type { LogFields, Logger } from './log.ts'

/** Why a peer was turned away, or ended: see ChannelRefusal. `count`: so many since the last that was told, this one included. */
export type RefusedPeer<Code extends string> = { readonly code: Code; readonly address: string; readonly count: number }

const SAID_EVERY_MS = 1_000
/** A flood of bad connections must not fill the disk of the audit record: 1,440 records a day of each code at most. */
const RECORDED_EVERY_MS = 60_000

/**
 * Peers that were turned away. Each is counted; the log has a line a second at most. The record has the first of each code at once,
 * and then one a minute that says how many there were.
 */
export class Refusals<Code extends string> {
  readonly #logger: Logger
  readonly #counted: ((code: Code) => void) | undefined
  readonly #record: ((refused: RefusedPeer<Code>) => void) | undefined
  readonly #recordEveryMs: number
  readonly #unrecorded = new Map<Code, { address: string; count: number; readonly timer: NodeJS.Timeout }>()
  #lastSaidMs = -Infinity
  #unsaid = 0
  #closed = false

  constructor(options: {
    readonly logger: Logger
    readonly counted?: ((code: Code) => void) | undefined
    readonly record?: ((refused: RefusedPeer<Code>) => void) | undefined
    readonly recordEveryMs?: number
  }) {
    this.#logger = options.logger
    this.#counted = options.counted
    this.#record = options.record
    this.#recordEveryMs = options.recordEveryMs ?? RECORDED_EVERY_MS
  }

  add(code: Code, peer: { readonly address: string | undefined; readonly fields?: LogFields }): void {
    this.#counted?.(code)
    const address = peer.address ?? 'unknown'
    this.#note(code, address)
    this.#unsaid += 1
    if (performance.now() - this.#lastSaidMs < SAID_EVERY_MS) return
    this.#logger.warn({ code, count: this.#unsaid, address, ...peer.fields }, 'channel refused')
    this.#lastSaidMs = performance.now()
    this.#unsaid = 0
  }

  /** Records what waits. Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const code of [...this.#unrecorded.keys()]) this.#flush(code)
  }

  #note(code: Code, address: string): void {
    if (this.#record === undefined || this.#closed) return
    const waiting = this.#unrecorded.get(code)
    if (waiting !== undefined) {
      waiting.count += 1
      waiting.address = address
      return
    }
    this.#wait(code)
    this.#record({ code, address, count: 1 })
  }

  /** Nothing waits for this timer: close() records what there is. */
  #wait(code: Code): void {
    const timer = setTimeout(() => this.#flush(code), this.#recordEveryMs)
    timer.unref()
    this.#unrecorded.set(code, { address: '', count: 0, timer })
  }

  #flush(code: Code): void {
    const waiting = this.#unrecorded.get(code)
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    this.#unrecorded.delete(code)
    if (waiting.count === 0) return
    if (!this.#closed) this.#wait(code)
    this.#record?.({ code, address: waiting.address, count: waiting.count })
  }
}
