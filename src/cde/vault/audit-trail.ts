import { join } from 'node:path'
import { errorFields, type Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { AuditEntry } from './audit-chain.ts'
import type { CheckpointSigner } from './audit-checkpoint.ts'
import { AuditArchive } from './audit-archive.ts'
import { AuditCheckpoints } from './audit-checkpoints.ts'
import { readClock } from './audit-clock.ts'
import { AuditFiles } from './audit-files.ts'
import { AuditShipper, type AuditSink } from './audit-shipper.ts'
import { AuditSyslog, type SyslogOptions } from './audit-syslog.ts'
import type { Store } from './store.ts'

/** Some hours of a busy site; a thief who stops the shipping gains no more than these. */
const BACKLOG_MAX = 10_000
/** A quartz that nobody corrects drifts by some tenths of a second in an hour at most. */
const CLOCK_EVERY_MS = 3_600_000

export type AuditTrailOptions = {
  /** A file a day; null: none. */
  readonly folder: string | null
  readonly syslog: SyslogOptions | null
  /** Asked for its time each hour; null: nobody knows how far our clock is off. */
  readonly timeServer: { readonly host: string; readonly port: number } | null
  /** With more records than this that are in one place only, no window opens. */
  readonly backlogMax?: number
  /** Whole months in the store and in files, where there is a folder for them; all stay in the store when left out. */
  readonly archive?: { readonly onlineMonths: number; readonly keptMonths: number }
}

/** What becomes of the audit record beside the store: signed, shipped, archived, and its clock compared. */
export class AuditTrail {
  readonly #store: Store
  readonly #nowMs: () => number
  readonly #logger: Logger
  readonly #options: AuditTrailOptions
  readonly #checkpoints: AuditCheckpoints
  readonly #shippers: readonly AuditShipper[]
  readonly #archive: AuditArchive | null
  readonly #clock: NodeJS.Timeout
  #clockRead: Promise<void>

  constructor(
    options: AuditTrailOptions & {
      readonly store: Store
      readonly signer: CheckpointSigner
      readonly dataDir: string
      readonly nowMs: () => number
      readonly logger: Logger
      readonly metrics: Metrics
    },
  ) {
    const { store, signer, dataDir, nowMs, logger, metrics } = options
    this.#store = store
    this.#nowMs = nowMs
    this.#logger = logger
    this.#options = options
    this.#checkpoints = new AuditCheckpoints({ store, signer, file: join(dataDir, 'audit-checkpoint'), nowMs, logger })
    const unshipped = metrics.gauge('tonewall_vault_audit_unshipped', 'Audit records that a sink does not have yet', [
      'sink',
    ])
    this.#shippers = sinksOf(options).map((sink) => {
      const lag = (records: number): void => unshipped.set({ sink: sink.name }, records)
      return new AuditShipper({ store, sink, lag, logger })
    })
    const { archive, folder } = options
    const shipped = (): number => Math.min(...this.#shippers.map(({ shippedTo }) => shippedTo))
    this.#archive =
      archive === undefined || folder === null
        ? null
        : new AuditArchive({ ...archive, store, signer, folder, shipped, nowMs, logger })
    this.#clockRead = this.#compareClock()
    this.#clock = setInterval(() => {
      this.#clockRead = this.#compareClock()
    }, CLOCK_EVERY_MS)
    this.#clock.unref()
  }

  /** False while a sink is too far behind: what happened then would be in one place alone, which may be lost. */
  get hasRoom(): boolean {
    const backlogMax = this.#options.backlogMax ?? BACKLOG_MAX
    return this.#shippers.every((shipper) => shipper.backlog <= backlogMax)
  }

  /** Signs what is left, and ships it for a limited time. Safe to call twice. */
  async close(): Promise<void> {
    clearInterval(this.#clock)
    await this.#clockRead
    await this.#archive?.close()
    await this.#checkpoints.close()
    await Promise.all(this.#shippers.map((shipper) => shipper.close()))
  }

  /** Never rejects. Each record lies behind one of these: where its time comes from, and how far that was off. */
  async #compareClock(): Promise<void> {
    const { timeServer } = this.#options
    if (timeServer === null) return
    const reading = await readClock({ ...timeServer, nowMs: this.#nowMs })
    const server = 'ntp ' + timeServer.host
    if (reading.kind === 'failed') this.#logger.warn({ code: 'clock_unknown' }, 'the time server does not answer')
    const entry: AuditEntry = {
      role: 'vault',
      action: 'clock_checked',
      outcome: reading.kind === 'read' ? 'done' : 'clock_unknown',
      origin: 'local',
      merchant: '',
      resource: reading.kind === 'read' ? [server, ...shown(reading)].join(' ') : server,
      windowId: '',
    }
    await this.#store.append(entry).catch((error: unknown) => {
      this.#logger.error({ code: 'store_failed', ...errorFields(error) }, 'the clock could not be recorded')
    })
  }
}

function shown(reading: { readonly offsetMs: number; readonly delayMs: number; readonly stratum: number }): string[] {
  const ms = (value: number): string => value.toFixed(1) + ' ms'
  return ['stratum ' + String(reading.stratum), 'offset ' + ms(reading.offsetMs), 'delay ' + ms(reading.delayMs)]
}

function sinksOf({ folder, syslog }: AuditTrailOptions): readonly AuditSink[] {
  return [
    ...(folder === null ? [] : [new AuditFiles({ folder })]),
    ...(syslog === null ? [] : [new AuditSyslog(syslog)]),
  ]
}
