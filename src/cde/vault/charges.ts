import { createHash } from 'node:crypto'
import type { AuthorizeRequest, VaultReply } from '../vault-protocol.ts'
import type { AuditEntry } from './audit-chain.ts'
import type { CardCodeMemory } from './card-code-memory.ts'
import type { PaymentConnector, PaymentOutcome } from './connectors/payment-connector.ts'
import { KeyFailure, type KeyRing } from './key-ring.ts'
import { openCard } from './sealed-card.ts'
import { lengthPrefixed } from './seal.ts'
import type { CardRow, Store } from './store.ts'
import type { Asker } from './tokenization.ts'

/**
 * Authorizations of amounts on tokens.
 *
 * Before an order leaves, it is noted as pending; its outcome is noted before it is told. A repeated request gets the noted outcome;
 * one without an outcome (no answer, or a crash between the two) goes to the acquirer again under the same reference, which
 * must book it once. The card code is wiped as soon as the acquirer has approved or declined.
 */
export class Charges {
  readonly #store: Store
  readonly #keyRing: KeyRing
  readonly #cardCodes: CardCodeMemory
  readonly #underWay = new Map<string, { readonly digest: Buffer; readonly reply: Promise<VaultReply> }>()

  constructor(options: { readonly store: Store; readonly keyRing: KeyRing; readonly cardCodes: CardCodeMemory }) {
    this.#store = options.store
    this.#keyRing = options.keyRing
    this.#cardCodes = options.cardCodes
  }

  /** Rejects with StoreFailure or KeyFailure. The same request that is under way already gets the same answer. */
  async authorize(request: AuthorizeRequest, connector: PaymentConnector | null, asker: Asker): Promise<VaultReply> {
    const { merchant, idempotencyKey, token, windowId } = request
    const audit = (action: AuditEntry['action'], outcome: AuditEntry['outcome']): AuditEntry => {
      return { ...asker, action, outcome, merchant, resource: token, windowId }
    }
    if (connector === null) {
      await this.#store.append(audit('authorize', 'no_connector'))
      return { type: 'refused', code: 'no_connector' }
    }
    const name = merchant + ' ' + idempotencyKey
    const digest = digestOf(request)
    const twin = this.#underWay.get(name)
    if (twin?.digest.equals(digest) === true) return twin.reply
    if (twin !== undefined) {
      await this.#store.append(audit('authorize', 'idempotency_conflict'))
      return { type: 'refused', code: 'idempotency_conflict' }
    }
    const reply = this.#authorize(request, { connector, digest, audit }).finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, { digest, reply })
    return reply
  }

  async #authorize(
    request: AuthorizeRequest,
    by: {
      readonly connector: PaymentConnector
      readonly digest: Buffer
      readonly audit: (action: AuditEntry['action'], outcome: AuditEntry['outcome']) => AuditEntry
    },
  ): Promise<VaultReply> {
    const { merchant, token, idempotencyKey } = request
    const begun = await this.#store.beginCharge({
      merchant,
      idempotencyKey,
      token,
      digest: by.digest,
      audit: (outcome) => by.audit(outcome === 'done' ? 'open_card' : 'authorize', outcome),
    })
    if (begun.kind === 'refused') return { type: 'refused', code: begun.code }
    if (begun.kind === 'finished') return begun.outcome
    const outcome = await this.#send(request, begun.card, by.connector)
    if (outcome.type === 'unavailable') {
      await this.#store.append(by.audit('authorize', 'acquirer_unavailable'))
      return { type: 'refused', code: 'acquirer_unavailable' }
    }
    this.#cardCodes.wipe({ merchant, token })
    await this.#store.finishCharge({
      merchant,
      idempotencyKey,
      token,
      outcome,
      audit: by.audit('authorize', outcome.type),
    })
    return outcome
  }

  /** Opens number and code for one order. They are overwritten when the acquirer has answered or failed. */
  async #send(request: AuthorizeRequest, row: CardRow, connector: PaymentConnector): Promise<PaymentOutcome> {
    const { merchant, token, amountMinor, currency } = request
    const { keyId, key } = await this.#keyRing.keyById(row.keyId)
    const card = openCard(row.sealed, key, { keyId, merchant, token })
    if (card === null) throw new KeyFailure('wrong_key')
    const cardCode = this.#cardCodes.open({ merchant, token })
    try {
      const { pan, expiry } = card
      const reference = request.idempotencyKey
      return await connector.authorize({ merchant, reference, amountMinor, currency, pan, expiry, cardCode })
    } finally {
      cardCode.fill(0)
      card.wipe()
    }
  }
}

function digestOf(request: AuthorizeRequest): Buffer {
  const texts = [request.token, String(request.amountMinor), request.currency]
  return createHash('sha256').update(lengthPrefixed(texts)).digest()
}
