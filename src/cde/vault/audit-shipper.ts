import { errorFields, type Logger } from '../../kit/log.ts'
import type { AuditRecord } from './audit-chain.ts'
import type { Store } from './store.ts'

/** Where records go beside the store: a file, a collector. */
export type AuditSink = {
  readonly name: 'files' | 'syslog'
  /** The last record that is there for sure; 0 when there is none. `kept` is what the store remembers. Rejects when it cannot be found out. */
  begin(kept: number): Promise<number>
  /** Resolves when they are written: synced to disk, or handed to the network. Rejects when not; then all are given again. */
  write(records: readonly AuditRecord[]): Promise<void>
  close(): Promise<void>
}

/** Written at once, and thus synced together. */
const RECORDS_AT_ONCE = 500
const LOOK_EVERY_MS = 250
/** After a failure. */
const AGAIN_MS = 2_000
/** At the end of the vault: what is not shipped by then is in the store, and is shipped after the next start. */
const CLOSE_MS = 2_000

export type ShipperOptions = {
  readonly store: Pick<Store, 'auditHead' | 'auditAfter' | 'leads' | 'shipped' | 'keepShipped'>
  readonly sink: AuditSink
  /** Told after each look how many records are not shipped yet. */
  readonly lag: (records: number) => void
  readonly logger: Logger
  readonly lookEveryMs?: number
  readonly againMs?: number
}

/**
 * Takes records from the store to one sink, in order, each at least once. The store is the backlog: nothing is dropped. Of several vaults
 * on one store, the one that leads does it; another goes on where it was.
 */
export class AuditShipper {
  readonly #options: ShipperOptions
  /** null: the sink has to be asked. */
  #shipped: number | null = null
  #shippedBefore = 0
  #lag = 0
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> = Promise.resolve()
  #isFailing = false
  #closing = false

  constructor(options: ShipperOptions) {
    this.#options = options
    this.#next(0)
  }

  /** Records that the sink does not have yet, when it was last looked. */
  get backlog(): number {
    return this.#lag
  }

  /** The last record that the sink has. */
  get shippedTo(): number {
    return this.#shipped ?? this.#shippedBefore
  }

  /** Ships what is left, for a limited time. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)))
    await Promise.race([this.#looking.then(() => this.#look()), tooLong])
    clearTimeout(timer)
    await this.#options.sink.close()
  }

  #next(delayMs: number): void {
    if (this.#closing) return
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().then((isWell) => {
        const { lookEveryMs = LOOK_EVERY_MS, againMs = AGAIN_MS } = this.#options
        this.#next(isWell ? lookEveryMs : againMs)
      })
    }, delayMs)
    this.#timer.unref()
  }

  /** Never rejects. False when the sink or the store did not take part. */
  async #look(): Promise<boolean> {
    const { store, sink, logger } = this.#options
    try {
      const { sequence } = await store.auditHead()
      if (!(await store.leads())) return await this.#follow(sequence)
      this.#tell(sequence - (this.#shipped ?? this.#shippedBefore))
      let shipped = (this.#shipped ??= await sink.begin(await store.shipped(sink.name)))
      this.#tell(sequence - shipped)
      while (shipped < sequence) {
        const records = await store.auditAfter(shipped, RECORDS_AT_ONCE)
        const last = records.at(-1)
        if (last === undefined) break
        await sink.write(records)
        shipped = this.#shipped = this.#shippedBefore = last.sequence
        await store.keepShipped(sink.name, shipped)
        this.#tell(sequence - shipped)
      }
      if (this.#isFailing) logger.info({ field: sink.name }, 'the audit record is shipped again')
      this.#isFailing = false
      return true
    } catch (error) {
      // What it has of the last records only it can say.
      this.#shipped = null
      const fields = { code: 'audit_not_shipped', field: sink.name, count: this.#lag, ...errorFields(error) }
      if (!this.#isFailing) logger.error(fields, 'the audit record is not shipped; it is kept until it can be')
      this.#isFailing = true
      return false
    }
  }

  /** Another vault ships; how far it has come is in the store. */
  async #follow(sequence: number): Promise<boolean> {
    const { store, sink } = this.#options
    if (this.#shipped !== null) await sink.close()
    this.#shipped = null
    this.#shippedBefore = await store.shipped(sink.name)
    this.#tell(sequence - this.#shippedBefore)
    this.#isFailing = false
    return true
  }

  #tell(lag: number): void {
    this.#lag = Math.max(lag, 0)
    this.#options.lag(this.#lag)
  }
}
