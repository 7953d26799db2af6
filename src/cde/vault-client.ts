import { ChannelClient, type Answer } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import { composeCardBody, type Card } from './card-body.ts'
import {
  parseVaultReply,
  RINSE_BYTES,
  type AuthorizeRequest,
  type RefusalCode,
  type ReportRequest,
  type Rinse,
  type TokenizeRequest,
  type VaultReply,
  type VaultRequest,
} from './vault-protocol.ts'

/** One attempt. A vault that was killed in between is noticed by this or by the channel's end, whichever is first. */
const ATTEMPT_MS_MAX = 2_000
/** Between attempts while the channel is down; it connects again by itself. */
const AGAIN_MS = 50

const RINSE = Buffer.alloc(RINSE_BYTES)

/** Refusals that say "nothing was done, come again". */
const WORTH_REPEATING: readonly RefusalCode[] = ['busy', 'closing', 'store_failed']

/** 'unavailable': no answer until the deadline, so it is not known whether the vault did it; the same idempotency key asks again. */
export type VaultAnswer<Success extends VaultReply> =
  Success | Extract<VaultReply, { readonly type: 'refused' }> | { readonly type: 'unavailable' }

export type TokenizeAnswer = VaultAnswer<Extract<VaultReply, { readonly type: 'tokenized' }>>
export type AuthorizeAnswer = VaultAnswer<Extract<VaultReply, { readonly type: 'approved' | 'declined' }>>

export type ReportAnswer = 'recorded' | 'refused' | 'unknown_merchant' | 'unavailable'

/** The guard's way to the vault: connects again by itself, repeats until a deadline, under the same idempotency key. */
export class VaultClient {
  readonly #channel: ChannelClient<VaultRequest | Rinse, VaultReply>
  readonly #closing = new AbortController()

  constructor(options: {
    readonly host: string
    readonly port: number
    readonly identity: Identity
    /** Told whenever the channel comes up or goes down. */
    readonly changed?: (isOpen: boolean) => void
  }) {
    const { host, port, identity, changed } = options
    this.#channel = new ChannelClient<VaultRequest | Rinse, VaultReply>({
      host,
      port,
      identity,
      peer: 'vault',
      parse: parseVaultReply,
      message: (_message, body) => body.fill(0),
      opened: () => changed?.(true),
      closed: () => changed?.(false),
    })
  }

  get isOpen(): boolean {
    return this.#channel.isOpen
  }

  /**
   * The card's digits are copied before this returns its promise, so they may be lent for the call only; the copy is overwritten
   * when the promise settles. Never rejects.
   */
  tokenize(
    request: Omit<TokenizeRequest, 'type'>,
    card: Card,
    options: { readonly deadlineMs: number },
  ): Promise<TokenizeAnswer> {
    return this.#tokenize({ type: 'tokenize', ...request }, composeCardBody(card), options.deadlineMs)
  }

  /** Never rejects. 'acquirer_unavailable' is told at once: whether to ask again, under the same key, is the caller's to decide. */
  async authorize(
    request: Omit<AuthorizeRequest, 'type'>,
    options: { readonly deadlineMs: number },
  ): Promise<AuthorizeAnswer> {
    const reply = await this.#ask(
      { type: 'authorize', ...request },
      { deadlineMs: options.deadlineMs, body: Buffer.alloc(0) },
    )
    return reply.type === 'tokenized' || reply.type === 'recorded' ? { type: 'unavailable' } : reply
  }

  /** 'refused', or 'unknown_merchant' as the reason: it will never be taken. 'unavailable': send it again. Never rejects. */
  async report(request: Omit<ReportRequest, 'type'>, options: { readonly deadlineMs: number }): Promise<ReportAnswer> {
    const reply = await this.#ask(
      { type: 'report', ...request },
      { deadlineMs: options.deadlineMs, body: Buffer.alloc(0) },
    )
    if (reply.type === 'refused') return reply.code === 'unknown_merchant' ? reply.code : reply.type
    return reply.type === 'recorded' ? reply.type : 'unavailable'
  }

  /** Ends the channel and what waits for it. Safe to call twice. */
  close(): void {
    this.#closing.abort()
    this.#channel.close()
  }

  async #tokenize(request: TokenizeRequest, body: Buffer, deadlineMs: number): Promise<TokenizeAnswer> {
    try {
      const reply = await this.#ask(request, { deadlineMs, body })
      return reply.type === 'tokenized' || reply.type === 'refused' ? reply : { type: 'unavailable' }
    } finally {
      body.fill(0)
      this.#channel.send({ type: 'rinse' }, RINSE)
    }
  }

  async #ask(
    request: VaultRequest,
    options: { readonly deadlineMs: number; readonly body: Buffer },
  ): Promise<VaultReply | { readonly type: 'unavailable' }> {
    const endMs = performance.now() + options.deadlineMs
    for (;;) {
      const leftMs = endMs - performance.now()
      if (leftMs <= 0 || this.#closing.signal.aborted) return { type: 'unavailable' }
      const attemptMs = request.type === 'tokenize' ? Math.min(leftMs, ATTEMPT_MS_MAX) : leftMs
      const answer = await this.#channel.request(request, { deadlineMs: attemptMs, body: options.body })
      const final = finalReply(answer)
      if (final !== null) return final
      await pause(Math.min(AGAIN_MS, Math.max(0, endMs - performance.now())), this.#closing.signal)
    }
  }
}

function finalReply(answer: Answer<VaultReply>): VaultReply | null {
  if (answer.kind !== 'reply') return null
  answer.body.fill(0)
  const { message } = answer
  return message.type === 'refused' && WORTH_REPEATING.includes(message.code) ? null : message
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delayMs)
    signal.addEventListener('abort', done)
  })
}
