import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import { errorFields, type Logger } from '../kit/log.ts'
import { within } from '../kit/within.ts'
import { challengeRetry } from './challenge-retry.ts'
import { proveInDialog } from './dialog-proof.ts'
import { NonceCounts } from './digest.ts'
import type { Library, SentRequest } from './sip-library.ts'
import { answerStray, STRAY_METHODS } from './stray-requests.ts'
import type { Credentials } from './trunk-secrets.ts'
import { writeTogether } from './write-together.ts'

/**
 * The one door to drachtio-srf, and so to the SIP server behind it: the embedded sipd, or a drachtio-server. Only what
 * the sbc uses is named here, in its own types, so that nothing of the library spreads.
 */
export type SipHeaders = Readonly<Record<string, string>>

export type SipMessage = {
  readonly body: string
  readonly source_address: string
  readonly source_port: string
  readonly protocol: string
  get(name: string): string | undefined
  has(name: string): boolean
}

export type SipRequest = SipMessage & {
  readonly method: string
  readonly uri: string
  /** By name; values of a header that occurs more than once are joined by commas. */
  readonly headers: SipHeaders
  on(event: 'cancel', listener: () => void): void
}

export type SipResponse = SipMessage & {
  readonly status: number
  readonly finalResponseSent: boolean
  send(status: number, options?: SipReply): void
  send(status: number, reason: string, options?: SipReply): void
}
export type SipReply = { readonly headers?: SipHeaders; readonly body?: string }

export type SipDialogEvent = 'modify' | 'info' | 'refer' | 'update' | 'message' | 'notify' | 'options'

export type SipDialog = {
  /** The tags are ours and the peer's. */
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
  /** uac: we called, and the Call-ID is ours. */
  readonly type?: 'uac' | 'uas'
  /** False once a BYE was sent or received. */
  readonly connected: boolean
  readonly local: { readonly sdp: string }
  destroy(options?: { readonly headers?: SipHeaders }): Promise<unknown>
  modify(sdp: string): Promise<string>
  request(options: {
    readonly method: string
    readonly headers?: SipHeaders
    readonly body?: string
  }): Promise<SipMessage & { readonly status: number }>
  on(event: SipDialogEvent, listener: (request: SipRequest, response: SipResponse) => void): void
  on(event: 'destroy', listener: (request: SipRequest) => void): void
}

/**
 * Lets the requests in an answered dialog be heard: call it when somebody listens, for unheard ones the library would
 * accept by itself.
 */
export function hearRequests(dialog: SipDialog): void {
  holdRequests(dialog, false)
}

/** The same for a callee whose caller has not acknowledged its own answer yet: until then nothing can be passed on. */
export function hearAfterAck(callee: SipDialog, caller: SipDialog): void {
  const emitter = caller as unknown as { on(event: 'ack', listener: () => void): void }
  emitter.on('ack', () => hearRequests(callee))
}

function holdRequests(dialog: SipDialog, isHeld: boolean): void {
  Object.assign(dialog, { queueRequests: isHeld })
}

/** A re-INVITE has its answer after 32 s at most (RFC 3261 Timer B); from a SIP server that was lost there is none. */
const REINVITE_MS_MAX = 35_000

/** Sends a re-INVITE with a new description; ok: the answer to it. Never rejects. status 500: it was not sent. */
export async function reinvite(
  dialog: SipDialog,
  sdp: string,
): Promise<{ readonly kind: 'ok'; readonly sdp: string } | { readonly kind: 'rejected'; readonly status: number }> {
  const answered = dialog.modify(sdp).then(
    (answer) => ({ kind: 'ok', sdp: answer }) as const,
    (error: unknown) => {
      const { status } = error as { readonly status?: unknown }
      return { kind: 'rejected', status: typeof status === 'number' && status >= 400 ? status : 500 } as const
    },
  )
  const result = await within(answered, REINVITE_MS_MAX, { kind: 'rejected', status: 408 } as const)
  // The library counts a re-INVITE that was not accepted as still under way, and would queue every later one for ever.
  const counted = (dialog as { readonly _reinvitesInProgress?: { count: number } })._reinvitesInProgress
  if (result.kind === 'rejected' && counted !== undefined) counted.count = 0
  return result
}

export type OutgoingInvite = { cancel(): void }

/** How an outgoing INVITE ended without a dialog. status 0: it was not sent. */
export type InviteResult =
  | { readonly kind: 'answered'; readonly dialog: SipDialog; readonly response: SipMessage | null }
  | { readonly kind: 'rejected'; readonly status: number; readonly response: SipMessage | null }

/** not_sent: our own SIP server is away, or did not take it. silent: no final answer in time. */
export type RequestResult =
  | { readonly kind: 'answered'; readonly status: number; readonly response: SipMessage }
  | { readonly kind: 'silent' }
  | { readonly kind: 'not_sent' }

