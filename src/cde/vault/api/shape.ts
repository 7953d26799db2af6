import { TOKEN_PATTERN } from '../token.ts'

/** JSON Schemas (2020-12) of what the API takes and gives: requests are checked against them, and the OpenAPI document is made of them. */
const text = (pattern: RegExp, description: string) =>
  ({ type: 'string', pattern: pattern.source, description }) as const
const record = (properties: Readonly<Record<string, object>>, optional: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
})
const epochMs = (description: string) => ({ type: 'integer', minimum: 0, description })

/** Of bulk orders: what one person can look over before agreeing. */
export const BULK_TOKENS_MAX = 500

const token = text(TOKEN_PATTERN, 'Stands for the card.')
/** Words, for people who read the audit record; too few digits for a card. */
const purpose = text(
  /^(?!(?:.*\d){8})[A-Za-z][A-Za-z0-9 .,()-]{3,79}$/,
  'What the numbers are for. It is written into the audit record before they are told.',
)
const lastFour = text(/^[0-9]{4}$/, 'The last four digits.')
const number = text(/^[0-9]{13,19}$/, 'The card number.')
const month = text(/^[0-9]{2}$/, 'Month of expiry; left out when the card was given without.')
const year = text(/^[0-9]{2}$/, 'Last two digits of the year of expiry.')
const bulkId = text(/^[a-z]{26}$/, 'Of a bulk detokenization.')

export const PARAMETERS = {
  merchant: text(/^[a-z][a-z0-9-]{0,39}$/, 'A merchant of the configuration.'),
  token,
  bulkId,
} as const
export type ParameterName = keyof typeof PARAMETERS

export const SHAPES = {
  charge: record({
    token,
    amountMinor: {
      type: 'integer',
      minimum: 1,
      maximum: 999_999_999_999,
      description: "In the currency's smallest unit (ISO 4217).",
    },
    currency: text(/^[A-Z]{3}$/, 'ISO 4217.'),
  }),
  charged: record(
    {
      outcome: { type: 'string', enum: ['approved', 'declined'] },
      approvalCode: text(/^[A-Za-z0-9]{1,6}$/, 'Of an approval.'),
      declineCode: text(/^[A-Za-z0-9]{2}$/, 'Of a decline.'),
    },
    ['approvalCode', 'declineCode'],
  ),
  detokenize: record({ token, purpose }),
  card: record({ token, number, expiryMonth: month, expiryYear: year }, ['expiryMonth', 'expiryYear']),
  metadata: record({
    token,
    lastFour,
    brand: text(/^[a-z-]{3,20}$/, 'As far as the number tells it.'),
    reuse: { type: 'string', enum: ['reusable', 'single'] },
    state: { type: 'string', enum: ['live', 'claimed', 'gone'], description: 'claimed: a single use is under way.' },
    createdAtMs: epochMs('Milliseconds since 1970.'),
    endsAtMs: epochMs('Gone from then on; 0: no time limit.'),
  }),
  bulkRequest: record({
    tokens: { type: 'array', minItems: 1, maxItems: BULK_TOKENS_MAX, uniqueItems: true, items: token },
    purpose,
  }),
  bulk: record({
    bulkId,
    state: { type: 'string', enum: ['requested', 'approved', 'collected'] },
    requestedBy: { type: 'string' },
    approvedBy: { type: ['string', 'null'] },
    purpose: { type: 'string' },
    tokens: { type: 'integer', description: 'How many.' },
    validUntilMs: epochMs('Approved, then collected, before then.'),
  }),
  bulkCards: record({
    cards: {
      type: 'array',
      items: record({ token, number, expiryMonth: month, expiryYear: year }, ['expiryMonth', 'expiryYear']),
    },
    refused: {
      type: 'array',
      description: 'Tokens that stand for no card any more, or never did.',
      items: record({ token, code: { type: 'string', enum: ['unknown_token', 'token_gone', 'card_shredded'] } }),
    },
  }),
  health: record({ status: { type: 'string', enum: ['ok'] } }),
  problem: record({
    code: { type: 'string' },
    status: { type: 'integer' },
    title: { type: 'string' },
    detail: { type: 'string', description: 'What to do.' },
  }),
} as const
export type ShapeName = keyof typeof SHAPES
