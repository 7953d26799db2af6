import type { AuditAction, AuditEntry } from '../audit-chain.ts'
import type { CardCodeMemory } from '../card-code-memory.ts'
import type { Charges } from '../charges.ts'
import { KeyFailure, type KeyRing } from '../key-ring.ts'
import { openCard } from '../sealed-card.ts'
import type { CardRow, Store } from '../store.ts'
import type { Merchant } from '../vault-service.ts'
import { problem, type Answer } from './answer.ts'
import { cardJson, type NamedCard } from './card-json.ts'
import type { Caller } from './orders.ts'

/**
 * A detokenization of a single use may be repeated this long, in case that its answer was lost; then what was sealed is taken
 * away. Long enough for a system to come back, too short to be kept for later.
 */
const DETOKENIZED_KEPT_MS = 300_000

export type OperationParts = {
  readonly store: Store
  readonly keyRing: KeyRing
  readonly cardCodes: CardCodeMemory
  readonly charges: Charges
  readonly merchants: ReadonlyMap<string, Merchant>
  /** Says whether what is written down now can also be kept. */
  readonly trail: { readonly hasRoom: boolean }
  readonly nowMs: () => number
}

/** Who asks about whose token; `claim` is the same for a repetition. */
export type Asked = { readonly caller: Caller; readonly merchant: string; readonly claim: string }

export type ChargeBody = { readonly token: string; readonly amountMinor: number; readonly currency: string }
export type DetokenizeBody = { readonly token: string; readonly purpose: string }

/** What the API does with one token. Calls reject with StoreFailure or KeyFailure; each writes down what it did before it returns. */
export class TokenOperations {
  readonly #parts: OperationParts

  constructor(parts: OperationParts) {
    this.#parts = parts
  }

  async charge({ caller, merchant, claim }: Asked, body: ChargeBody): Promise<Answer> {
    const { token, amountMinor, currency } = body
    const connector = this.#parts.merchants.get(merchant)?.connector ?? null
    const order = {
      type: 'authorize',
      merchant,
      windowId: '',
      token,
      amountMinor,
      currency,
      idempotencyKey: claim,
    } as const
    const reply = await this.#parts.charges.authorize(order, connector, askerOf(caller))
    switch (reply.type) {
      case 'approved':
        return { kind: 'json', status: 200, body: { outcome: 'approved', approvalCode: reply.approvalCode } }
      case 'declined':
        return { kind: 'json', status: 200, body: { outcome: 'declined', declineCode: reply.declineCode } }
      case 'refused':
        return problem(CHARGE_PROBLEMS.find((code) => code === reply.code) ?? 'internal')
      case 'tokenized':
      case 'recorded':
        return problem('internal')
    }
  }

  async metadata({ caller, merchant }: Asked, token: string): Promise<Answer> {
    const card = await this.#parts.store.card({ merchant, token })
    await this.#parts.store.append({
      ...auditOf('token_read', { caller, merchant }, token),
      outcome: card === null ? 'unknown_token' : 'done',
    })
    if (card === null) return problem('unknown_token')
    const { lastFour, brand, reuse, createdAtMs, endsAtMs } = card
    const isOver = endsAtMs > 0 && endsAtMs <= this.#parts.nowMs()
    const state = card.isShredded || isOver ? 'gone' : card.state
    return { kind: 'json', status: 200, body: { token, lastFour, brand, reuse, state, createdAtMs, endsAtMs } }
  }

  async remove({ caller, merchant, claim }: Asked, token: string): Promise<Answer> {
    const entry = auditOf('token_end', { caller, merchant }, token)
    const ended = await this.#parts.store.endToken({
      merchant,
      token,
      claim,
      audit: (outcome) => ({ ...entry, outcome }),
    })
    if (ended.kind === 'refused') return problem(ended.code)
    this.#parts.cardCodes.wipe({ merchant, token })
    return { kind: 'empty' }
  }

  async detokenize({ caller, merchant, claim }: Asked, { token, purpose }: DetokenizeBody): Promise<Answer> {
    if (!this.#parts.trail.hasRoom) return problem('audit_backlog')
    const entry = auditOf('detokenize', { caller, merchant }, [token, 'for', purpose].join(' '))
    const audit = (outcome: AuditEntry['outcome']): AuditEntry => ({ ...entry, outcome })
    const used = await this.#parts.store.useToken({ merchant, token, claim, keptMs: DETOKENIZED_KEPT_MS, audit })
    if (used.kind === 'refused') return problem(used.code)
    const named = await this.open(used.card)
    try {
      return { kind: 'secret', body: cardJson(named) }
    } finally {
      named.card.wipe()
    }
  }

  /** The caller wipes the card. */
  async open({ merchant, token, keyId, sealed }: CardRow): Promise<NamedCard> {
    const { key } = await this.#parts.keyRing.keyById(keyId)
    const card = openCard(sealed, key, { keyId, merchant, token })
    if (card === null) throw new KeyFailure('wrong_key')
    return { token, card }
  }
}

const CHARGE_PROBLEMS = [
  'unknown_token',
  'token_gone',
  'card_shredded',
  'no_connector',
  'acquirer_unavailable',
  'idempotency_conflict',
] as const

export function auditOf(
  action: AuditAction,
  asked: Pick<Asked, 'caller' | 'merchant'>,
  resource: string,
): Omit<AuditEntry, 'outcome'> {
  return { ...askerOf(asked.caller), action, merchant: asked.merchant, resource, windowId: '' }
}

function askerOf({ role, origin }: Caller): Pick<AuditEntry, 'role' | 'origin'> {
  return { role, origin }
}
