import type { Role } from '../../kit/identity.ts'
import { errorFields, type Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import { parseCardBody } from '../card-body.ts'
import type {
  AuthorizeRequest,
  RefusalCode,
  ReportRequest,
  TokenizeRequest,
  VaultReply,
  VaultRequest,
} from '../vault-protocol.ts'
import type { CardCodeMemory } from './card-code-memory.ts'
import { refusalOf } from './card-check.ts'
import { Charges } from './charges.ts'
import type { PaymentConnector } from './connectors/payment-connector.ts'
import { KeyFailure, type KeyRing } from './key-ring.ts'
import { mayAsk } from './permissions.ts'
import { StoreFailure, type Store } from './store.ts'
import { tokenize } from './tokenization.ts'
import type { TokenOptions } from './token-options.ts'
import { vaultMetrics, type VaultMetrics } from './vault-metrics.ts'

/** Who asks: the role that the certificate proved, and the name it did so with. */
export type Peer = { readonly role: Role; readonly origin: string }

/** Requests under way at one time; each holds a body of a few dozen bytes and a place in the next commits. */
const REQUESTS_MAX = 2_048

/** A merchant that is known: its way to an acquirer, if it has one, and what its tokens are like. */
export type Merchant = { readonly connector: PaymentConnector | null; readonly tokens: TokenOptions }

export type VaultServiceOptions = {
  readonly store: Store
  /** Says whether what is written down now can also be kept. */
  readonly trail: { readonly hasRoom: boolean }
  readonly keyRing: KeyRing
  readonly cardCodes: CardCodeMemory
  readonly merchants: ReadonlyMap<string, Merchant>
  /** Those of them that the certificate of guards may act for. */
  readonly guardMerchants: ReadonlySet<string>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly nowMs: () => number
}

/**
 * Answers requests; knows nothing of sockets. Every request that is taken ends in one audit record at least, written before
 * the answer is given. When the record cannot be written, the answer is a refusal.
 */
export class VaultService {
  readonly #options: VaultServiceOptions
  readonly #charges: Charges
  readonly #metrics: VaultMetrics
  #underWay = 0
  #closing = false
  #idle: (() => void) | null = null

  constructor(options: VaultServiceOptions) {
    this.#options = options
    this.#charges = new Charges(options)
    this.#metrics = vaultMetrics(options.metrics, options.cardCodes)
  }

  /**
   * Never rejects. The body belongs to the service from here on, and is overwritten before the answer is given. 'malformed'
   * stands for a message that could not be parsed.
   */
  async handle(request: VaultRequest | { readonly type: 'malformed' }, body: Buffer, peer: Peer): Promise<VaultReply> {
    if (this.#closing || this.#underWay >= REQUESTS_MAX) {
      body.fill(0)
      return { type: 'refused', code: this.#closing ? 'closing' : 'busy' }
    }
    this.#underWay += 1
    try {
      return await this.#answer(request, body, peer)
    } catch (error) {
      return this.#failed(error)
    } finally {
      body.fill(0)
      this.#underWay -= 1
      if (this.#underWay === 0) this.#idle?.()
    }
  }

  /** Takes no more requests, and resolves when those under way are answered. Safe to call twice. */
  close(): Promise<void> {
    this.#closing = true
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#idle
      this.#idle = () => {
        before?.()
        resolve()
      }
    })
  }

  async #answer(request: VaultRequest | { readonly type: 'malformed' }, body: Buffer, peer: Peer): Promise<VaultReply> {
    if (request.type === 'malformed') return this.#refuse('malformed', null, peer)
    if (!mayAsk(peer.role, request.type)) return this.#refuse('role_not_allowed', request, peer)
    if (this.#options.keyRing.isSealed && needsKey(request)) return this.#refuse('sealed', request, peer)
    if (body.length > 0 && request.type !== 'tokenize') return this.#refuse('malformed', request, peer)
    const merchant = this.#merchantOf(request)
    // What has happened is written down whosever it is, a failure of masking above all: that gives nobody a card.
    if (request.type === 'report' && !needsKey(request)) return this.#report(request, peer)
    if (merchant === null) return this.#refuse('unknown_merchant', request, peer)
    if (request.type === 'report') return this.#report(request, peer)
    if (request.type === 'tokenize') return this.#tokenize(request, body, { peer, tokens: merchant.tokens })
    return this.#authorize(request, merchant.connector, peer)
  }

  /** Null also for one that the vault has and guards may not act for: to them that is none. */
  #merchantOf({ merchant }: VaultRequest): Merchant | null {
    const { merchants, guardMerchants } = this.#options
    return guardMerchants.has(merchant) ? (merchants.get(merchant) ?? null) : null
  }

  async #tokenize(
    request: TokenizeRequest,
    body: Buffer,
    by: { readonly peer: Peer; readonly tokens: TokenOptions },
  ): Promise<VaultReply> {
    const { peer, tokens } = by
    const startedMs = performance.now()
    const card = parseCardBody(body)
    const refusal = card === null ? 'malformed' : refusalOf(card, this.#options.nowMs())
    if (card === null || refusal !== null) {
      this.#metrics.tokenized.inc({ outcome: 'refused' })
      return this.#refuse(refusal ?? 'malformed', request, peer)
    }
    try {
      const { reply, outcome } = await tokenize(request, card, { ...this.#options, asker: peer, tokens })
      this.#metrics.tokenized.inc({ outcome: outcome === 'conflict' ? 'refused' : outcome })
      return reply
    } catch (error) {
      this.#metrics.tokenized.inc({ outcome: 'failed' })
      throw error
    } finally {
      this.#metrics.tokenizeSeconds.observe((performance.now() - startedMs) / 1_000)
    }
  }

  async #authorize(request: AuthorizeRequest, connector: PaymentConnector | null, peer: Peer): Promise<VaultReply> {
    const reply = await this.#charges.authorize(request, connector, peer)
    if (reply.type === 'approved' || reply.type === 'declined') this.#metrics.authorized.inc({ outcome: reply.type })
    else this.#metrics.authorized.inc({ outcome: 'refused' })
    return reply
  }

  async #report(request: ReportRequest, peer: Peer): Promise<VaultReply> {
    const { event, cause, merchant, windowId, instance, occurredMs } = request
    if (event === 'window_opened' && cause === 'capture' && !this.#options.trail.hasRoom) {
      return this.#refuse('audit_backlog', request, peer)
    }
    if (event === 'masking_failed' || event === 'self_test_failed') {
      this.#options.logger.error({ code: event, windowId, instance, state: cause }, 'a guard reported a failed control')
    }
    await this.#options.store.append({
      ...peer,
      action: event,
      outcome: cause,
      merchant,
      resource: [instance, new Date(occurredMs).toISOString()].join(' '),
      windowId,
    })
    return { type: 'recorded' }
  }

  async #refuse(code: RefusalCode, request: VaultRequest | null, peer: Peer): Promise<VaultReply> {
    this.#metrics.refused.inc({ code })
    this.#options.logger.warn({ code, peerRole: peer.role }, 'request refused')
    await this.#options.store.append({
      ...peer,
      action: request?.type ?? 'request',
      outcome: code,
      merchant: request?.merchant ?? '',
      resource: request?.type === 'authorize' ? request.token : '',
      windowId: request?.windowId ?? '',
    })
    return { type: 'refused', code }
  }

  #failed(error: unknown): VaultReply {
    const code = error instanceof KeyFailure ? keyRefusal(error) : 'store_failed'
    this.#metrics.refused.inc({ code })
    const errorCode = error instanceof StoreFailure ? { errorCode: error.code } : {}
    this.#options.logger.error({ code, ...errorFields(error), ...errorCode }, 'request failed')
    return { type: 'refused', code }
  }
}

function keyRefusal({ code }: KeyFailure): RefusalCode {
  if (code === 'sealed') return code
  return code === 'shredded' ? 'card_shredded' : 'key_failed'
}

/** What needs a key. A window that opens would take a card that nobody could seal. */
function needsKey(request: VaultRequest): boolean {
  return request.type !== 'report' || (request.event === 'window_opened' && request.cause === 'capture')
}
