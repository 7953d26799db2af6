import { challengeRetry } from './challenge-retry.ts'
import type { NonceCounts } from './digest.ts'
import type { SipDialog, SipMessage } from './sip-server.ts'
import type { Credentials } from './trunk-secrets.ts'

/** What the library asks, for each challenge in a dialog, with the request that was sent. */
type AskedRequest = SipMessage & {
  readonly method: string
  readonly uri: string
  readonly _originalParams?: { readonly options: { uri: string; headers?: Record<string, string>; body?: string } }
}
type Reply = (error: Error | null, user?: string, password?: string) => void

/**
 * Lets requests in a dialog prove themselves when they are challenged. The library would do that by itself, but for a
 * request in a dialog it signs a URI that was never sent, knows MD5 only, and tries again for ever when that is refused.
 * So the header is written here, in its place, and a proof that was refused is the end.
 */
export function proveInDialog(dialog: SipDialog, credentials: Credentials, nonceCounts: NonceCounts): void {
  const auth = (request: AskedRequest, response: SipMessage & { readonly status: number }, reply: Reply): void => {
    const options = request._originalParams?.options
    const headers = { ...options?.headers }
    const { method, uri } = request
    const asked = { method, uri, headers, body: options?.body ?? '', sent: request, response, credentials, nonceCounts }
    const retry = challengeRetry({ ...asked, status: response.status })
    const name = response.status === 401 ? 'Authorization' : 'Proxy-Authorization'
    const value = retry?.[name]
    if (options === undefined || value === undefined) return reply(new Error('the challenge cannot be answered'))
    options.headers = Object.defineProperty(headers, name, {
      get: () => value,
      // What the library writes over it is wrong.
      set: () => undefined,
      enumerable: true,
      configurable: true,
    })
    reply(null, credentials.user, '')
  }
  Object.assign(dialog, { auth })
}
