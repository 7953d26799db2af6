import type { SipDialog, SipMessage } from './sip-server.ts'

/** Hears the answer in the next ACK of the peer, to an offer in a 200 of ours; '' when there is none. */
export function hearAnswer(dialog: SipDialog, listener: (sdp: string) => void): void {
  const emitter = dialog as unknown as { once(event: 'ack', listener: (request: SipMessage) => void): void }
  emitter.once('ack', (request) => listener(request.body))
}
