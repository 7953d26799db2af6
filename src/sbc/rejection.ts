import { passableStatus, reasonOf } from './sip-reason.ts'
import type { SipMessage, SipResponse } from './sip-server.ts'

/** Refuses an INVITE, unless something final was said already. */
export function reject(response: SipResponse, status: number): void {
  if (!response.finalResponseSent) response.send(status, reasonOf(status))
}

/** The same with the time after which it may be tried again; a caller with another way takes that at once (RFC 3261 section 21.5.4). */
export function unavailable(response: SipResponse, retryAfterSeconds: number): void {
  if (!response.finalResponseSent)
    response.send(503, reasonOf(503), { headers: { 'Retry-After': String(retryAfterSeconds) } })
}

/** What of a rejection concerns the caller and names nobody: its status, RFC 3326 Reason without text, Retry-After. */
export function passRejection(
  response: SipResponse,
  rejection: { readonly status: number; readonly response: SipMessage | null },
): void {
  const headers: Record<string, string> = {}
  const reason = /^\s*(SIP|Q\.850)\s*;\s*cause\s*=\s*(\d{1,3})\b/i.exec(rejection.response?.get('Reason') ?? '')
  if (reason?.[1] !== undefined && reason[2] !== undefined) headers['Reason'] = `${reason[1]};cause=${reason[2]}`
  const retryAfter = retryAfterSeconds(rejection.response)
  if (retryAfter !== null) headers['Retry-After'] = retryAfter
  const status = rejectionStatus(rejection.status)
  response.send(status, reasonOf(status), { headers })
}

/** The seconds of a Retry-After header (RFC 3261 section 20.33) as they were written, or null without one. */
export function retryAfterSeconds(message: SipMessage | null): string | null {
  return /^\s*(\d{1,6})\b/.exec(message?.get('Retry-After') ?? '')?.[1] ?? null
}

function rejectionStatus(status: number): number {
  if (status === 0) return 503
  // A redirection, or a success that made no dialog.
  if (status < 400) return 480
  // A challenge is for us and not for the caller, who could not answer it.
  return status === 401 || status === 407 ? 403 : passableStatus(status)
}
