import type { Counter, Gauge, Histogram } from 'prom-client'
import type { Metrics } from '../../kit/metrics.ts'

/** What the vault counts. No label comes from outside. */
export type VaultMetrics = {
  readonly tokenized: Counter<'outcome'>
  readonly tokenizeSeconds: Histogram
  readonly authorized: Counter<'outcome'>
  readonly refused: Counter<'code'>
  readonly cardCodes: Gauge
}

/** From a commit on a fast disk to a vault that does not keep up. */
const TOKENIZE_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2]

export function vaultMetrics(metrics: Metrics, cardCodes: { readonly size: number }): VaultMetrics {
  const codes = metrics.gauge(
    'tonewall_vault_card_codes',
    'Card codes held in memory until authorization or their time limit',
  )
  return {
    tokenized: metrics.counter('tonewall_vault_tokenize_total', 'Tokenize requests by outcome', ['outcome']),
    tokenizeSeconds: metrics.histogram(
      'tonewall_vault_tokenize_seconds',
      'Time from a tokenize request to its durable answer',
      TOKENIZE_SECONDS,
    ),
    authorized: metrics.counter('tonewall_vault_authorize_total', 'Authorize requests by outcome', ['outcome']),
    refused: metrics.counter('tonewall_vault_refused_total', 'Refused requests by code', ['code']),
    cardCodes: Object.assign(codes, { collect: () => codes.set(cardCodes.size) }),
  }
}
