import { joinedJson } from '../digit-json.ts'
import type { PaymentOrder } from './payment-connector.ts'

const MONTH_DIGITS = 2

/**
 * An order as JSON, in one buffer that the caller wipes. Digits go from their buffer into this one and never become a string:
 *
 *     {"merchant":"m","reference":"r","amountMinor":1250,"currency":"EUR",
 *      "card":{"number":"...","expiryMonth":"MM","expiryYear":"YY","code":"..."}}
 *
 * Expiry and code are left out when the order has none.
 */
export function composeOrder(order: PaymentOrder): Buffer {
  const { merchant, reference, amountMinor, currency, pan, expiry, cardCode } = order
  const open = JSON.stringify({ merchant, reference, amountMinor, currency }).slice(0, -1)
  const parts: (string | Uint8Array)[] = [open, ',"card":{"number":"', pan, '"']
  if (expiry.length > 0) {
    parts.push(
      ',"expiryMonth":"',
      expiry.subarray(0, MONTH_DIGITS),
      '","expiryYear":"',
      expiry.subarray(MONTH_DIGITS),
      '"',
    )
  }
  if (cardCode.length > 0) parts.push(',"code":"', cardCode, '"')
  parts.push('}}')
  return joinedJson(parts)
}
