import type { AuditEntry } from './audit-chain.ts'
import type { Ledger, LedgerStep } from './ledger.ts'
import {
  StoreFailure,
  type CardRow,
  type ChargeBegun,
  type ChargeStep,
  type CustodianRow,
  type FinishStep,
  type KeyRow,
  type ResealedCard,
  type RotateStep,
  type TokenizeResult,
  type TokenizeStep,
} from './store.ts'
import { claimed, end, isOver } from './token-life.ts'

/** A single use without an outcome may be tried again this long: so long are answers to idempotency keys kept. */
const CHARGE_KEPT_MS = 86_400_000

/** The writing calls of a store, as steps over its ledger: what is idempotent, and what is written down of it, is the same everywhere. */
export function addKeyStep(row: KeyRow, audit: AuditEntry): LedgerStep<KeyRow> {
  return {
    needs: { keys: [row, { merchant: row.merchant, purpose: 'fingerprint' }] },
    run: (ledger) => {
      const faster = ledger.activeKey(row)
      if (faster !== null) return faster
      checkName(row, ledger)
      ledger.addKey(row)
      ledger.append(audit)
      return row
    },
  }
}

export function rotateKeyStep({ row, before, fingerprint, audit }: RotateStep): LedgerStep<KeyRow> {
  return {
    needs: { keys: [row, { merchant: row.merchant, purpose: 'fingerprint' }] },
    run: (ledger) => {
      const active = ledger.activeKey(row)
      if (active !== null && active.keyId !== before) return active
      for (const one of fingerprint === undefined ? [row] : [fingerprint, row]) {
        checkName(one, ledger)
        ledger.retireKey(one)
        ledger.addKey(one)
      }
      for (const entry of audit) ledger.append(entry)
      return row
    },
  }
}

export function shredKeysStep(step: {
  readonly keys: readonly KeyRow[]
  readonly audit: readonly AuditEntry[]
}): LedgerStep<void> {
  return {
    needs: { keys: step.keys },
    run: (ledger) => {
      for (const row of step.keys) ledger.shredKey(row)
      for (const entry of step.audit) ledger.append(entry)
    },
  }
}

export function rewrapKeyStep({ row, audit }: { readonly row: KeyRow; readonly audit: AuditEntry }): LedgerStep<void> {
  return {
    needs: { keys: [row] },
    run: (ledger) => {
      ledger.rewrapKey(row)
      ledger.append(audit)
    },
  }
}

/** Whoever has changed a card meanwhile has sealed it with today's key already. None gets a key that is not today's any more. */
export function resealCardsStep(cards: readonly ResealedCard[]): LedgerStep<number> {
  return {
    needs: {
      keys: cards.map(({ before }) => ({ merchant: before.merchant, purpose: 'card' })),
      cards: cards.map(({ before }) => before),
    },
    run: (ledger) => {
      let resealed = 0
      for (const { before, keyId, sealed, fingerprint } of cards) {
        const { merchant } = before
        const now = ledger.card(before)
        if (now?.keyId !== before.keyId || now.isShredded || !sameBytes(now.sealed, before.sealed)) continue
        if (ledger.activeKey({ merchant, purpose: 'card' })?.keyId !== keyId) continue
        // Whose use it is may have changed since it was read.
        ledger.replaceCard(now, { keyId, sealed, fingerprint, atMs: ledger.nowMs() })
        resealed += 1
      }
      return resealed
    },
  }
}

export function addCustodiansStep(rows: readonly CustodianRow[], audit: AuditEntry): LedgerStep<void> {
  return {
    needs: {},
    run: (ledger) => {
      for (const row of rows) ledger.addCustodian(row)
      ledger.append(audit)
    },
  }
}

export function tokenizeStep(step: TokenizeStep): LedgerStep<TokenizeResult> {
  const { merchant, idempotencyKey } = step
  return {
    needs: {
      keys: [{ merchant, purpose: 'card' }],
      fingerprints: fingerprintsOf(step).map((fingerprint) => ({ merchant, fingerprint })),
      requests: [{ merchant, operation: 'tokenize', idempotencyKey }],
      tokens: step.tokens.length > 1 ? step.tokens : [],
    },
    run: (ledger) => {
      if (ledger.activeKey({ merchant, purpose: 'card' })?.keyId !== step.keyId) return { kind: 'key_changed' }
      const result = tokenized(step, ledger)
      if (result.kind === 'conflict') ledger.append(step.audit({ outcome: 'idempotency_conflict', token: '' }))
      else ledger.append(step.audit({ outcome: result.kind === 'repeated' ? 'repeated' : 'done', token: result.token }))
      return result
    },
  }
}

export function beginChargeStep(step: ChargeStep): LedgerStep<ChargeBegun> {
  const { merchant, idempotencyKey, token } = step
  return {
    needs: { cards: [{ merchant, token }], requests: [{ merchant, operation: 'authorize', idempotencyKey }] },
    run: (ledger) => {
      const begun = chargeBegun(step, ledger)
      ledger.append(step.audit(begun.kind === 'refused' ? begun.code : begun.kind === 'finished' ? 'repeated' : 'done'))
      return begun
    },
  }
}

