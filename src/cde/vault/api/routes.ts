import type { ClientRole } from '../../../wire/vault-api-configuration.ts'
import type { ProblemCode } from './problem.ts'
import { PARAMETERS, type ParameterName, type ShapeName } from './shape.ts'

export type Operation =
  | 'health'
  | 'document'
  | 'charge'
  | 'metadata'
  | 'remove'
  | 'detokenize'
  | 'bulkRequest'
  | 'bulkState'
  | 'bulkApprove'
  | 'bulkCollect'

export type Route = {
  readonly operation: Operation
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Parameters are named like :token. */
  readonly path: string
  readonly summary: string
  /** Which clients may call it. */
  readonly roles: readonly ClientRole[]
  /** null: it takes none. */
  readonly body: ShapeName | null
  readonly answers: { readonly status: 200 | 202 | 204; readonly shape: ShapeName | null }
  /** Changes something, and so takes an Idempotency-Key. */
  readonly isOrder: boolean
  readonly problems: readonly ProblemCode[]
}

const OF_MERCHANT = '/v1/merchants/:merchant'
const ALL: readonly ClientRole[] = ['charger', 'detokenizer', 'approver']
const USES: readonly ProblemCode[] = ['unknown_token', 'token_gone', 'card_shredded']

export const ROUTES: readonly Route[] = [
  {
    operation: 'health',
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the vault can answer: 200 when its database does',
    roles: ALL,
    body: null,
    answers: { status: 200, shape: 'health' },
    isOrder: false,
    problems: ['store_failed'],
  },
  {
    operation: 'document',
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    roles: ALL,
    body: null,
    answers: { status: 200, shape: null },
    isOrder: false,
    problems: [],
  },
  {
    operation: 'charge',
    method: 'POST',
    path: OF_MERCHANT + '/charges',
    summary: 'Have the acquirer authorize an amount on a card',
    roles: ['charger'],
    body: 'charge',
    answers: { status: 200, shape: 'charged' },
    isOrder: true,
    problems: [...USES, 'no_connector', 'acquirer_unavailable'],
  },
  {
    operation: 'metadata',
    method: 'GET',
    path: OF_MERCHANT + '/tokens/:token',
    summary: 'What may be shown of the card that a token stands for',
    roles: ['charger', 'detokenizer'],
    body: null,
    answers: { status: 200, shape: 'metadata' },
    isOrder: false,
    problems: ['unknown_token'],
  },
  {
    operation: 'remove',
    method: 'DELETE',
    path: OF_MERCHANT + '/tokens/:token',
    summary: 'Delete a token, and what is kept of its card',
    roles: ['charger'],
    body: null,
    answers: { status: 204, shape: null },
    isOrder: true,
    problems: ['unknown_token', 'token_gone'],
  },
  {
    operation: 'detokenize',
    method: 'POST',
    path: OF_MERCHANT + '/detokenizations',
    summary: 'Have one card number told',
    roles: ['detokenizer'],
    body: 'detokenize',
    answers: { status: 200, shape: 'card' },
    isOrder: true,
    problems: [...USES, 'cards_limited', 'audit_backlog'],
  },
  {
    operation: 'bulkRequest',
    method: 'POST',
    path: OF_MERCHANT + '/bulk-detokenizations',
    summary: 'Request that many card numbers are told: another person must approve within a day',
    roles: ['detokenizer'],
    body: 'bulkRequest',
    answers: { status: 202, shape: 'bulk' },
    isOrder: true,
    problems: ['audit_backlog'],
  },
  {
    operation: 'bulkState',
    method: 'GET',
    path: OF_MERCHANT + '/bulk-detokenizations/:bulkId',
    summary: 'Where a bulk detokenization stands',
    roles: ['detokenizer', 'approver'],
    body: null,
    answers: { status: 200, shape: 'bulk' },
    isOrder: false,
    problems: ['unknown_bulk'],
  },
  {
    operation: 'bulkApprove',
    method: 'POST',
    path: OF_MERCHANT + '/bulk-detokenizations/:bulkId/approval',
    summary: 'Approve what another person has requested; it may be collected for a quarter of an hour',
    roles: ['approver'],
    body: null,
    answers: { status: 200, shape: 'bulk' },
    isOrder: true,
    problems: ['unknown_bulk', 'same_person', 'bulk_not_approved', 'bulk_over'],
  },
  {
    operation: 'bulkCollect',
    method: 'POST',
    path: OF_MERCHANT + '/bulk-detokenizations/:bulkId/cards',
    summary: 'Have the card numbers told, once, to whoever requested them',
    roles: ['detokenizer'],
    body: null,
    answers: { status: 200, shape: 'bulkCards' },
    isOrder: true,
    problems: ['unknown_bulk', 'bulk_not_approved', 'bulk_over', 'audit_backlog'],
  },
]

export type Found = { readonly route: Route; readonly parameters: Readonly<Partial<Record<ParameterName, string>>> }

const MATCHERS: ReadonlyMap<string, RegExp> = new Map(
  Object.entries(PARAMETERS).map(([name, { pattern }]) => [name, new RegExp(pattern)]),
)

/** The route of a request, whose path has no query; null when there is none, or a parameter is not what it should be. */
export function findRoute(method: string, path: string): Found | null {
  const pieces = path.split('/')
  for (const route of ROUTES) {
    if (route.method !== method) continue
    const parameters = parametersOf(route.path.split('/'), pieces)
    if (parameters !== null) return { route, parameters }
  }
  return null
}

function parametersOf(template: readonly string[], pieces: readonly string[]): Found['parameters'] | null {
  if (template.length !== pieces.length) return null
  const parameters: Record<string, string> = {}
  for (const [index, part] of template.entries()) {
    const piece = pieces[index] ?? ''
    const name = part.startsWith(':') ? part.slice(1) : null
    if (name === null ? piece !== part : MATCHERS.get(name)?.test(piece) !== true) return null
    if (name !== null) parameters[name] = piece
  }
  return parameters
}
