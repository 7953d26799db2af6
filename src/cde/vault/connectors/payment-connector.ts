/** One door to one acquirer. Sees open digits for the time of one call. */
export type PaymentConnector = {
  /**
   * Asks for an authorization. Never rejects. The digits are lent until it settles and are kept by nobody. The reference is the same
   * when an authorization is repeated, so that the acquirer books it once.
   */
  authorize(order: PaymentOrder): Promise<PaymentOutcome>
  /** Ends connections and fails what is under way. Safe to call twice. */
  close(): void
}

export type PaymentOrder = {
  readonly merchant: string
  readonly reference: string
  readonly amountMinor: number
  readonly currency: string
  /** Digit values 0 to 9. */
  readonly pan: Uint8Array
  /** MMYY as digit values, or empty. */
  readonly expiry: Uint8Array
  /** Digit values, or empty. */
  readonly cardCode: Uint8Array
}

/** 'unavailable': nothing is known of the outcome. */
export type PaymentOutcome =
  | { readonly type: 'approved'; readonly approvalCode: string }
  | { readonly type: 'declined'; readonly declineCode: string }
  | { readonly type: 'unavailable'; readonly code: UnavailableCode }

export type UnavailableCode = 'deadline' | 'connection_failed' | 'bad_status' | 'bad_reply' | 'reply_too_large' | 'busy'
