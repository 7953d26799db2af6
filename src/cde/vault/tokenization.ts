import type { Card } from '../card-body.ts'
import type { TokenizeRequest, VaultReply } from '../vault-protocol.ts'
import type { AuditEntry } from './audit-chain.ts'
import { brandOf } from './brand.ts'
import type { CardCodeMemory } from './card-code-memory.ts'
import { fingerprintOf } from './fingerprint.ts'
import { KeyFailure, type KeyRing } from './key-ring.ts'
import { sealCard } from './sealed-card.ts'
import type { Store, TokenizeResult } from './store.ts'
import { lastFourOf, newTokens } from './token.ts'
import type { TokenOptions } from './token-options.ts'

/** Another vault may rotate the key in between, and once more; not a third time. */
const TRIES_MAX = 3

/** Who asks, for the audit record. */
export type Asker = Pick<AuditEntry, 'role' | 'origin'>

/**
 * Turns a checked card into its token: the one it has under this merchant, or a new one. The reply is given once the card is durable;
 * the card code is kept in memory only after that. The digits stay the caller's, who wipes them when this settles.
 * Rejects with StoreFailure or KeyFailure.
 */
export async function tokenize(
  request: TokenizeRequest,
  card: Card,
  parts: {
    readonly asker: Asker
    readonly store: Store
    readonly keyRing: KeyRing
    readonly cardCodes: CardCodeMemory
    readonly tokens: TokenOptions
    readonly nowMs: () => number
  },
): Promise<{ readonly reply: VaultReply; readonly outcome: Exclude<TokenizeResult['kind'], 'key_changed'> }> {
  const { asker, store, keyRing, cardCodes, tokens, nowMs } = parts
  const { merchant, windowId, idempotencyKey } = request
  const attempt = async (): Promise<TokenizeResult> => {
    const sealing = await keyRing.sealingKey(merchant)
    const { keyId, key } = sealing
    const fingerprintKeys = await keyRing.fingerprintKeys(merchant, sealing)
    if (fingerprintKeys === null) return { kind: 'key_changed' }
    return store.tokenize({
      merchant,
      fingerprint: fingerprintOf(card.pan, fingerprintKeys.current),
      formerFingerprints: fingerprintKeys.former.map((former) => fingerprintOf(card.pan, former)),
      idempotencyKey,
      tokens: newTokens(card.pan, tokens.format),
      reuse: tokens.reuse,
      endsAtMs: tokens.lifetimeMs === null ? 0 : nowMs() + tokens.lifetimeMs,
      lastFour: lastFourOf(card.pan),
      brand: brandOf(card.pan),
      keyId,
      seal: (token) => sealCard(card, key, { keyId, merchant, token }),
      replaceKnown: card.expiry.length > 0,
      audit: ({ outcome, token }) => ({ ...asker, action: 'tokenize', outcome, merchant, resource: token, windowId }),
    })
  }
  let result = await attempt()
  for (let tries = 1; result.kind === 'key_changed' && tries < TRIES_MAX; tries += 1) {
    keyRing.refresh(merchant)
    result = await attempt()
  }
  if (result.kind === 'key_changed') throw new KeyFailure('unavailable')
  if (result.kind === 'conflict')
    return { reply: { type: 'refused', code: 'idempotency_conflict' }, outcome: result.kind }
  const { kind, token, lastFour, brand } = result
  if (card.cardCode.length > 0) cardCodes.keep(card.cardCode, { merchant, token, idempotencyKey })
  return { reply: { type: 'tokenized', token, lastFour, brand }, outcome: kind }
}
