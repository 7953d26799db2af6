import { createHash } from 'node:crypto'
import type { ClientRole } from '../../../wire/vault-api-configuration.ts'
import { lengthPrefixed } from '../seal.ts'
import type { OrderRow, Store } from '../store.ts'
import { problem, type Answer } from './answer.ts'

/** An answer is given again to the same idempotency key for this long. */
const KEPT_MS = 86_400_000
/** 26^26 ids: none is guessed, and two never meet. */
const ID_LETTERS = 26
const FIRST_LETTER = 'a'.charCodeAt(0)
const LETTERS_IN_ALPHABET = 26

/** A client, as certificate and configuration say; its origin is the certificate's name. */
export type Caller = { readonly name: string; readonly role: ClientRole; readonly origin: string }

export type Order = {
  readonly caller: Caller
  readonly idempotencyKey: string
  readonly operation: string
  readonly merchant: string
  /** All that makes it another order when it differs: path and body. */
  readonly content: readonly string[]
}

/** What the work came to, and how its row stands from then on; only a success is kept. */
export type Worked = {
  readonly answer: Answer
  readonly state?: OrderRow['state']
  readonly detail?: string
}

/**
 * Orders under idempotency keys (draft-ietf-httpapi-idempotency-key-header). What is ordered is noted before anything is done, and the answer
 * before it is told. A repetition gets the noted answer; one that has none, after a crash or a refusal, is worked on again under
 * the same claim, which the work must do once. An answer with card numbers is never noted: it is made again.
 */
export class Orders {
  readonly #store: Pick<Store, 'order'>
  readonly #underWay = new Set<string>()

  constructor(store: Pick<Store, 'order'>) {
    this.#store = store
  }

  /** Rejects as the work does, or with StoreFailure. */
  async run(order: Order, work: (claim: string) => Promise<Worked>): Promise<Answer> {
    const orderId = orderIdOf(order)
    if (this.#underWay.has(orderId)) return problem('request_in_progress')
    this.#underWay.add(orderId)
    try {
      const known = await this.#begin(order, orderId)
      if (known !== null) return known
      const { answer, state = 'done', detail = '' } = await work(orderId)
      if (answer.kind !== 'problem') await this.#finish(orderId, { answer: noted(answer), state, detail })
      return answer
    } finally {
      this.#underWay.delete(orderId)
    }
  }

  /** The answer there is already, or null where there is work to do. */
  #begin(order: Order, orderId: string): Promise<Answer | null> {
    const { caller, merchant, operation } = order
    const digest = createHash('sha256')
      .update(lengthPrefixed([operation, merchant, ...order.content]))
      .digest()
    const repeated = { role: caller.role, origin: caller.origin, action: 'request', merchant, windowId: '' } as const
    return this.#store.order<Answer | null>({
      orderId,
      decide: (row, nowMs) => {
        if (row === null) {
          const times = { createdAtMs: nowMs, endsAtMs: nowMs + KEPT_MS }
          const fresh = { orderId, client: caller.name, merchant, operation, digest, state: 'pending' } as const
          return { result: null, row: { ...fresh, answer: '', detail: '', ...times }, audit: null }
        }
        if (row.client !== caller.name || Buffer.compare(row.digest, digest) !== 0) {
          const audit = { ...repeated, outcome: 'idempotency_conflict', resource: operation } as const
          return { result: problem('idempotency_conflict'), row: null, audit }
        }
        const answer = row.answer === '' ? null : (JSON.parse(row.answer) as Answer)
        const audit = answer === null ? null : ({ ...repeated, outcome: 'repeated', resource: operation } as const)
        return { result: answer, row: null, audit }
      },
    })
  }

  #finish(orderId: string, now: Pick<OrderRow, 'answer' | 'state' | 'detail'>): Promise<null> {
    return this.#store.order<null>({
      orderId,
      decide: (row) => ({ result: null, row: row === null ? null : { ...row, ...now }, audit: null }),
    })
  }
}

/** A secret is not kept: an empty text has it made again. */
function noted(answer: Answer): string {
  return answer.kind === 'secret' ? '' : JSON.stringify(answer)
}

/** The same for the same client and key, and letters only, so that it may be shown. */
function orderIdOf({ caller, idempotencyKey }: Order): string {
  const hash = createHash('sha512')
    .update(lengthPrefixed([caller.name, idempotencyKey]))
    .digest()
  return Array.from(hash.subarray(0, ID_LETTERS), (byte) =>
    String.fromCharCode(FIRST_LETTER + (byte % LETTERS_IN_ALPHABET)),
  ).join('')
}
