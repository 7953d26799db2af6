/** One kind of error answer (RFC 9457): `detail` says what to do. Every text is a literal: nothing of a request comes back in it. */
export type ProblemKind = { readonly status: number; readonly title: string; readonly detail: string }

/** Everything that the vault's API answers beside success. */
export const PROBLEMS = {
  malformed: {
    status: 400,
    title: 'The request does not fit the API',
    detail: 'Compare path, headers and body with /v1/openapi.json.',
  },
  key_missing: {
    status: 400,
    title: 'No Idempotency-Key',
    detail: 'Send one of 8 to 64 letters, digits, dashes and underscores; the same when you ask again.',
  },
  role_not_allowed: {
    status: 403,
    title: 'The certificate is of a role that may not do this',
    detail: 'Use a client of the role that /v1/openapi.json names.',
  },
  same_person: {
    status: 403,
    title: 'Whoever asked may not approve',
    detail: 'Have another person approve, with a certificate of their own.',
  },
  not_found: { status: 404, title: 'Nothing is here', detail: 'Compare method and path with /v1/openapi.json.' },
  unknown_merchant: {
    status: 404,
    title: 'No such merchant',
    detail: 'Ask about a merchant that vault.api.clients names for this client.',
  },
  unknown_token: { status: 404, title: 'No such token', detail: 'Look whose token it is: each is of one merchant.' },
  unknown_bulk: {
    status: 404,
    title: 'No such bulk detokenization',
    detail: 'Request one with POST, and use the bulkId of its answer.',
  },
  request_timeout: { status: 408, title: 'The request came too slowly', detail: 'Send it again, all at once.' },
  request_in_progress: {
    status: 409,
    title: 'The same request is under way',
    detail: 'Wait for its answer, or ask again in a moment.',
  },
  no_connector: {
    status: 409,
    title: 'The merchant has no acquirer',
    detail: 'Name its connectorUrl in the configuration.',
  },
  bulk_not_approved: {
    status: 409,
    title: 'Nobody has approved it, or it was collected already',
    detail: 'Have another person approve it; one approval is for one collection.',
  },
  token_gone: {
    status: 410,
    title: 'The token is used, deleted or past its time',
    detail: 'Take the card again.',
  },
  card_shredded: {
    status: 410,
    title: 'The key that sealed the card is no more',
    detail: 'Take the card again.',
  },
  bulk_over: { status: 410, title: 'The time for this has passed', detail: 'Request it again.' },
  body_too_large: { status: 413, title: 'The request is too large', detail: 'Compare it with /v1/openapi.json.' },
  not_json: { status: 415, title: 'The body is not JSON', detail: 'Send Content-Type: application/json.' },
  idempotency_conflict: {
    status: 422,
    title: 'The Idempotency-Key was used for another request',
    detail: 'Use a new key for each new request.',
  },
  rate_limited: { status: 429, title: 'Too many requests', detail: 'Wait as long as Retry-After says.' },
  cards_limited: {
    status: 429,
    title: 'Too many card numbers',
    detail: 'Wait as long as Retry-After says, or request them in bulk, which another person must approve.',
  },
  headers_too_large: { status: 431, title: 'The headers are too large', detail: 'Send fewer.' },
  internal: { status: 500, title: 'The vault failed', detail: 'Ask again with the same Idempotency-Key.' },
  acquirer_unavailable: {
    status: 503,
    title: 'It is not known what the acquirer did',
    detail: 'Ask again with the same Idempotency-Key: it is booked once.',
  },
  audit_backlog: {
    status: 503,
    title: 'The audit record is not shipped',
    detail: 'No card number is told until it is. Look at the collector.',
  },
  busy: { status: 503, title: 'Too many requests at once', detail: 'Ask again with the same Idempotency-Key.' },
  closing: { status: 503, title: 'The vault is ending', detail: 'Ask again with the same Idempotency-Key.' },
  key_failed: { status: 503, title: 'A key cannot be used', detail: 'Look at the log of the vault.' },
  sealed: {
    status: 503,
    title: 'The vault is sealed',
    detail: 'Custodians must give their shares first: tonewall vault unseal.',
  },
  store_failed: {
    status: 503,
    title: 'The database cannot be used',
    detail: 'Ask again with the same Idempotency-Key.',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>

export type ProblemCode = keyof typeof PROBLEMS
export const PROBLEM_TYPE = 'application/problem+json'

export function problemBody(code: ProblemCode): ProblemKind & { readonly code: ProblemCode } {
  return { code, ...PROBLEMS[code] }
}
