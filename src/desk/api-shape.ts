import { BRANDS } from '../wire/window-progress.ts'

/**
 * JSON Schemas (2020-12) of what the API takes and gives: fastify checks requests against them, and the OpenAPI document
 * is made of them. They say the same as src/wire/call-protocol.ts; a test compares real answers with them.
 */
const text = (pattern: string, description: string) => ({ type: 'string', pattern, description }) as const
const nullable = (of: { readonly type: 'string'; readonly pattern: string; readonly description: string }) => ({
  ...of,
  type: ['string', 'null'],
})
const whole = (minimum: number, maximum: number, description: string) => ({
  type: 'integer',
  minimum,
  maximum,
  description,
})
const oneOf = (description: string, ...values: readonly string[]) => ({ type: 'string', enum: values, description })
const oneOfOrNull = (description: string, ...values: readonly string[]) => ({
  type: ['string', 'null'],
  enum: [...values, null],
  description,
})
const record = (properties: Readonly<Record<string, object>>, description?: string) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties),
  properties,
  ...(description === undefined ? {} : { description }),
})
const epochMs = { type: 'integer', description: 'Milliseconds since 1970.' }

const callId = text('^[a-z]{20}$', "Tonewall's own id of the call.")
const agent = text("^[\\w.+@~!*'()-]{1,64}$", 'The agent: the SIP user that answered, or what the trunk’s header said.')
const sipCallId = text('^[\\x21-\\x7e]{1,200}$', 'A SIP Call-ID.')
const party = text('^[\\x20-\\x7e]{0,64}$', 'A number or user.')
const name = text('^[a-z][a-z0-9-]{0,39}$', 'A name from the configuration.')
const windowId = text('^[a-z]{16}$', 'Id of a payment window.')
const lastFour = text('^[0-9]{4}$', 'The last four digits, once the check digit passed.')
const token = text(
  '^(tok_[a-z]{20}[0-9]_[0-9]{4}|0[0-9]{12,18})$',
  'Stands for the card. It can never pass the check digit.',
)
const fieldNames = ['card-number', 'expiry', 'card-code'] as const
const brands = oneOfOrNull('Brand of the card, as far as is known.', ...BRANDS)
const masking = oneOf('How the payer is masked.', 'talk-through', 'hard')

const field = record({
  name: oneOf('Name of the field.', ...fieldNames),
  state: oneOf('Where the field stands.', 'waiting', 'entering', 'accepted', 'refused'),
  entered: whole(0, 19, 'Keys taken so far.'),
  digitsMax: whole(1, 19, 'Digits it takes at most, as far as is known.'),
  brand: brands,
  lastFour: nullable(lastFour),
  problem: oneOfOrNull(
    'Why the digits were refused.',
    'check_digit',
    'too_short',
    'unknown_brand',
    'brand_not_accepted',
    'expired',
    'not_a_date',
    'code_length',
    'keys_doubled',
    'inter_digit_timeout',
  ),
  triesLeft: whole(0, 9, 'Tries left.'),
})

const payment = record({
  windowId,
  form: name,
  masking,
  state: oneOf(
    'opening: do not ask for the card yet. capturing: the customer may type. cooling, held: still masked.',
    'opening',
    'capturing',
    'storing',
    'cooling',
    'held',
    'closed',
  ),
  fields: { type: 'array', maxItems: 3, items: field },
  token: nullable(token),
  lastFour: nullable(lastFour),
  brand: brands,
  failure: oneOfOrNull(
    'Why there is no token.',
    'tries_exhausted',
    'time_limit',
    'vault_unavailable',
    'vault_refused',
    'guard_lost',
    'sentinel_alarm',
    'payer_media_lost',
    'guard_unavailable',
    'out_of_service',
    'media_unavailable',
    'not_proven',
    'not_recorded',
    'unknown_merchant',
    'cancelled',
    'call_ended',
    'media_lost',
    'sbc_lost',
    'sip_lost',
  ),
  openMs: { ...whole(0, 600_000, 'From the order to the proof, in milliseconds.'), type: ['integer', 'null'] },
  alarmed: {
    type: 'boolean',
    description: 'Masking failed here: nothing got through, and the voice of the customer is cut off until the end.',
  },
  payerSilent: {
    type: 'boolean',
    description: 'Nothing has come from the customer’s line for some seconds; false again as soon as something does.',
  },
})

const call = record({
  callId,
  agent,
  payerSipCallId: sipCallId,
  agentSipCallId: sipCallId,
  from: party,
  to: party,
  payerTrunk: name,
  agentTrunk: name,
  merchant: text('^[a-z][a-z0-9-]{0,39}$', 'Whose cards, tokens and charges are taken on this call.'),
  state: oneOf('State of the call.', 'talking', 'held', 'ended'),
  startedAtMs: epochMs,
  endedAtMs: { ...epochMs, type: ['integer', 'null'] },
  forms: { type: 'array', maxItems: 32, items: name },
  payment: { oneOf: [payment, { type: 'null' }] },
})

export const API_SHAPES = {
  callPath: record({ callId }),
  callQuery: { type: 'object', additionalProperties: false, properties: { sipCallId, agent } },
  openBody: { type: 'object', additionalProperties: false, required: ['form'], properties: { form: name, masking } },
  clearBody: {
    type: ['object', 'null'],
    additionalProperties: false,
    properties: { field: oneOf('The field to clear; without it, the one that is being typed.', ...fieldNames) },
  },
  call,
  calls: record({
    sbc: oneOf('down: the calls are as they were last known.', 'up', 'down'),
    calls: { type: 'array', items: call },
  }),
  window: payment,
  opened: record({ callId, windowId }),
  session: record({
    token: text('^tws_', 'Bearer token of the session.'),
    agent,
    role: oneOf('What the agent sees.', 'agent', 'all'),
    idleMs: whole(1, 3_600_000, 'The session ends after so long without a renewal.'),
  }),
  problem: {
    type: 'object',
    additionalProperties: false,
    required: ['code', 'status', 'title', 'detail'],
    properties: {
      code: { type: 'string' },
      status: { type: 'integer' },
      title: { type: 'string' },
      detail: { type: 'string', description: 'What to do.' },
      field: { type: 'string', description: 'The place in the request that is to blame.' },
    },
  },
} as const
