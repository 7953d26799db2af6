import type { TrunkTarget } from '../wire/configuration.ts'
import type { SipServer } from './sip-server.ts'
import { targetUri } from './target-address.ts'
import type { TargetHealth } from './target-health.ts'
import type { TrunkSecrets } from './trunk-secrets.ts'
import type { Trunk } from './trunks.ts'

/** Shorter than any interval that can be configured; SIP's own deadline of 32 s (Timer F) would let them pile up. */
const ANSWER_MS_MAX = 4_000
/** OPTIONS under way at one time, so that many targets are no burst. */
const PROBES_MAX = 16
const BUSY_MS = 200
/** The first question comes soon; spread, so that a restart is no burst either. */
const FIRST_MS_MAX = 2_000
/** Intervals differ by a tenth, so that targets do not come to be asked in step. */
const JITTER = 0.1

/**
 * Asks each target of trunks with `health` by OPTIONS. Any answer means that somebody is there, refusals included, since
 * many peers refuse OPTIONS from whom they do not know; 503 and 408 do not, which a SIP server in between says for a
 * target that it cannot reach, and a target that wants no calls says too.
 */
export class TargetProbe {
  readonly #options: ProbeOptions
  readonly #timers = new Set<NodeJS.Timeout>()
  #underWay = 0
  #closed = false

  constructor(options: ProbeOptions) {
    this.#options = options
    for (const trunk of options.trunks) {
      if (trunk.health === null) continue
      const everyMs = trunk.health.everySeconds * 1_000
      for (const target of trunk.targets)
        this.#after(options.chance() * Math.min(FIRST_MS_MAX, everyMs), () => this.#ask(trunk, target, everyMs))
    }
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  async #ask(trunk: Trunk, target: TrunkTarget, everyMs: number): Promise<void> {
    const { sip, health, secrets, chance } = this.#options
    if (this.#underWay >= PROBES_MAX) return this.#after(BUSY_MS, () => this.#ask(trunk, target, everyMs))
    this.#underWay += 1
    const result = await sip.request(targetUri(target, null), {
      method: 'OPTIONS',
      // The SIP server writes the address, or the domain, that this target knows us by.
      headers: { 'User-Agent': 'Tonewall', Accept: 'application/sdp', Contact: '<sip:localhost>' },
      credentials: secrets.credentials(trunk),
      deadlineMs: ANSWER_MS_MAX,
    })
    this.#underWay -= 1
    if (this.#closed) return
    // Not sent means that our own SIP server is away, which says nothing about the target.
    if (result.kind !== 'not_sent')
      health.asked(trunk, target, result.kind === 'answered' && result.status !== 503 && result.status !== 408)
    this.#after(everyMs * (1 - JITTER + 2 * JITTER * chance()), () => this.#ask(trunk, target, everyMs))
  }

  #after(delayMs: number, action: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      void action()
    }, delayMs)
    this.#timers.add(timer)
  }
}

type ProbeOptions = {
  readonly trunks: readonly Trunk[]
  readonly sip: Pick<SipServer, 'request'>
  readonly health: TargetHealth
  readonly secrets: TrunkSecrets
  /** 0 to below 1. */
  readonly chance: () => number
}
