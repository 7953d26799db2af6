import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { VaultClientConfiguration } from '../../../wire/vault-api-configuration.ts'
import { errorFields, type Logger } from '../../../kit/log.ts'
import { KeyFailure } from '../key-ring.ts'
import { StoreFailure } from '../store.ts'
import { problem, type Answer, type Problem } from './answer.ts'
import { BulkDetokenizations, type BulkBody } from './bulk.ts'
import { openApiDocument } from './document.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import { auditOf, TokenOperations, type ChargeBody, type DetokenizeBody, type OperationParts } from './operations.ts'
import { Orders, type Caller, type Worked } from './orders.ts'
import type { ProblemCode } from './problem.ts'
import { RateLimit, type Taken } from './rate-limit.ts'
import type { Found, Route } from './routes.ts'
import { SHAPES } from './shape.ts'

const KEY_PROBLEMS: Readonly<Record<KeyFailure['code'], ProblemCode>> = {
  wrong_key: 'key_failed',
  unavailable: 'key_failed',
  sealed: 'sealed',
  shredded: 'card_shredded',
}
/** Requests of all clients under way at one time. */
const REQUESTS_MAX = 256
const NO_MERCHANT = ''

/** One request, as far as HTTP goes. `body` is null when the route takes none. */
export type ApiRequest = {
  readonly found: Found
  readonly idempotencyKey: string | readonly string[] | undefined
  readonly body: { readonly text: string; readonly value: unknown } | null
}

type Client = {
  readonly configuration: VaultClientConfiguration
  readonly requests: RateLimit
  readonly cards: RateLimit
}

/** Answers requests of clients whose certificate has been believed; knows nothing of sockets. Whatever is refused is written down first. */
export class ApiService {
  readonly #parts: OperationParts
  readonly #logger: Logger
  readonly #clients: ReadonlyMap<string, Client>
  readonly #tokens: TokenOperations
  readonly #bulk: BulkDetokenizations
  readonly #orders: Orders
  readonly #validators: ReadonlyMap<string, ValidateFunction>
  #underWay = 0
  #closing = false
  #idle: () => void = () => undefined