/** One use of a token is over with its outcome, whichever that was. */
export function finishChargeStep(step: FinishStep): LedgerStep<void> {
  const { merchant, idempotencyKey, token, outcome } = step
  const name = { merchant, operation: 'authorize', idempotencyKey } as const
  return {
    needs: { cards: [{ merchant, token }], requests: [name] },
    run: (ledger) => {
      const card = ledger.card({ merchant, token })
      if (card?.reuse === 'single') end(card, ledger)
      const outcomeCode = outcome.type === 'approved' ? outcome.approvalCode : outcome.declineCode
      ledger.finishRequest(name, { outcome: outcome.type, outcomeCode })
      ledger.append(step.audit)
    },
  }
}

export function appendStep(audit: AuditEntry): LedgerStep<void> {
  return { needs: {}, run: (ledger) => ledger.append(audit) }
}

function tokenized(step: TokenizeStep, ledger: Ledger): Exclude<TokenizeResult, { readonly kind: 'key_changed' }> {
  const { merchant, fingerprint, idempotencyKey, keyId, lastFour, brand, reuse, endsAtMs } = step
  const name = { merchant, operation: 'tokenize', idempotencyKey } as const
  const request = ledger.request(name)
  if (request !== null) {
    // The digest is the fingerprint of that day: where one is the same, it is the same card that was asked about.
    if (!fingerprintsOf(step).some((one) => sameBytes(request.digest, one))) return { kind: 'conflict' }
    const card = ledger.card({ merchant, token: request.token })
    if (card === null) throw new StoreFailure('ROW_MISSING')
    return { kind: 'repeated', ...faceOf(card) }
  }
  const atMs = ledger.nowMs()
  const known = reuse === 'reusable' ? liveCard(step, ledger) : null
  const token = known?.token ?? step.tokens.find((one) => !ledger.isTaken(one))
  if (token === undefined) throw new StoreFailure('TOKENS_TAKEN')
  if (known === null) {
    const life = { isShredded: false, reuse, state: 'live', claim: '', endsAtMs, createdAtMs: atMs } as const
    ledger.addCard({ token, merchant, fingerprint, keyId, sealed: step.seal(token), lastFour, brand, ...life, atMs })
  } else if (step.replaceKnown || known.isShredded) {
    ledger.replaceCard(known, { keyId, sealed: step.seal(token), fingerprint, endsAtMs, atMs })
  } else if (known.endsAtMs !== endsAtMs) ledger.replaceCard(known, { endsAtMs, atMs })
  ledger.addRequest({ ...name, digest: fingerprint, token, outcome: 'done', outcomeCode: '', createdAtMs: atMs })
  return known === null ? { kind: 'created', token, lastFour, brand } : { kind: 'known', ...faceOf(known) }
}

/** The merchant's card with this number. One whose time is over makes room for the next. */
function liveCard(step: TokenizeStep, ledger: Ledger): CardRow | null {
  for (const fingerprint of fingerprintsOf(step)) {
    const known = ledger.cardByFingerprint({ merchant: step.merchant, fingerprint })
    if (known === null) continue
    if (!isOver(known, ledger.nowMs())) return known
    end(known, ledger)
  }
  return null
}

function fingerprintsOf({ fingerprint, formerFingerprints }: TokenizeStep): readonly Uint8Array[] {
  return [fingerprint, ...formerFingerprints]
}

/** What a key of cards names is the active one in the same transaction, so that both change together. */
function checkName({ merchant, purpose, fingerprintKeyId }: KeyRow, ledger: Ledger): void {
  if (purpose !== 'card') return
  const active = ledger.activeKey({ merchant, purpose: 'fingerprint' })?.keyId ?? ''
  if (active !== fingerprintKeyId) throw new StoreFailure('KEY_CHANGED')
}

function chargeBegun(step: ChargeStep, ledger: Ledger): ChargeBegun {
  const { merchant, idempotencyKey, digest, token } = step
  const name = { merchant, operation: 'authorize', idempotencyKey } as const
  const card = ledger.card({ merchant, token })
  if (card === null) return { kind: 'refused', code: 'unknown_token' }
  const request = ledger.request(name)
  if (request !== null && !sameBytes(request.digest, digest)) return { kind: 'refused', code: 'idempotency_conflict' }
  const { outcome, outcomeCode } = request ?? { outcome: 'pending', outcomeCode: '' }
  if (outcome === 'approved') return { kind: 'finished', outcome: { type: 'approved', approvalCode: outcomeCode } }
  if (outcome === 'declined') return { kind: 'finished', outcome: { type: 'declined', declineCode: outcomeCode } }
  if (card.isShredded) return { kind: 'refused', code: 'card_shredded' }
  if (!claimed(card, ledger, { claim: 'authorize ' + idempotencyKey, keptMs: CHARGE_KEPT_MS })) {
    return { kind: 'refused', code: 'token_gone' }
  }
  if (request === null) {
    ledger.addRequest({ ...name, digest, token, outcome: 'pending', outcomeCode: '', createdAtMs: ledger.nowMs() })
  }
  return { kind: 'begun', card }
}

/** What may be shown of a card. */
function faceOf({ token, lastFour, brand }: CardRow): Pick<CardRow, 'token' | 'lastFour' | 'brand'> {
  return { token, lastFour, brand }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
