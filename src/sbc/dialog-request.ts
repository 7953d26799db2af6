import { within } from '../kit/within.ts'
import type { SipDialog } from './sip-server.ts'

/** A request has its answer after 32 s at most (RFC 3261 Timer F); from a SIP server that was lost there is none. */
const ANSWER_MS_MAX = 35_000

/** Sends a request in a dialog. The status of its answer; 408: none came. 503: it was not sent. Never rejects. */
export function askInDialog(
  dialog: Pick<SipDialog, 'request'>,
  request: Parameters<SipDialog['request']>[0],
  withinMs = ANSWER_MS_MAX,
): Promise<number> {
  const asked = dialog.request(request).then(
    ({ status }) => status,
    () => 503,
  )
  return within(asked, withinMs, 408)
}
