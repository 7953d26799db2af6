import type { OrderRefusal, Payment, PaymentFailure } from '../wire/call-protocol.ts'
import type { GuardToSbc } from '../wire/guard-protocol.ts'
import type { WindowProgress } from '../wire/window-progress.ts'

/**
 * What the agent sees of a window, as a pure function of what happened.
 *
 *     opening ──proven──▶ capturing ──▶ storing ──▶ cooling ──▶ closed
 *        │                   │             │           │
 *        └───────────────────┴── guard lost ┴───────────┴──▶ held ──▶ closed
 *
 * held and cooling are masked. Nothing but `closed` is clear.
 */
export type PaymentInput =
  | { readonly type: 'progress'; readonly progress: WindowProgress }
  | { readonly type: 'proven'; readonly openMs: number }
  | { readonly type: 'guard-lost' }
  /** The guard's second belt held something back. */
  | { readonly type: 'alarm' }
  /** Nothing comes from the payer, or something does again. */
  | { readonly type: 'payer'; readonly silent: boolean }
  /** It could not be opened, or not be closed, and it is not known to be safe to go on: masked until it is. */
  | { readonly type: 'held' }
  | { readonly type: 'failed'; readonly failure: PaymentFailure }
  | { readonly type: 'closed' }

/** A window that was ordered and not yet proven. */
export function openingPayment(ordered: Pick<Payment, 'windowId' | 'form' | 'masking'>): Payment {
  return {
    windowId: ordered.windowId,
    form: ordered.form,
    masking: ordered.masking,
    state: 'opening',
    fields: [],
    token: null,
    lastFour: null,
    brand: null,
    failure: null,
    openMs: null,
    alarmed: false,
    payerSilent: false,
  }
}

export function stepPayment(payment: Payment, input: PaymentInput): Payment {
  if (payment.state === 'closed') return payment
  switch (input.type) {
    case 'progress':
      return withProgress(payment, input.progress)
    case 'proven':
      return payment.state === 'opening' ? { ...payment, state: 'capturing', openMs: input.openMs } : payment
    case 'guard-lost':
      // A token that was returned stays returned; only what was being typed is lost.
      return payment.token === null
        ? { ...payment, state: 'held', payerSilent: false, failure: payment.failure ?? 'guard_lost' }
        : { ...payment, state: 'held', payerSilent: false }
    case 'alarm':
      return { ...payment, alarmed: true }
    case 'payer':
      return payment.payerSilent === input.silent ? payment : { ...payment, payerSilent: input.silent }
    case 'held':
      return { ...payment, state: 'held' }
    case 'failed':
      return payment.token === null ? { ...payment, failure: payment.failure ?? input.failure } : payment
    case 'closed':
      return { ...payment, state: 'closed', payerSilent: false }
  }
}

function withProgress(payment: Payment, progress: WindowProgress): Payment {
  // A guard that took over after another was lost only masks; its fields are not those that the agent asked for.
  if (payment.state === 'held') return { ...payment, masking: progress.masking }
  const seen = {
    ...payment,
    masking: progress.masking,
    fields: progress.fields,
    token: progress.token ?? payment.token,
    lastFour: progress.lastFour ?? payment.lastFour,
    brand: progress.brand ?? payment.brand,
    failure: payment.failure ?? progress.failure,
  }
  switch (progress.state) {
    case 'masking':
      return seen
    case 'capturing':
    case 'storing':
      return payment.state === 'opening' ? seen : { ...seen, state: progress.state }
    case 'finished':
    case 'failed':
      return { ...seen, state: 'cooling' }
    case 'cancelled':
      return { ...seen, state: 'cooling', failure: seen.token === null ? (seen.failure ?? 'cancelled') : seen.failure }
  }
}

/** Why a guard that is proven to mask takes no keys, by its answer to the order; null: it takes them. */
export function captureRefusal(answer: GuardToSbc | null): 'not_recorded' | 'unknown_merchant' | 'not_proven' | null {
  if (answer?.type === 'ok') return null
  const code = answer?.type === 'refused' ? answer.code : null
  return code === 'not_recorded' || code === 'unknown_merchant' ? code : 'not_proven'
}

/** What the agent is told of a window whose opening was refused. The last five cannot happen to a window of a call. */
export function failureOf(code: OrderRefusal): PaymentFailure {
  switch (code) {
    case 'guard_unavailable':
    case 'out_of_service':
    case 'media_unavailable':
    case 'not_proven':
    case 'not_recorded':
    case 'unknown_merchant':
    case 'call_ended':
      return code
    case 'unknown_call':
    case 'unknown_form':
    case 'window_open':
    case 'no_window':
    case 'emergency':
      return 'media_unavailable'
  }
}