/** A challenge is answered once more when its nonce was stale; a peer that asks a third time is not served. */
const CHALLENGES_MAX = 2

const Srf = createRequire(import.meta.url)('drachtio-srf') as new () => Library

/** The library would give up after so many tries; without a SIP server there is nothing else to do. */
const RECONNECT_ATTEMPTS = Number.MAX_SAFE_INTEGER
/** Without a limit the library's pause grows by 1.7 with each try, to hours. */
const RECONNECT_MS_MAX = 1_000
const CONNECT_MS_MAX = 15_000

export type SipServerHandlers = {
  readonly invite: (request: SipRequest, response: SipResponse) => void
  readonly options: (request: SipRequest, response: SipResponse) => void
  /** The control connection went down: the SIP server has died, and with it every dialog. */
  readonly lost: () => void
  readonly connected: () => void
}

export class SipServer {
  readonly #library = new Srf()
  readonly #logger: Logger
  readonly #nonceCounts = new NonceCounts()
  #isConnected = false
  #closed = false

  constructor(options: {
    readonly host: string
    readonly port: number
    readonly secret: string
    readonly handlers: SipServerHandlers
    readonly logger: Logger
  }) {
    const { handlers, logger } = options
    this.#logger = logger
    silenceConsole()
    this.#library.invite((request, response) => handlers.invite(request, response))
    this.#library.options((request, response) => handlers.options(request, response))
    for (const method of STRAY_METHODS) this.#library[method](answerStray)
    this.#library.on('connect', (error) => {
      if (error !== null && error !== undefined) {
        logger.error(
          { code: 'sip_server_refused', ...errorFields(error) },
          'the SIP server refused the control connection; compare its secret with sip.secretFile',
        )
        return
      }
      this.#isConnected = true
      logger.info({ port: options.port }, 'connected to the SIP server')
      handlers.connected()
    })
    this.#library.on('error', (error) => {
      if (!this.#closed) logger.debug(errorFields(error), 'SIP control connection')
    })
    this.#library.on('close', () => {
      if (!this.#isConnected) return
      this.#isConnected = false
      if (!this.#closed) handlers.lost()
    })
    this.#library.connect({
      host: options.host,
      port: options.port,
      secret: options.secret,
      reconnect: { maxAttempts: RECONNECT_ATTEMPTS, retryMaxDelay: RECONNECT_MS_MAX },
    })
    this.#library.app?.client?.wp?.on('connect', writeTogether)
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** Resolves when connected, or false after CONNECT_MS_MAX; the library goes on trying. */
  async waitConnected(): Promise<boolean> {
    const until = performance.now() + CONNECT_MS_MAX
    while (!this.#isConnected && performance.now() < until && !this.#closed) await delay(20)
    return this.#isConnected
  }

  /**
   * Sends an INVITE, once more when it is challenged and there are credentials. `sent` hands over what can cancel it.
   * Requests of the callee wait for hearRequests. Never rejects.
   */
  async invite(
    uri: string,
    options: {
      readonly sdp: string
      readonly headers: SipHeaders
      readonly callingNumber: string
      readonly proxy?: string
      readonly credentials?: Credentials | null
    },
    progress: {
      readonly sent: (invite: OutgoingInvite) => void
      readonly provisional: (response: SipMessage & { readonly status: number }) => void
    },
  ): Promise<InviteResult> {
    const { sdp, credentials = null } = options
    const state: { request: SentRequest | null; isCancelled: boolean } = { request: null, isCancelled: false }
    const sent = (request: SentRequest): void => {
      const isFirst = state.request === null
      state.request = request
      if (state.isCancelled) request.cancel(() => undefined)
      if (!isFirst) return
      progress.sent({
        cancel: () => {
          state.isCancelled = true
          state.request?.cancel(() => undefined)
        },
      })
    }
    let { headers } = options
    for (let challenges = 0; ; challenges += 1) {
      const result = await this.#inviteOnce(uri, { ...options, headers }, { sent, provisional: progress.provisional })
      if (result.kind === 'answered') {
        if (credentials !== null) proveInDialog(result.dialog, credentials, this.#nonceCounts)
        return result
      }
      if (challenges === CHALLENGES_MAX || state.isCancelled) return result
      const asked = { method: 'INVITE', uri, headers, body: sdp, sent: state.request, credentials }
      const retry = challengeRetry({ ...asked, ...result, nonceCounts: this.#nonceCounts })
      if (retry === null) return result
      headers = retry
    }
  }

  async #inviteOnce(
    uri: string,
    options: {
      readonly sdp: string
      readonly headers: SipHeaders
      readonly callingNumber: string
      readonly proxy?: string
    },
    progress: {
      readonly sent: (request: SentRequest) => void
      readonly provisional: (response: SipMessage & { readonly status: number }) => void
    },
  ): Promise<InviteResult> {
    try {
      const dialog = await this.#library.createUAC(
        uri,
        {
          localSdp: options.sdp,
          headers: { ...options.headers },
          callingNumber: options.callingNumber,
          ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
        },
        {
          cbRequest: (_error, request) => {
            if (request !== undefined) progress.sent(request)
          },
          cbProvisional: progress.provisional,
        },
      )
      holdRequests(dialog, true)
      return { kind: 'answered', dialog, response: dialog.res }
    } catch (error) {
      const rejection = error as { readonly status?: unknown; readonly res?: SipMessage }
      if (typeof rejection.status === 'number')
        return { kind: 'rejected', status: rejection.status, response: rejection.res ?? null }
      this.#logger.warn({ code: 'invite_not_sent', ...errorFields(error) }, 'the SIP server did not send an INVITE')
      return { kind: 'rejected', status: 0, response: null }
    }
  }

  /** Sends a request outside a dialog, once more when it is challenged and there are credentials. Never rejects. */
  async request(
    uri: string,
    options: {
      readonly method: string
      readonly headers: SipHeaders
      readonly body?: string
      /** Where it goes instead of to the URI. */
      readonly proxy?: string
      readonly credentials?: Credentials | null
      readonly deadlineMs: number
    },
  ): Promise<RequestResult> {
    const { method, body = '', credentials = null } = options
    let { headers } = options
    for (let challenges = 0; ; challenges += 1) {
      const { result, sent } = await this.#requestOnce(uri, { ...options, headers, body })
      if (result.kind !== 'answered' || challenges === CHALLENGES_MAX) return result
      const asked = { method, uri, headers, body, sent, credentials, nonceCounts: this.#nonceCounts }
      const retry = challengeRetry({ ...asked, status: result.status, response: result.response })
      if (retry === null) return result
      headers = retry
    }
  }

  async #requestOnce(
    uri: string,
    options: {
      readonly method: string
      readonly headers: SipHeaders
      readonly body: string
      readonly proxy?: string
      readonly deadlineMs: number
    },
  ): Promise<{ readonly result: RequestResult; readonly sent: SentRequest | null }> {
    if (!this.#isConnected) return { result: { kind: 'not_sent' }, sent: null }
    const { method, headers, body, proxy } = options
    const state: { sent: SentRequest | null } = { sent: null }
    const answered = new Promise<RequestResult>((resolve) => {
      const written = { method, headers: { ...headers }, body, ...(proxy === undefined ? {} : { proxy }) }
      this.#library.request(uri, written, (_error, request) => {
        if (request === undefined) return resolve({ kind: 'not_sent' })
        state.sent = request
        request.on('response', (response) => {
          if (response.status >= 200) resolve({ kind: 'answered', status: response.status, response })
        })
      })
    })
    const result = await within(answered, options.deadlineMs, { kind: 'silent' } as const)
    return { result, sent: state.sent }
  }

  /**
   * Answers an INVITE with 200. null: it was cancelled meanwhile, or the server is gone. Requests of the caller wait for
   * hearRequests: they can arrive together with the news that the answer was sent. Requests of ours that the caller's
   * side challenges are proved when there are credentials.
   */
  answer(
    request: SipRequest,
    response: SipResponse,
    options: { readonly sdp: string; readonly headers: SipHeaders; readonly credentials?: Credentials | null },
  ): Promise<SipDialog | null> {
    const { credentials = null } = options
    return new Promise((resolve) => {
      const answered = (_error: unknown, dialog?: SipDialog): void => {
        if (dialog !== undefined) holdRequests(dialog, true)
        if (dialog !== undefined && credentials !== null) proveInDialog(dialog, credentials, this.#nonceCounts)
        resolve(dialog ?? null)
      }
      this.#library.createUAS(request, response, { localSdp: options.sdp, headers: { ...options.headers } }, answered)
    })
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#isConnected = false
    try {
      this.#library.disconnect()
    } catch {
      this.#stopConnecting()
    }
  }

  /** While it is not connected, the library refuses to disconnect and would go on trying for ever. */
  #stopConnecting(): void {
    const connection = this.#library.app?.client?.wp
    if (connection === undefined) return
    connection.closing = true
    clearTimeout(connection.reconnectVars?.retryTimer ?? undefined)
    connection.socket?.destroy()
  }
}

/**
 * The library prints messages that it cannot parse, and a SIP INFO can hold a key. Our own code logs through pino, so
 * in this process nothing is printed at all.
 */
function silenceConsole(): void {
  for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir'] as const)
    Object.assign(globalThis.console, { [method]: () => undefined })
}
