import type { AuditEntry } from './audit-chain.ts'
import type { LedgerStep } from './ledger.ts'
import type { CardRow, OrderStep, TokenEnded, TokenOpened, TokenStep } from './store.ts'
import { claimed, end, isOver } from './token-life.ts'

/** The steps of a token's later life, and of the orders that are about it. */
export function useTokenStep(step: TokenStep & { readonly keptMs: number }): LedgerStep<TokenOpened> {
  const { merchant, token } = step
  return {
    needs: { cards: [{ merchant, token }] },
    run: (ledger) => {
      const card = ledger.card({ merchant, token })
      const isMine = card?.isShredded === false && claimed(card, ledger, step)
      const code = card === null ? 'unknown_token' : card.isShredded ? 'card_shredded' : 'token_gone'
      ledger.append(step.audit(isMine ? 'done' : code))
      return isMine ? { kind: 'opened', card } : { kind: 'refused', code }
    },
  }
}

/** A repetition by the same claim finds it ended, and that is what it wanted. */
export function endTokenStep(step: TokenStep): LedgerStep<TokenEnded> {
  const { merchant, token, claim } = step
  return {
    needs: { cards: [{ merchant, token }] },
    run: (ledger) => {
      const card = ledger.card({ merchant, token })
      const isLive = card?.state === 'live' && !isOver(card, ledger.nowMs())
      const isMine = card?.state === 'gone' && card.claim === claim
      if (isLive) end(card, ledger, claim)
      const code = card === null ? 'unknown_token' : 'token_gone'
      ledger.append(step.audit(isLive || isMine ? 'done' : code))
      return isLive || isMine ? { kind: 'ended' } : { kind: 'refused', code }
    },
  }
}

export function endTokensPastTimeStep(step: {
  readonly nowMs: number
  readonly limit: number
  readonly audit: (card: CardRow) => AuditEntry
}): LedgerStep<readonly CardRow[]> {
  const { nowMs, limit } = step
  return {
    needs: { pastTime: { nowMs, limit } },
    run: (ledger) => {
      const cards = ledger.cardsPastTime({ nowMs, limit })
      for (const card of cards) {
        end(card, ledger)
        ledger.append(step.audit(card))
      }
      return cards
    },
  }
}

export function orderStep<Result>(step: OrderStep<Result>): LedgerStep<Result> {
  return {
    needs: { orders: [step.orderId] },
    run: (ledger) => {
      const { result, row, audit } = step.decide(ledger.order(step.orderId), ledger.nowMs())
      if (row !== null) ledger.putOrder(row)
      if (audit !== null) ledger.append(audit)
      return result
    },
  }
}
