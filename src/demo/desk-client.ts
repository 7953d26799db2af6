import { setTimeout as delay } from 'node:timers/promises'

/** What the demonstration reads of a call through the desk's public API, as any integrator would. */
export type PaymentState = {
  readonly state: string
  readonly masking: string
  readonly token: string | null
  readonly lastFour: string | null
  readonly failure: string | null
  readonly openMs: number | null
  readonly fields: readonly {
    readonly name: string
    readonly state: string
    readonly entered: number
    readonly problem: string | null
  }[]
}

const REQUEST_MS_MAX = 5_000
const POLL_EVERY_MS = 20

/** The desk refused, or did what was not expected; `code` is the API's own, or says what was unexpected. */
export class DeskError extends Error {
  readonly code: string

  constructor(code: string) {
    super('the desk refused')
    this.name = 'DeskError'
    this.code = code
  }
}

/** The desk's HTTP API with one agent's bearer token. */
export class DeskClient {
  readonly #base: string
  readonly #token: string

  constructor(options: { readonly address: string; readonly token: string }) {
    this.#base = new URL('/api/v1', options.address).href
    this.#token = options.token
  }

  /** The call with this SIP Call-ID, waited for until deadlineMs. */
  async findCall(sipCallId: string, options: { readonly deadlineMs: number }): Promise<string> {
    const until = performance.now() + options.deadlineMs
    while (performance.now() < until) {
      const callId = firstCallId(await this.#request('GET', `/calls?sipCallId=${encodeURIComponent(sipCallId)}`))
      if (callId !== null) return callId
      await delay(POLL_EVERY_MS)
    }
    throw new DeskError('call_not_shown')
  }

  /** Returns when the masking is proven. */
  async openWindow(callId: string, options: { readonly form: string; readonly masking: string }): Promise<void> {
    await this.#request('POST', `/calls/${callId}/windows`, options)
  }

  /** The payer stays masked until the keys are quiet. */
  async cancelWindow(callId: string): Promise<void> {
    await this.#request('DELETE', `/calls/${callId}/window`)
  }

  /** Empties the field that is being typed, so that the payer can key it again. */
  async clearField(callId: string): Promise<void> {
    await this.#request('POST', `/calls/${callId}/window/clear`)
  }

  async payment(callId: string): Promise<PaymentState> {
    return readPayment(await this.#request('GET', `/calls/${callId}/window`))
  }

  /** Waits until the payment is as asked; throws DeskError('timeout') when it does not get there. */
  async until(
    callId: string,
    isReached: (payment: PaymentState) => boolean,
    options: { readonly deadlineMs: number },
  ): Promise<PaymentState> {
    const until = performance.now() + options.deadlineMs
    while (performance.now() < until) {
      const payment = await this.payment(callId)
      if (isReached(payment)) return payment
      await delay(POLL_EVERY_MS)
    }
    throw new DeskError('timeout')
  }

  async #request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#base + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    const answer: unknown = await response.json().catch(() => null)
    if (response.ok) return answer
    const code =
      typeof answer === 'object' && answer !== null && 'code' in answer && typeof answer.code === 'string'
        ? answer.code
        : String(response.status)
    throw new DeskError(code)
  }
}

/** The first call of a list, or null while it is empty. */
function firstCallId(answer: unknown): string | null {
  const calls = asRecord(answer)['calls']
  if (!Array.isArray(calls)) throw new DeskError('malformed_answer')
  if (calls.length === 0) return null
  const callId = asRecord(calls[0])['callId']
  if (typeof callId !== 'string') throw new DeskError('malformed_answer')
  return callId
}

function readPayment(answer: unknown): PaymentState {
  const { state, masking, token, lastFour, failure, openMs, fields } = asRecord(answer)
  if (
    typeof state !== 'string' ||
    typeof masking !== 'string' ||
    !isTextOrNull(token) ||
    !isTextOrNull(lastFour) ||
    !isTextOrNull(failure) ||
    !(openMs === null || typeof openMs === 'number') ||
    !Array.isArray(fields)
  ) {
    throw new DeskError('malformed_answer')
  }
  return { state, masking, token, lastFour, failure, openMs, fields: fields.map(readField) }
}

function readField(value: unknown): PaymentState['fields'][number] {
  const { name, state, entered, problem } = asRecord(value)
  if (typeof name !== 'string' || typeof state !== 'string' || typeof entered !== 'number' || !isTextOrNull(problem)) {
    throw new DeskError('malformed_answer')
  }
  return { name, state, entered, problem }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
