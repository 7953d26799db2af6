import type { Ledger } from './ledger.ts'
import type { CardRow } from './store.ts'

const NOTHING = new Uint8Array(0)

/** Whether nobody may open it any more, whatever the row still holds. */
export function isOver(card: CardRow, nowMs: number): boolean {
  return card.state === 'gone' || (card.endsAtMs > 0 && card.endsAtMs <= nowMs)
}

/**
 * Takes one use of a token. A reusable one is free for everybody. One for a single use belongs to the first that claims it, who may come again
 * for `keptMs`: the answer may have been lost. False when it is over or another's.
 */
export function claimed(
  card: CardRow,
  ledger: Ledger,
  by: { readonly claim: string; readonly keptMs: number },
): boolean {
  const nowMs = ledger.nowMs()
  if (isOver(card, nowMs)) return false
  if (card.state === 'claimed') return card.claim === by.claim
  if (card.reuse === 'reusable') return true
  const lastMs = nowMs + by.keptMs
  const endsAtMs = card.endsAtMs === 0 ? lastMs : Math.min(card.endsAtMs, lastMs)
  ledger.replaceCard(card, { state: 'claimed', claim: by.claim, endsAtMs, atMs: nowMs })
  return true
}

/** Takes away what was sealed. The row stays, so that the token is never given again. */
export function end(card: CardRow, ledger: Ledger, claim: string = card.claim): void {
  ledger.replaceCard(card, { state: 'gone', claim, sealed: NOTHING, endsAtMs: 0, atMs: ledger.nowMs() })
}
