import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { Call } from './call.ts'
import type { CallEntry } from './call-entry.ts'
import { CallJournal } from './call-journal.ts'
import { CallMetrics } from './call-metrics.ts'
import { CallRecordFile } from './call-record-file.ts'
import { calledNumber } from './called-number.ts'
import { userOf } from './name-address.ts'
import { OperatorAnswers } from './operator-answers.ts'
import type { SetUpDependencies } from './set-up-attempt.ts'
import type { SipRequest, SipResponse } from './sip-server.ts'
import { targetHost } from './target-address.ts'
import type { Trunk } from './trunks.ts'

/** The caller is answered with it by the SIP server itself (RFC 3261 section 9.2). */
const CANCELLED = 487

/** Notes what becomes of every INVITE: for operators while it lives, for call records and metrics when it is over. */
export class CallRecorder {
  readonly journal: CallJournal
  readonly operators: OperatorAnswers
  readonly #file: CallRecordFile | null
  readonly #metrics: CallMetrics
  readonly #entries = new WeakMap<Call, CallEntry>()
  readonly #trunks: Configuration['trunks']
  readonly #emergencyNumbers: readonly string[]

  constructor(options: {
    readonly configuration: Pick<Configuration, 'trunks' | 'callRecords' | 'sip'>
    readonly logger: Logger
    readonly metrics: Metrics
  }) {
    const { configuration, logger, metrics } = options
    const { callRecords } = configuration
    this.#trunks = configuration.trunks
    this.#emergencyNumbers = configuration.sip.emergencyNumbers
    this.#file = callRecords === null ? null : new CallRecordFile({ folder: callRecords, logger, metrics })
    this.#metrics = new CallMetrics({ metrics, trunks: configuration.trunks.map(({ name }) => name) })
    this.journal = new CallJournal({
      dateMs: () => Date.now(),
      finished: (record) => {
        this.#metrics.over(record)
        this.#file?.write(record)
      },
    })
    this.operators = new OperatorAnswers({ journal: this.journal })
    this.#metrics.shows(() => this.journal.liveCalls())
  }

  /** An INVITE came. Null when it is of no trunk: what strangers send is no call, and no record either. */
  begin(request: SipRequest, trunk: Trunk | null): CallEntry | null {
    if (trunk === null) return null
    const { number, isEmergency } = calledNumber(request.uri, trunk, this.#emergencyNumbers)
    return this.journal.begin({
      sipCallId: request.get('Call-ID') ?? '',
      callerParty: trunk.party,
      callerTrunk: trunk.name,
      from: userOf(request.get('From')),
      to: number,
      isEmergency,
      trunkOf: (target) => this.#trunkOf(target),
    })
  }

  /** What sets a call up, with an eye on what it sends and on whether it succeeds. */
  watching(setUp: SetUpDependencies, entry: CallEntry | null): SetUpDependencies {
    if (entry === null) return setUp
    return {
      ...setUp,
      leg: { ...setUp.leg, sip: entry.watching(setUp.leg.sip) },
      answered: (call) => {
        entry.answered(call)
        this.#entries.set(call, entry)
        setUp.answered(call)
      },
    }
  }

  /** The set-up is over: unless the call was answered, so is the entry. */
  settled(entry: CallEntry | null, response: SipResponse): void {
    if (entry === null || entry.answeredAtMs !== null) return
    const isRefused = response.finalResponseSent && response.status >= 300
    const sipCause = null
    entry.end(
      isRefused
        ? { by: entry.attempts.length > 0 ? calledParty(entry) : null, reason: 'refused', q850Cause: null, sipCause }
        : { by: entry.callerParty, reason: 'cancelled', q850Cause: null, sipCause },
      isRefused ? response.status : CANCELLED,
    )
    this.journal.finish(entry)
  }

  changed(call: Call): void {
    this.#entries.get(call)?.look()
  }

  ended(call: Call): void {
    const entry = this.#entries.get(call)
    const { ending } = call
    if (entry === undefined || ending === null || entry.endedAtMs !== null) return
    const { q850Cause, sipCause } = causesOf(ending.bye?.get('Reason') ?? '')
    entry.end({ by: ending.hungUp ?? null, reason: ending.reason, q850Cause, sipCause })
    void ending.quality.then((quality) => {
      entry.quality = quality
      this.journal.finish(entry)
    })
  }

  /** Writes what is over; the calls of the journal are not waited for. */
  async close(): Promise<void> {
    await this.#file?.close()
  }

  #trunkOf(target: string): string | null {
    const [hostPort = ''] = target.split(';')
    const fits = this.#trunks.find(({ targets }) => targets.some((candidate) => targetHost(candidate) === hostPort))
    return fits?.name ?? null
  }
}

function calledParty(entry: CallEntry): 'payer' | 'agent' {
  return entry.callerParty === 'payer' ? 'agent' : 'payer'
}

/** RFC 3326: one value for each protocol, in one header or several. */
export function causesOf(reason: string): { readonly q850Cause: number | null; readonly sipCause: number | null } {
  const cause = (protocol: string): number | null => {
    const found = new RegExp(`(?:^|,)\\s*${protocol}\\s*;[^,]*?\\bcause\\s*=\\s*(\\d{1,3})\\b`, 'i').exec(reason)
    return found?.[1] === undefined ? null : Number(found[1])
  }
  return { q850Cause: cause('Q\\.850'), sipCause: cause('SIP') }
}
