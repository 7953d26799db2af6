import { AUDIT_GENESIS, chained, type AuditEntry, type AuditHead, type AuditRecord } from './audit-chain.ts'
import type {
  CardChange,
  FingerprintPlace,
  KeySlot,
  Ledger,
  LedgerStep,
  NewCard,
  PastTime,
  RequestName,
  RequestRow,
  TokenPlace,
} from './ledger.ts'
import type { PostgresSession } from './postgres-connection.ts'
import {
  addAuditRecords,
  addCards,
  addCustodians,
  addKeys,
  addRequests,
  cardsByFingerprint,
  cardsByToken,
  cardsOfRequests,
  cardsPastTime,
  finishRequests,
  keysActive,
  ordersById,
  putOrders,
  replaceCards,
  requestsByName,
  retireKeys,
  rewrapKeys,
  shredKeys,
  tokensTaken,
  type ReplacedCard,
} from './postgres-statements.ts'
import { StoreFailure, type CardRow, type CustodianRow, type KeyRow, type OrderRow } from './store.ts'
import { auditHead, bytesOf, cardRow, keyRow, optional, orderRow, requestRow } from './store-rows.ts'

type Needs = LedgerStep<unknown>['needs']

/** Held until the end of the transaction: the chain has one head, and so its writers stand in line. Any number will do. */
export const CHAIN_LOCK = 7_209_001
const BEGIN = {
  text: [
    'BEGIN',
    'SELECT pg_advisory_xact_lock(' + String(CHAIN_LOCK) + ')',
    'SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1',
  ].join('; '),
}

/**
 * One transaction of many steps, in two round trips: begin() takes the chain's lock and fetches what all steps need, the steps run on what is
 * in memory here, and commit() writes what they changed.
 */
export class PostgresLedger implements Ledger {
  readonly nowMs: () => number
  #head: AuditHead = AUDIT_GENESIS
  readonly #keys = new Map<string, KeyRow>()
  readonly #cards = new Map<string, CardRow>()
  readonly #tokens = new Map<string, string>()
  readonly #requests = new Map<string, RequestRow>()
  readonly #taken = new Map<string, true>()
  readonly #pastTime = new Map<string, CardRow>()
  readonly #orders = new Map<string, OrderRow>()