  constructor(options: {
    readonly parts: OperationParts
    readonly clients: readonly VaultClientConfiguration[]
    readonly logger: Logger
    /** Never goes back. */
    readonly clockMs: () => number
  }) {
    const { parts, clients, clockMs } = options
    this.#parts = parts
    this.#logger = options.logger
    this.#clients = new Map(
      clients.map((configuration) => [
        configuration.name,
        {
          configuration,
          requests: new RateLimit(configuration.requestsPerMinute, clockMs),
          cards: new RateLimit(configuration.cardsPerMinute, clockMs),
        },
      ]),
    )
    this.#tokens = new TokenOperations(parts)
    this.#bulk = new BulkDetokenizations(parts, this.#tokens)
    this.#orders = new Orders(parts.store)
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true })
    this.#validators = new Map(Object.entries(SHAPES).map(([name, shape]) => [name, ajv.compile(shape)]))
  }

  /** Whether the configuration knows a client of this name and role. */
  knows(caller: Pick<Caller, 'name' | 'role'>): boolean {
    return this.#clients.get(caller.name)?.configuration.role === caller.role
  }

  /** Before a request is read: whether its client may send another one now. Never rejects. */
  async admit(caller: Caller): Promise<Problem | null> {
    if (this.#closing) return problem('closing')
    if (this.#underWay >= REQUESTS_MAX) return problem('busy')
    const taken = this.#clients.get(caller.name)?.requests.take()
    return taken === undefined ? this.refuse('role_not_allowed', caller) : this.#limited(taken, 'rate_limited', caller)
  }

  /** Never rejects. */
  async handle(request: ApiRequest, caller: Caller): Promise<Answer> {
    this.#underWay += 1
    try {
      return await this.#answer(request, caller)
    } catch (error) {
      return this.#failed(error)
    } finally {
      this.#underWay -= 1
      if (this.#underWay === 0) this.#idle()
    }
  }

  /** Writes down that a request was refused before anything was done, and gives the answer. Never rejects. */
  async refuse(code: ProblemCode, caller: Caller, merchant = NO_MERCHANT): Promise<Problem> {
    this.#logger.warn({ code, peerRole: caller.role }, 'request refused')
    try {
      await this.#parts.store.append({ ...auditOf('request', { caller, merchant }, ''), outcome: code })
      return problem(code)
    } catch (error) {
      return this.#failed(error)
    }
  }

  /** Takes no more requests, and resolves when those under way are answered. Safe to call twice. */
  close(): Promise<void> {
    this.#closing = true
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const before = this.#idle
      this.#idle = () => {
        before()
        resolve()
      }
    })
  }

  async #answer({ found, idempotencyKey, body }: ApiRequest, caller: Caller): Promise<Answer> {
    const { route, parameters } = found
    const client = this.#clients.get(caller.name)
    if (client === undefined || !route.roles.includes(caller.role)) return this.refuse('role_not_allowed', caller)
    if (route.operation === 'document') return { kind: 'json', status: 200, body: openApiDocument() }
    if (route.operation === 'health') {
      await this.#parts.store.auditHead()
      return { kind: 'json', status: 200, body: { status: 'ok' } }
    }
    const merchant = parameters.merchant ?? NO_MERCHANT
    const isTheirs = client.configuration.merchants.includes(merchant) && this.#parts.merchants.has(merchant)
    if (!isTheirs) return this.refuse('unknown_merchant', caller, merchant)
    if (route.body !== null && this.#validators.get(route.body)?.(body?.value) !== true) {
      return this.refuse('malformed', caller, merchant)
    }
    const { token = '', bulkId = '' } = parameters
    if (route.operation === 'metadata') return this.#tokens.metadata({ caller, merchant, claim: '' }, token)
    if (route.operation === 'bulkState') return this.#bulk.state({ caller, merchant }, bulkId)
    const key = parseIdempotencyKey(idempotencyKey)
    if (key === null) return this.refuse('key_missing', caller, merchant)
    const content = [token, bulkId, body?.text ?? '']
    const order = { caller, idempotencyKey: key, operation: route.operation, merchant, content }
    return this.#orders.run(order, (claim) =>
      this.#work(route, { caller, merchant, claim }, { token, bulkId, value: body?.value, cards: client.cards }),
    )
  }

  async #work(
    { operation }: Route,
    asked: { readonly caller: Caller; readonly merchant: string; readonly claim: string },
    about: { readonly token: string; readonly bulkId: string; readonly value: unknown; readonly cards: RateLimit },
  ): Promise<Worked> {
    switch (operation) {
      case 'charge':
        return { answer: await this.#tokens.charge(asked, about.value as ChargeBody) }
      case 'remove':
        return { answer: await this.#tokens.remove(asked, about.token) }
      case 'detokenize': {
        const limited = await this.#limited(about.cards.take(), 'cards_limited', asked.caller)
        return { answer: limited ?? (await this.#tokens.detokenize(asked, about.value as DetokenizeBody)) }
      }
      case 'bulkRequest':
        return this.#bulk.request(asked, about.value as BulkBody)
      case 'bulkApprove':
        return { answer: await this.#bulk.approve(asked, about.bulkId) }
      case 'bulkCollect':
        return { answer: await this.#bulk.collect(asked, about.bulkId) }
      case 'health':
      case 'document':
      case 'metadata':
      case 'bulkState':
        return { answer: problem('internal') }
    }
  }

  /** A flood is written down once a minute. */
  async #limited(taken: Taken, code: 'rate_limited' | 'cards_limited', caller: Caller): Promise<Problem | null> {
    if (taken.kind === 'taken') return null
    if (taken.isNews) await this.refuse(code, caller)
    return problem(code, taken.retryAfterS)
  }

  #failed(error: unknown): Problem {
    const code =
      error instanceof StoreFailure
        ? 'store_failed'
        : error instanceof KeyFailure
          ? KEY_PROBLEMS[error.code]
          : 'internal'
    const errorCode = error instanceof StoreFailure ? { errorCode: error.code } : {}
    this.#logger.error({ code, ...errorFields(error), ...errorCode }, 'request failed')
    return problem(code)
  }
}
