import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import { splitValues } from './header-value.ts'
import { escapeUser } from './name-address.ts'
import { grantedSeconds, refreshAfterMs, retryAfterMs } from './registration-step.ts'
import { retryAfterSeconds } from './rejection.ts'
import { randomLetters } from './letters.ts'
import type { RequestResult, SipServer } from './sip-server.ts'
import { targetUri } from './target-address.ts'
import type { TrunkSecrets } from './trunk-secrets.ts'
import type { Trunk } from './trunks.ts'

/** RFC 3261 Timer F: a registrar that says nothing until then will not. */
const ANSWER_MS_MAX = 32_000
/** At the end of the process nothing waits longer for a registrar. */
const UNREGISTER_MS_MAX = 1_000
/** Our own SIP server is away; it is started again within seconds. */
const SERVER_AWAY_MS = 1_000
/** The longest binding that a 423 may ask for; the schema allows no more either. */
const MIN_EXPIRES_MAX_S = 86_400
/** One request and the answers to its challenges have numbers of their own (RFC 3261 section 10.2, CSeq). */
const SEQUENCES_EACH = 4

type RegistrationOptions = {
  readonly trunks: readonly Trunk[]
  readonly sip: Pick<SipServer, 'request'>
  readonly secrets: Pick<TrunkSecrets, 'credentials'>
  readonly logger: Logger
  readonly metrics: Metrics
  /** 0 to below 1. */
  readonly chance: () => number
}

/** Keeps the sbc registered at the carriers that demand it (RFC 3261 section 10): one binding a trunk. */
export class Registrations {
  readonly #all: readonly Registration[]

  constructor(options: RegistrationOptions) {
    const registered = options.metrics.gauge(
      'tonewall_sbc_registered',
      'Trunks with a registration: 1 the carrier has it, 0 it does not',
      ['trunk'],
    )
    this.#all = options.trunks.flatMap((trunk) =>
      trunk.registration === null
        ? []
        : [
            new Registration({
              ...options,
              trunk,
              registration: trunk.registration,
              tell: (isRegistered: boolean) => registered.set({ trunk: trunk.name }, isRegistered ? 1 : 0),
            }),
          ],
    )
  }

  /** Takes the bindings back. Safe to call twice. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((registration) => registration.close()))
  }
}

type OneOptions = Omit<RegistrationOptions, 'trunks' | 'metrics'> & {
  readonly trunk: Trunk
  readonly registration: NonNullable<Trunk['registration']>
  readonly tell: (isRegistered: boolean) => void
}

class Registration {
  readonly #options: OneOptions
  /** All requests of one registration have one Call-ID, and CSeqs that grow (RFC 3261 section 10.2). */
  readonly #callId = randomLetters(32)
  #sequence = 1
  #expiresSeconds: number
  #failures = 0
  #isRegistered = false
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: OneOptions) {
    this.#options = options
    this.#expiresSeconds = options.registration.expiresSeconds
    options.tell(false)
    this.#after(0)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#isRegistered) await this.#send(0, UNREGISTER_MS_MAX)
  }

  #after(delayMs: number): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#register(), delayMs)
  }

  async #register(): Promise<void> {
    const result = await this.#send(this.#expiresSeconds, ANSWER_MS_MAX)
    if (this.#closed) return
    if (result.kind === 'not_sent') return this.#after(SERVER_AWAY_MS)
    if (result.kind === 'answered' && result.status >= 200 && result.status < 300) return this.#succeeded(result)
    const longer = minExpires(result)
    if (longer !== null && longer > this.#expiresSeconds) {
      this.#expiresSeconds = longer
      return this.#after(0)
    }
    this.#failed(result)
  }

  #succeeded(result: Extract<RequestResult, { kind: 'answered' }>): void {
    const { registration, logger, trunk } = this.#options
    this.#failures = 0
    if (!this.#isRegistered) logger.info({ trunk: trunk.name }, 'registered at the carrier')
    this.#isRegistered = true
    this.#options.tell(true)
    const granted = grantedSeconds({
      contacts: splitValues(result.response.get('Contact') ?? ''),
      user: escapeUser(registration.user),
      expires: result.response.get('Expires'),
      askedSeconds: this.#expiresSeconds,
    })
    this.#after(refreshAfterMs(granted))
  }

  #failed(result: Extract<RequestResult, { kind: 'answered' | 'silent' }>): void {
    const { logger, trunk, chance } = this.#options
    this.#failures += 1
    this.#isRegistered = false
    this.#options.tell(false)
    const seconds = result.kind === 'answered' ? retryAfterSeconds(result.response) : null
    const delayMs = retryAfterMs({
      failures: this.#failures,
      retryAfterSeconds: seconds === null ? null : Number(seconds),
      chance: chance(),
    })
    logger.warn(
      {
        code: 'registration_failed',
        trunk: trunk.name,
        status: result.kind === 'answered' ? result.status : 408,
        attempt: this.#failures,
        delayMs: Math.round(delayMs),
      },
      'the carrier did not register us; it is tried again after the delay',
    )
    this.#after(delayMs)
  }

  #send(expiresSeconds: number, deadlineMs: number): Promise<RequestResult> {
    const { sip, secrets, trunk, registration } = this.#options
    const sequence = this.#sequence
    this.#sequence += SEQUENCES_EACH
    const user = escapeUser(registration.user)
    const addressOfRecord = `<sip:${user}@${registration.domain}>`
    return sip.request(`sip:${registration.domain}`, {
      method: 'REGISTER',
      headers: {
        'Call-ID': this.#callId,
        CSeq: `${sequence} REGISTER`,
        From: addressOfRecord,
        To: addressOfRecord,
        // The SIP server writes the address that the carrier reaches us by.
        Contact: `sip:${user}@localhost`,
        Expires: String(expiresSeconds),
        'User-Agent': 'Tonewall',
      },
      proxy: targetUri(trunk.targets[0], null),
      credentials: secrets.credentials(trunk),
      deadlineMs,
    })
  }
}

/** What a 423 asks for (RFC 3261 section 21.4.17), or null. */
function minExpires(result: RequestResult): number | null {
  if (result.kind !== 'answered' || result.status !== 423) return null
  const seconds = /^\s*(\d{1,6})\b/.exec(result.response.get('Min-Expires') ?? '')?.[1]
  return seconds === undefined ? null : Math.min(MIN_EXPIRES_MAX_S, Number(seconds))
}
