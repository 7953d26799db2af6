import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { TrunkTarget } from '../wire/configuration.ts'
import { targetName } from './target-address.ts'
import type { Trunk } from './trunks.ts'

/** Nobody is avoided for longer because of one answer: a carrier that says an hour may be back in a minute. */
const AVOID_MS_MAX = 300_000

/**
 * Which targets of the trunks can be called: those that answer OPTIONS, and have not just refused or missed a call. A
 * target is down after `downAfter` OPTIONS in a row without an answer, and up again after `upAfter` with one, so that one
 * lost packet changes nothing. At the start all are up.
 */
export class TargetHealth {
  readonly #logger: Logger
  readonly #nowMs: () => number
  readonly #states = new Map<string, State>()
  readonly #up: ReturnType<typeof gaugeOf>

  constructor(options: {
    readonly trunks: readonly Trunk[]
    readonly logger: Logger
    readonly metrics: Metrics
    readonly nowMs: () => number
  }) {
    this.#logger = options.logger
    this.#nowMs = options.nowMs
    this.#up = gaugeOf(options.metrics)
    this.use(options.trunks)
  }

  /** Takes these trunks for those that there are. What is known of targets that stay is kept. */
  use(trunks: readonly Trunk[]): void {
    const known = new Map(this.#states)
    this.#states.clear()
    this.#up.reset()
    for (const trunk of trunks)
      for (const target of trunk.targets) {
        const key = keyOf(trunk, target)
        const state = known.get(key) ?? { isUp: true, against: 0, avoidUntilMs: Number.NEGATIVE_INFINITY }
        this.#states.set(key, state)
        this.#up.set({ trunk: trunk.name, target: targetName(target) }, state.isUp ? 1 : 0)
      }
  }

  /** True unless it is known to be of no use now. */
  isAvailable(trunk: Trunk, target: TrunkTarget): boolean {
    const state = this.#states.get(keyOf(trunk, target))
    return state === undefined || (state.isUp && state.avoidUntilMs <= this.#nowMs())
  }

  /** It refused a call or did not answer one: others are tried first for this long. */
  avoid(trunk: Trunk, target: TrunkTarget, forMs: number): void {
    const state = this.#states.get(keyOf(trunk, target))
    if (state !== undefined) state.avoidUntilMs = this.#nowMs() + Math.min(forMs, AVOID_MS_MAX)
  }

  /** Whether it answered an OPTIONS. */
  asked(trunk: Trunk, target: TrunkTarget, hasAnswered: boolean): void {
    const state = this.#states.get(keyOf(trunk, target))
    if (state === undefined || trunk.health === null) return
    state.against = hasAnswered === state.isUp ? 0 : state.against + 1
    if (state.against < (state.isUp ? trunk.health.downAfter : trunk.health.upAfter)) return
    state.isUp = hasAnswered
    state.against = 0
    this.#up.set({ trunk: trunk.name, target: targetName(target) }, hasAnswered ? 1 : 0)
    const fields = { trunk: trunk.name, address: targetName(target) }
    if (hasAnswered) this.#logger.info({ code: 'target_up', ...fields }, 'a target answers again')
    else this.#logger.warn({ code: 'target_down', ...fields }, 'a target does not answer; others take its calls')
  }
}

/** `against`: results in a row that speak against the present state. */
type State = { isUp: boolean; against: number; avoidUntilMs: number }

function gaugeOf(metrics: Metrics) {
  return metrics.gauge('tonewall_sbc_target_up', 'Targets of trunks: 1 answers OPTIONS or is not asked, 0 does not', [
    'trunk',
    'target',
  ])
}

function keyOf(trunk: Trunk, target: TrunkTarget): string {
  return `${trunk.name} ${targetName(target)}`
}
