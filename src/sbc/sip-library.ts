import type { Writable } from 'node:stream'
import type { STRAY_METHODS } from './stray-requests.ts'
import type { SipDialog, SipHeaders, SipMessage, SipRequest, SipResponse } from './sip-server.ts'

/** A request of ours as the library hands it back when it was sent. */
export type SentRequest = Pick<SipMessage, 'get'> & {
  cancel(callback?: () => void): void
  on(event: 'response', listener: (response: SipMessage & { readonly status: number }) => void): void
}

/** The library's own connection, which it can only be told to leave while it is up. */
type LibraryConnection = {
  closing?: boolean
  readonly socket?: { destroy(): void }
  on(event: 'connect', listener: (socket: Writable) => void): void
  readonly reconnectVars?: { readonly retryTimer?: NodeJS.Timeout | null }
}

/** Requests that no dialog of the library's takes. */
type Strays = {
  readonly [Method in (typeof STRAY_METHODS)[number]]: (
    listener: (request: SipRequest, response: SipResponse) => void,
  ) => void
}

/** What the sbc uses of drachtio-srf, which has no types of its own that are strict enough. */
export type Library = Strays & {
  readonly app?: { readonly client?: { readonly wp?: LibraryConnection } }
  connect(options: {
    readonly host: string
    readonly port: number
    readonly secret: string
    readonly reconnect: { readonly maxAttempts: number; readonly retryMaxDelay: number }
  }): void
  disconnect(): void
  on(event: 'connect', listener: (error: unknown, hostPort: string) => void): void
  on(event: 'error' | 'close', listener: (error: unknown) => void): void
  invite(listener: (request: SipRequest, response: SipResponse) => void): void
  options(listener: (request: SipRequest, response: SipResponse) => void): void
  request(
    uri: string,
    options: {
      readonly method: string
      readonly headers: SipHeaders
      readonly body: string
      readonly proxy?: string
    },
    sent: (error: unknown, request?: SentRequest) => void,
  ): void
  createUAC(
    uri: string,
    options: {
      readonly localSdp: string
      readonly headers: SipHeaders
      readonly callingNumber: string
      readonly proxy?: string
    },
    progress: {
      readonly cbRequest: (error: unknown, request?: SentRequest) => void
      readonly cbProvisional: (response: SipMessage & { readonly status: number }) => void
    },
  ): Promise<SipDialog & { readonly res: SipMessage }>
  createUAS(
    request: SipRequest,
    response: SipResponse,
    options: { readonly localSdp: string; readonly headers: SipHeaders },
    answered: (error: unknown, dialog?: SipDialog) => void,
  ): void
}
