import type { TokenReuse } from './store.ts'

/** What a merchant's tokens are like. Tokens that were given before stay as they are when this changes. */
export type TokenOptions = {
  /** letters: no form or scanner takes one for a card. digits: as long as the card's number, for systems that take nothing else. */
  readonly format: 'letters' | 'digits'
  readonly reuse: TokenReuse
  /** Gone so long after the card was last given; null: no time limit. */
  readonly lifetimeMs: number | null
}

export const TOKENS_UNLESS_TOLD: TokenOptions = { format: 'letters', reuse: 'reusable', lifetimeMs: null }
