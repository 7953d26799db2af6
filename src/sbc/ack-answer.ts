import { within } from '../kit/within.ts'
import { AbortWait } from './abort-wait.ts'
import type { SipDialog, SipMessage } from './sip-server.ts'

/** RFC 3261 Timer H: a 200 without an ACK is given up then. */
const ACK_MS_MAX = 32_000

/** Hears the answer in the next ACK of the peer, to an offer in a 200 of ours; '' when there is none. */
export function hearAnswer(dialog: SipDialog, listener: (sdp: string) => void): void {
  const emitter = dialog as unknown as { once(event: 'ack', listener: (request: SipMessage) => void): void }
  emitter.once('ack', (request) => listener(request.body))
}

/** The same, waited for: '' also when the signal was aborted first, or no ACK came. */
export async function answerInAck(dialog: SipDialog, signal: AbortSignal): Promise<string> {
  const over = new AbortWait(signal, '')
  const heard = new Promise<string>((resolve) => hearAnswer(dialog, resolve))
  const answer = await within(Promise.race([heard, over.happened]), ACK_MS_MAX, '')
  over.forget()
  return answer
}
