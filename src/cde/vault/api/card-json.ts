import { joinedJson } from '../digit-json.ts'
import type { OpenCard } from '../sealed-card.ts'
import type { TokenRefusal } from '../store.ts'

const MONTH_DIGITS = 2

export type NamedCard = { readonly token: string; readonly card: OpenCard }

/** One card as JSON, in a buffer that the caller wipes: {"token":"t","number":"...","expiryMonth":"MM","expiryYear":"YY"}. */
export function cardJson(named: NamedCard): Buffer {
  return joinedJson(partsOf(named))
}

/** Many of them, and the tokens that stand for none: {"cards":[...],"refused":[{"token":"t","code":"token_gone"}]}. */
export function cardsJson(
  cards: readonly NamedCard[],
  refused: readonly { readonly token: string; readonly code: TokenRefusal }[],
): Buffer {
  const listed = cards.flatMap((named, index) => [...(index === 0 ? [] : [',']), ...partsOf(named)])
  return joinedJson(['{"cards":[', ...listed, '],"refused":', JSON.stringify(refused), '}'])
}

function partsOf({ token, card }: NamedCard): (string | Uint8Array)[] {
  const { pan, expiry } = card
  const month = ['","expiryMonth":"', expiry.subarray(0, MONTH_DIGITS)]
  const year = ['","expiryYear":"', expiry.subarray(MONTH_DIGITS)]
  return ['{"token":"', token, '","number":"', pan, ...(expiry.length === 0 ? [] : [...month, ...year]), '"}']
}
