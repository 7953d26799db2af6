import type { Metrics } from '../kit/metrics.ts'
import type { LiveCall } from '../wire/operator-protocol.ts'
import type { CallRecord } from './call-record.ts'

/** ITU-T E.721 asks for 3 to 11 s at most; a local call rings within some 100 ms. */
const POST_DIAL_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 11, 20]
/** Below 3.6 many users are dissatisfied (ITU-T G.107 annex B). */
const MOS_STEPS = [1, 2, 2.6, 3.1, 3.6, 4, 4.3, 4.5]
const LOSS_PERCENT = [0, 0.1, 0.5, 1, 2, 5, 10, 20]
const JITTER_SECONDS = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2]
const TALK_SECONDS = [5, 15, 30, 60, 120, 300, 600, 1_800, 3_600]

/** The measures of a telephone exchange, by trunk. Labels are the configured trunks and fixed words. */
export class CallMetrics {
  readonly #trunks: ReadonlySet<string>
  readonly #over: (record: CallRecord) => void
  #live: () => readonly LiveCall[] = () => []

  constructor(options: { readonly metrics: Metrics; readonly trunks: readonly string[] }) {
    const { metrics } = options
    this.#trunks = new Set(options.trunks)
    metrics.snapshot(
      'tonewall_sbc_calls_by',
      'Calls now, at each trunk of theirs',
      ['state', 'direction', 'trunk'],
      () => this.#count(),
    )
    const seizures = metrics.counter('tonewall_sbc_seizures_total', 'INVITEs sent to a trunk', ['trunk'])
    const answers = metrics.counter('tonewall_sbc_answers_total', 'INVITEs that a trunk answered with 200', ['trunk'])
    const finished = metrics.counter('tonewall_sbc_calls_total', 'Calls and attempts that are over', [
      'direction',
      'outcome',
    ])
    const postDial = metrics.histogram(
      'tonewall_sbc_post_dial_delay_seconds',
      'From the INVITE to the first sign of the called telephone',
      POST_DIAL_SECONDS,
    )
    const talk = metrics.histogram('tonewall_sbc_talk_seconds', 'From the answer to the end', TALK_SECONDS)
    const mos = metrics.histogram('tonewall_sbc_mos', 'Mean opinion score of a leg at its end', MOS_STEPS)
    const loss = metrics.histogram('tonewall_sbc_loss_percent', 'Packets lost of a leg, told by RTCP', LOSS_PERCENT)
    const jitter = metrics.histogram('tonewall_sbc_jitter_seconds', 'Jitter of a leg, told by RTCP', JITTER_SECONDS)
    this.#over = (record) => {
      for (const { trunk, status } of record.attempts) {
        seizures.inc({ trunk: this.#known(trunk) })
        if (status === 200) answers.inc({ trunk: this.#known(trunk) })
      }
      finished.inc({ direction: record.direction, outcome: outcomeOf(record) })
      if (record.postDialDelayMs !== null) postDial.observe(record.postDialDelayMs / 1_000)
      if (record.answeredAt !== null) talk.observe(record.talkMs / 1_000)
      for (const leg of record.media === null ? [] : [record.media.payer, record.media.agent]) {
        if (leg.mos !== null) mos.observe(leg.mos)
        if (leg.lossPercent !== null) loss.observe(leg.lossPercent)
        if (leg.jitterMs !== null) jitter.observe(leg.jitterMs / 1_000)
      }
    }
  }

  /** Where the calls of now are asked for, when the metrics are read. */
  shows(live: () => readonly LiveCall[]): void {
    this.#live = live
  }

  over(record: CallRecord): void {
    this.#over(record)
  }

  /** Each call counts at both of its trunks. */
  #count(): ReturnType<Parameters<Metrics['snapshot']>[3]> {
    const counts = new Map<string, { readonly labels: Readonly<Record<string, string>>; count: number }>()
    for (const { state, direction, payerTrunk, agentTrunk } of this.#live())
      for (const name of [payerTrunk, agentTrunk]) {
        const trunk = this.#known(name)
        const key = [state, direction, trunk].join(' ')
        const counted = counts.get(key) ?? { labels: { state, direction, trunk }, count: 0 }
        counted.count += 1
        counts.set(key, counted)
      }
    return [...counts.values()]
  }

  #known(trunk: string | null): string {
    return trunk !== null && this.#trunks.has(trunk) ? trunk : 'none'
  }
}

function outcomeOf(record: CallRecord): 'answered' | 'cancelled' | 'refused' | 'failed' {
  if (record.answeredAt !== null) return 'answered'
  if (record.reason === 'cancelled') return 'cancelled'
  return record.status >= 500 ? 'failed' : 'refused'
}
