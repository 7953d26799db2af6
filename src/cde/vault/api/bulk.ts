import type { OrderDecision, OrderRow, TokenRefusal } from '../store.ts'
import { problem, type Answer } from './answer.ts'
import { cardsJson, type NamedCard } from './card-json.ts'
import { auditOf, type Asked, type OperationParts, type TokenOperations } from './operations.ts'
import type { Worked } from './orders.ts'

/** Whoever should approve sees it within a working day. */
const REQUESTED_MS = 86_400_000
/** An approval is for now: the numbers are collected while whoever approved still knows why. */
const APPROVED_MS = 900_000

export type BulkBody = { readonly tokens: readonly string[]; readonly purpose: string }

/** What waits in the row of a bulk detokenization, beside who requested it and for which merchant. */
type Detail = BulkBody & {
  readonly validUntilMs: number
  readonly approvedBy: string | null
  /** The order that collected it: its repetition may once more, while it is valid. */
  readonly collectedBy: string | null
}

/**
 * Many card numbers at once, by two persons: one requests, another approves, with a certificate of another name, and the first collects, once.
 * Each step is on record before its answer is given, and so is each card (PCI DSS 7.2.6, 10.2.1.1).
 */
export class BulkDetokenizations {
  readonly #parts: OperationParts
  readonly #tokens: TokenOperations

  constructor(parts: OperationParts, tokens: TokenOperations) {
    this.#parts = parts
    this.#tokens = tokens
  }

  /** The row of the order becomes that of the bulk. */
  async request({ caller, merchant, claim }: Asked, { tokens, purpose }: BulkBody): Promise<Worked> {
    if (!this.#parts.trail.hasRoom) return { answer: problem('audit_backlog') }
    const resource = [claim, 'of', String(tokens.length), 'for', purpose].join(' ')
    await this.#parts.store.append({ ...auditOf('bulk_request', { caller, merchant }, resource), outcome: 'done' })
    const times = { validUntilMs: this.#parts.nowMs() + REQUESTED_MS, approvedBy: null, collectedBy: null }
    const detail: Detail = { tokens, purpose, ...times }
    const answer = faceOf({ orderId: claim, client: caller.name, state: 'requested' }, detail, 202)
    return { answer, state: 'requested', detail: JSON.stringify(detail) }
  }

  state({ caller, merchant }: Omit<Asked, 'claim'>, bulkId: string): Promise<Answer> {
    return this.#parts.store.order<Answer>({
      orderId: bulkId,
      decide: (row) => {
        const bulk = bulkOf(row, merchant)
        const mine = bulk !== null && (caller.role === 'approver' || bulk.row.client === caller.name) ? bulk : null
        const audit = { ...auditOf('bulk_read', { caller, merchant }, bulkId), outcome: 'unknown_bulk' } as const
        if (mine === null) return { result: problem('unknown_bulk'), row: null, audit }
        return { result: faceOf(mine.row, mine.detail, 200), row: null, audit: null }
      },
    })
  }

  approve({ caller, merchant }: Asked, bulkId: string): Promise<Answer> {
    const entry = auditOf('bulk_approve', { caller, merchant }, bulkId)
    return this.#parts.store.order<Answer>({
      orderId: bulkId,
      decide: (row, nowMs): OrderDecision<Answer> => {
        const refuse = (code: 'unknown_bulk' | 'same_person' | 'bulk_over' | 'bulk_not_approved') => {
          return { result: problem(code), row: null, audit: { ...entry, outcome: code } }
        }
        const bulk = bulkOf(row, merchant)
        if (bulk === null) return refuse('unknown_bulk')
        if (bulk.row.client === caller.name) return refuse('same_person')
        if (bulk.detail.validUntilMs <= nowMs) return refuse('bulk_over')
        if (bulk.row.state === 'approved' && bulk.detail.approvedBy === caller.name) {
          return { result: faceOf(bulk.row, bulk.detail, 200), row: null, audit: { ...entry, outcome: 'repeated' } }
        }
        if (bulk.row.state !== 'requested') return refuse('bulk_not_approved')
        const detail: Detail = { ...bulk.detail, validUntilMs: nowMs + APPROVED_MS, approvedBy: caller.name }
        const approved: OrderRow = { ...bulk.row, state: 'approved', detail: JSON.stringify(detail) }
        return { result: faceOf(approved, detail, 200), row: approved, audit: { ...entry, outcome: 'done' } }
      },
    })
  }

  async collect({ caller, merchant, claim }: Asked, bulkId: string): Promise<Answer> {
    if (!this.#parts.trail.hasRoom) return problem('audit_backlog')
    const entry = auditOf('bulk_collect', { caller, merchant }, bulkId)
    const collected = await this.#parts.store.order<Detail | Answer>({
      orderId: bulkId,
      decide: (row, nowMs): OrderDecision<Detail | Answer> => {
        const refuse = (code: 'unknown_bulk' | 'bulk_over' | 'bulk_not_approved') => {
          return { result: problem(code), row: null, audit: { ...entry, outcome: code } }
        }
        const bulk = bulkOf(row, merchant)
        if (bulk?.row.client !== caller.name) return refuse('unknown_bulk')
        if (bulk.detail.validUntilMs <= nowMs) return refuse('bulk_over')
        const isAgain = bulk.row.state === 'collected' && bulk.detail.collectedBy === claim
        if (bulk.row.state !== 'approved' && !isAgain) return refuse('bulk_not_approved')
        const detail: Detail = { ...bulk.detail, collectedBy: claim }
        const now: OrderRow = { ...bulk.row, state: 'collected', detail: JSON.stringify(detail) }
        return { result: detail, row: now, audit: { ...entry, outcome: isAgain ? 'repeated' : 'done' } }
      },
    })
    return 'kind' in collected ? collected : this.#cards({ caller, merchant, claim }, bulkId, collected)
  }

  async #cards({ caller, merchant, claim }: Asked, bulkId: string, { tokens, purpose }: Detail): Promise<Answer> {
    const keptMs = APPROVED_MS
    const used = await Promise.all(
      tokens.map(async (token) => {
        const entry = auditOf('detokenize', { caller, merchant }, [token, 'in', bulkId, 'for', purpose].join(' '))
        const step = {
          merchant,
          token,
          claim,
          keptMs,
          audit: (outcome: 'done' | TokenRefusal) => ({ ...entry, outcome }),
        }
        return { token, result: await this.#parts.store.useToken(step) }
      }),
    )
    const refused = used.flatMap(({ token, result }) =>
      result.kind === 'refused' ? [{ token, code: result.code }] : [],
    )
    const opened: NamedCard[] = []
    try {
      for (const { result } of used) if (result.kind === 'opened') opened.push(await this.#tokens.open(result.card))
      return { kind: 'secret', body: cardsJson(opened, refused) }
    } finally {
      for (const { card } of opened) card.wipe()
    }
  }
}

function bulkOf(row: OrderRow | null, merchant: string): { readonly row: OrderRow; readonly detail: Detail } | null {
  if (row?.operation !== 'bulkRequest' || row.merchant !== merchant || row.detail === '') return null
  return { row, detail: JSON.parse(row.detail) as Detail }
}

function faceOf(row: Pick<OrderRow, 'orderId' | 'client' | 'state'>, detail: Detail, status: 200 | 202): Answer {
  const { tokens, purpose, approvedBy, validUntilMs } = detail
  const people = { requestedBy: row.client, approvedBy }
  const body = { bulkId: row.orderId, state: row.state, ...people, purpose, tokens: tokens.length, validUntilMs }
  return { kind: 'json', status, body }
}
