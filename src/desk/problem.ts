import type { OrderRefusal } from '../wire/call-protocol.ts'

/** One kind of error answer (RFC 9457): `detail` says what to do, and both texts are literals. */
export type ProblemKind = { readonly status: number; readonly title: string; readonly detail: string }

/** Everything that the API can answer besides success. The table in README.md is checked against this by a test. */
export const PROBLEMS = {
  invalid_request: {
    status: 400,
    title: 'The request does not fit the API',
    detail: 'Compare path, query and body with /api/v1/openapi.json.',
  },
  token_missing: {
    status: 401,
    title: 'No bearer token',
    detail: 'Send "Authorization: Bearer" with the token of an agent from the configuration.',
  },
  token_refused: {
    status: 401,
    title: 'The bearer token is not known',
    detail: 'Use the first line of the tokenFile that the configuration names for this agent.',
  },
  session_ended: {
    status: 401,
    title: 'The session is over',
    detail: 'Sign in again: a page session ends after 15 minutes without input, after 12 hours, or by signing out.',
  },
  not_permitted: {
    status: 403,
    title: 'These calls belong to another agent',
    detail: 'Leave out the agent, or use the token of an agent with role "all".',
  },
  session_only: {
    status: 403,
    title: 'This is for page sessions',
    detail: 'Open a session with POST /api/v1/session, then send its token.',
  },
  not_found: { status: 404, title: 'Nothing is here', detail: 'Compare the path with /api/v1/openapi.json.' },
  unknown_call: {
    status: 404,
    title: 'No such call',
    detail: 'List the calls with GET /api/v1/calls. An ended call is kept for ten minutes.',
  },
  no_window: { status: 404, title: 'No payment window on this call', detail: 'Open one first.' },
  request_timeout: { status: 408, title: 'The request came too slowly', detail: 'Send it again, all at once.' },
  window_open: {
    status: 409,
    title: 'A payment window is open already',
    detail: 'Wait for its end or cancel it, then open another.',
  },
  call_ended: { status: 409, title: 'The call has ended', detail: 'A card can only be taken during a call.' },
  emergency: {
    status: 409,
    title: 'This is an emergency call',
    detail: 'No card can be taken on it: calls to emergency numbers are never masked or captured.',
  },
  body_too_large: { status: 413, title: 'The body is too large', detail: 'No request needs more than 4096 bytes.' },
  not_json: { status: 415, title: 'The body is not JSON', detail: 'Send "Content-Type: application/json".' },
  unknown_form: {
    status: 422,
    title: 'No such form on this call',
    detail: 'Take one of the names in the forms of the call.',
  },
  too_many_logins: {
    status: 429,
    title: 'Too many refused tokens from this address',
    detail: 'Wait as long as Retry-After says. Sessions that are open already go on.',
  },
  too_many_streams: {
    status: 429,
    title: 'Too many event streams',
    detail: 'Close one: each agent has 16 at most, on all pages and systems together.',
  },
  headers_too_large: { status: 431, title: 'The headers are too large', detail: 'Send less than 16 KiB of headers.' },
  internal: { status: 500, title: 'The desk failed', detail: 'Try again; the log of the desk names the error.' },
  guard_unavailable: {
    status: 503,
    title: 'No guard can mask this call now',
    detail: 'Do not ask for the card. Try again in a moment.',
  },
  out_of_service: {
    status: 503,
    title: 'Masking failed its own test here',
    detail: 'Do not ask for the card. Calls go on; masking comes back by itself when the test is passed.',
  },
  media_unavailable: {
    status: 503,
    title: 'The media of this call cannot be reached now',
    detail: 'Do not ask for the card. Try again in a moment.',
  },
  not_proven: {
    status: 503,
    title: 'The masking could not be proven',
    detail: 'Do not ask for the card. The call goes on as before; try again.',
  },
  not_recorded: {
    status: 503,
    title: 'Nothing can be written down now',
    detail:
      'Do not ask for the card. Calls go on; windows open again when the vault takes its audit record and ships it.',
  },
  unknown_merchant: {
    status: 503,
    title: 'The vault may not take cards of this merchant',
    detail:
      'Do not ask for the card. Calls go on; whoever runs the site must add the merchant of this call to the vault.',
  },
  sbc_lost: {
    status: 503,
    title: 'The call control cannot be reached',
    detail: 'Do not ask for the card. A customer who is masked stays masked. Try again when it is back.',
  },
  sbc_timeout: {
    status: 504,
    title: 'The call control did not answer in time',
    detail: 'Do not ask for the card unless the call says that it is capturing.',
  },
} as const satisfies Readonly<Record<string, ProblemKind>> & Readonly<Record<OrderRefusal, ProblemKind>>

export type ProblemCode = keyof typeof PROBLEMS

/** The body of application/problem+json. `field` is the place in the request, as a JSON pointer, when one is to blame. */
export type ProblemBody = ProblemKind & { readonly code: ProblemCode; readonly field?: string }

export function problemBody(code: ProblemCode, field?: string): ProblemBody {
  return field === undefined ? { code, ...PROBLEMS[code] } : { code, ...PROBLEMS[code], field }
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** Thrown by handlers and hooks; the server's error handler turns it into the answer. */
export class ProblemError extends Error {
  readonly code: ProblemCode
  readonly retryAfterS: number | null

  constructor(code: ProblemCode, options: { readonly retryAfterS: number | null } = { retryAfterS: null }) {
    super(PROBLEMS[code].title)
    this.code = code
    this.retryAfterS = options.retryAfterS
  }
}
