import type { Logger } from '../kit/log.ts'
import type { Clock } from './clock.ts'
import type { TlsRefusal } from './transport-tls.ts'

/** Scanners try by the thousand; an operator who looks for one carrier's certificate needs few lines. */
const LINES_PER_MINUTE_MAX = 30
const MINUTE_MS = 60_000

/** Writes why a TLS peer was refused, a bounded number of lines each minute; the metric counts all. */
export class TlsRefusalLog {
  readonly #logger: Logger
  readonly #clock: Clock
  #lines = 0

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  write(refusal: TlsRefusal): void {
    if (this.#lines >= LINES_PER_MINUTE_MAX) return
    if (this.#lines === 0) this.#clock.after(MINUTE_MS, () => (this.#lines = 0))
    this.#lines += 1
    const { direction, code, remote } = refusal
    const fields = { transport: 'tls', code, address: remote.host, port: remote.port }
    if (direction === 'inbound') this.#logger.warn(fields, 'a TLS peer that connected was refused')
    else this.#logger.warn(fields, 'a TLS peer could not be used')
  }
}
