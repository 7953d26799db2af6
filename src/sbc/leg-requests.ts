import type { SipDialog, SipDialogEvent, SipRequest, SipResponse } from './sip-server.ts'

/** Who is told of what a peer does in its dialog. */
export type LegListener = {
  readonly hungUp: (request: SipRequest) => void
  readonly asked: (method: SipDialogEvent, request: SipRequest, response: SipResponse) => void
}

const METHODS: readonly SipDialogEvent[] = ['modify', 'update', 'info', 'refer', 'message', 'notify', 'options']

/** A dialog can go from one call to another, so it is listened to once, and the one who listens changes. */
const listeners = new WeakMap<SipDialog, LegListener>()

export function listenTo(dialog: SipDialog, listener: LegListener): void {
  const isKnown = listeners.has(dialog)
  listeners.set(dialog, listener)
  if (isKnown) return
  dialog.on('destroy', (request) => listeners.get(dialog)?.hungUp(request))
  for (const method of METHODS)
    dialog.on(method, (request, response) => listeners.get(dialog)?.asked(method, request, response))
}