  readonly #retired: KeySlot[] = []
  readonly #newKeys: KeyRow[] = []
  readonly #shredded: KeyRow[] = []
  readonly #rewrapped: KeyRow[] = []
  readonly #custodians: CustodianRow[] = []
  readonly #newCards = new Map<string, NewCard>()
  readonly #replaced = new Map<string, ReplacedCard>()
  readonly #newRequests = new Map<string, RequestRow>()
  readonly #finished = new Map<string, RequestRow>()
  readonly #changedOrders = new Map<string, OrderRow>()
  readonly #audit: AuditRecord[] = []
  /** What takes back the step that runs. */
  #undo: (() => void)[] = []

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
  }

  /** Rejects with StoreFailure. */
  async begin(session: PostgresSession, needs: readonly Needs[]): Promise<void> {
    const keys = [...new Map(needs.flatMap(({ keys }) => (keys ?? []).map((slot) => [slotOf(slot), slot]))).values()]
    const fingerprints = needs.flatMap((need) => need.fingerprints ?? [])
    const cards = needs.flatMap((need) => need.cards ?? [])
    const requests = needs.flatMap((need) => need.requests ?? [])
    const tokens = needs.flatMap((need) => need.tokens ?? [])
    const orders = needs.flatMap((need) => need.orders ?? [])
    const pastTime = needs.find((need) => need.pastTime !== undefined)?.pastTime
    const [begun = [], ...found] = await allOf([
      session.queries(BEGIN),
      ...(keys.length === 0 ? [] : [session.queries(keysActive(keys))]),
      ...(fingerprints.length === 0 ? [] : [session.queries(cardsByFingerprint(fingerprints))]),
      ...(cards.length === 0 ? [] : [session.queries(cardsByToken(cards))]),
      ...(requests.length === 0
        ? []
        : [session.queries(cardsOfRequests(requests)), session.queries(requestsByName(requests))]),
      ...(tokens.length === 0 ? [] : [session.queries(tokensTaken(tokens))]),
      ...(orders.length === 0 ? [] : [session.queries(ordersById(orders))]),
      ...(pastTime === undefined ? [] : [session.queries(cardsPastTime(pastTime))]),
    ])
    this.#head = optional(begun.at(-1)?.rows[0], auditHead) ?? AUDIT_GENESIS
    for (const row of found.flat().flatMap(({ rows }) => rows)) {
      if ('wrapped' in row) this.#keys.set(slotOf(keyRow(row)), keyRow(row))
      else if ('sealed' in row) this.#hold(cardRow(row), bytesOf(row, 'fingerprint'))
      else if ('taken' in row) this.#taken.set(String(row['taken']), true)
      else if ('order_id' in row) this.#orders.set(orderRow(row).orderId, orderRow(row))
      else this.#requests.set(nameOf(requestRow(row)), requestRow(row))
    }
  }

  /** Runs one step; when it throws, nothing of it stays. */
  attempt<Result>(step: LedgerStep<Result>): Result {
    this.#undo = []
    try {
      return step.run(this)
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      throw error
    }
  }

  /** Rejects with StoreFailure. When the connection is lost meanwhile, it is not known whether the transaction was committed. */
  async commit(session: PostgresSession): Promise<void> {
    const warnings = session.warnings
    const statements = [
      ...(this.#retired.length === 0 ? [] : [retireKeys(this.#retired, this.nowMs())]),
      ...(this.#rewrapped.length === 0 ? [] : [rewrapKeys(this.#rewrapped)]),
      ...(this.#shredded.length === 0 ? [] : [shredKeys(this.#shredded, this.nowMs())]),
      ...(this.#newKeys.length === 0 ? [] : [addKeys(this.#newKeys)]),
      ...(this.#custodians.length === 0 ? [] : [addCustodians(this.#custodians)]),
      // A card that is gone makes room for the next with its number.
      ...(this.#replaced.size === 0 ? [] : [replaceCards([...this.#replaced.values()])]),
      ...(this.#newCards.size === 0 ? [] : [addCards([...this.#newCards.values()])]),
      ...(this.#newRequests.size === 0 ? [] : [addRequests([...this.#newRequests.values()])]),
      ...(this.#finished.size === 0 ? [] : [finishRequests([...this.#finished.values()])]),
      ...(this.#changedOrders.size === 0 ? [] : [putOrders([...this.#changedOrders.values()])]),
      ...(this.#audit.length === 0 ? [] : [addAuditRecords(this.#audit)]),
      { text: 'COMMIT' },
    ]
    const answers = await allOf(statements.map((statement) => session.query(statement)))
    // PostgreSQL answers ROLLBACK to the COMMIT of a transaction that failed.
    if (answers.at(-1)?.command !== 'COMMIT') throw new StoreFailure('ROLLED_BACK')
    if (session.warnings !== warnings) throw new StoreFailure('COMMIT_WARNED')
  }

  activeKey(slot: KeySlot): KeyRow | null {
    return this.#keys.get(slotOf(slot)) ?? null
  }

  addKey(row: KeyRow): void {
    this.#set(this.#keys, slotOf(row), row)
    this.#push(this.#newKeys, row)
  }

  retireKey(slot: KeySlot): void {
    this.#push(this.#retired, slot)
  }

  shredKey(row: KeyRow): void {
    if (this.activeKey(row)?.keyId === row.keyId) this.#delete(this.#keys, slotOf(row))
    this.#push(this.#shredded, row)
  }

  rewrapKey(row: KeyRow): void {
    this.#push(this.#rewrapped, row)
  }

  addCustodian(row: CustodianRow): void {
    this.#push(this.#custodians, row)
  }

  card(place: TokenPlace): CardRow | null {
    return this.#cards.get(placeOf(place)) ?? null
  }

  cardByFingerprint(owner: FingerprintPlace): CardRow | null {
    const place = this.#tokens.get(ownerOf(owner))
    const card = place === undefined ? undefined : this.#cards.get(place)
    return card?.state === 'live' ? card : null
  }

  isTaken(token: string): boolean {
    return this.#taken.has(token)
  }

  /** One step of a transaction asks for these; what another has changed meanwhile is told as it is now. */
  cardsPastTime({ nowMs, limit }: PastTime): readonly CardRow[] {
    const now = [...this.#pastTime.values()].map((card) => this.card(card) ?? card)
    return now.filter(({ endsAtMs }) => endsAtMs > 0 && endsAtMs <= nowMs).slice(0, limit)
  }

  addCard(row: NewCard): void {
    this.#set(this.#cards, placeOf(row), row)
    if (row.reuse === 'reusable') this.#set(this.#tokens, ownerOf(row), placeOf(row))
    this.#set(this.#taken, row.token, true)
    this.#set(this.#newCards, row.token, row)
  }

  replaceCard(card: CardRow, by: CardChange): void {
    this.#set(this.#cards, placeOf(card), { ...card, ...by })
    const added = this.#newCards.get(card.token)
    const fingerprint = by.fingerprint ?? this.#replaced.get(card.token)?.fingerprint ?? null
    if (added === undefined) this.#set(this.#replaced, card.token, { ...card, ...by, fingerprint })
    else this.#set(this.#newCards, card.token, { ...added, ...by })
  }

  request(name: RequestName): RequestRow | null {
    return this.#requests.get(nameOf(name)) ?? null
  }

  addRequest(row: RequestRow): void {
    this.#set(this.#requests, nameOf(row), row)
    this.#set(this.#newRequests, nameOf(row), row)
  }

  finishRequest(name: RequestName, outcome: Pick<RequestRow, 'outcome' | 'outcomeCode'>): void {
    const before = this.request(name)
    if (before === null) return
    const row = { ...before, ...outcome }
    this.#set(this.#requests, nameOf(name), row)
    this.#set(this.#newRequests.has(nameOf(name)) ? this.#newRequests : this.#finished, nameOf(name), row)
  }

  order(orderId: string): OrderRow | null {
    return this.#orders.get(orderId) ?? null
  }

  putOrder(row: OrderRow): void {
    this.#set(this.#orders, row.orderId, row)
    this.#set(this.#changedOrders, row.orderId, row)
  }

  append(entry: AuditEntry): void {
    const before = this.#head
    const record = chained(entry, before, this.nowMs())
    this.#undo.push(() => {
      this.#head = before
    })
    this.#head = record
    this.#push(this.#audit, record)
  }

  #hold(card: CardRow, fingerprint: Uint8Array): void {
    this.#cards.set(placeOf(card), card)
    if (card.endsAtMs > 0) this.#pastTime.set(card.token, card)
    if (card.reuse === 'reusable' && card.state === 'live') {
      this.#tokens.set(ownerOf({ merchant: card.merchant, fingerprint }), placeOf(card))
    }
  }

  #set<Value>(map: Map<string, Value>, key: string, value: Value): void {
    const before = map.get(key)
    this.#undo.push(() => {
      if (before === undefined) map.delete(key)
      else map.set(key, before)
    })
    map.set(key, value)
  }

  #delete<Value>(map: Map<string, Value>, key: string): void {
    const before = map.get(key)
    if (before === undefined) return
    this.#undo.push(() => map.set(key, before))
    map.delete(key)
  }

  #push<Value>(list: Value[], value: Value): void {
    this.#undo.push(() => list.pop())
    list.push(value)
  }
}

/** Waits for all: an answer that nobody waits for would be an error that nobody catches. The first failure is the cause of the others. */
async function allOf<Answer>(asked: readonly Promise<Answer>[]): Promise<Answer[]> {
  const settled = await Promise.allSettled(asked)
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

// No name below holds a space.
function slotOf({ merchant, purpose }: KeySlot): string {
  return merchant + ' ' + purpose
}

function placeOf({ merchant, token }: TokenPlace): string {
  return merchant + ' ' + token
}

function ownerOf({ merchant, fingerprint }: FingerprintPlace): string {
  return merchant + ' ' + Buffer.from(fingerprint).toString('base64')
}

function nameOf({ merchant, operation, idempotencyKey }: RequestName): string {
  return [merchant, operation, idempotencyKey].join(' ')
}
