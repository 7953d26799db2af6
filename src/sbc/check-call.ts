import { randomInt } from 'node:crypto'
import { eventTypesOf, readFarDescription, writeCheckDescription, type FarDescription } from './check-description.ts'
import {
  hearRequests,
  type OutgoingInvite,
  type SipDialog,
  type SipRequest,
  type SipResponse,
  type SipServer,
} from './sip-server.ts'

type HostPort = { readonly host: string; readonly port: number }

/** A far end that rings longer than this is not there. */
export const RING_MS_MAX = 60_000
/** A cancelled INVITE is answered within 32 s (RFC 3261 section 9.1), or never. */
const CANCEL_MS_MAX = 35_000
/** application/dtmf-relay and application/dtmf: older customs, no package of RFC 6086. */
const DTMF_INFO = /^\s*application\/dtmf(-relay)?\s*(;|$)/i
const INFO_BYTES_MAX = 256
const CONTENT = { 'Content-Type': 'application/sdp' }

/** The analyser hears what was agreed, and keys that came by INFO, unread. */
export type CheckCallEvents = {
  readonly agreed: (agreement: {
    readonly remote: HostPort
    readonly law: FarDescription['law']
    readonly events: readonly number[]
  }) => void
  readonly info: (key: { readonly relay: boolean; readonly body: Buffer }) => void
  /** The far end hung up. */
  readonly ended: () => void
}

export type CheckCallFacts = {
  /** Of our INVITE, to the first answer above 100 and to the 200; null where we were called. */
  readonly ringMs: number | null
  readonly answerMs: number | null
  readonly peer: HostPort
  readonly transport: string
  readonly far: Omit<FarDescription, 'remote'>
}

export type CheckCallStart =
  | { readonly kind: 'connected'; readonly call: CheckCall }
  /** status 0: the INVITE could not be sent. */
  | { readonly kind: 'rejected'; readonly status: number }
  | { readonly kind: 'unusable'; readonly code: 'no_audio' | 'no_g711' | 'no_port' | 'cancelled' | 'offerless' }
  | { readonly kind: 'unanswered' }

/** One call of a trunk check, answered: it only listens, says what was agreed, and hangs up. */
export class CheckCall {
  readonly facts: CheckCallFacts
  readonly #dialog: SipDialog

  private constructor(options: {
    readonly dialog: SipDialog
    readonly facts: Omit<CheckCallFacts, 'far'>
    readonly far: FarDescription
    readonly media: HostPort
    readonly sessionId: number
    readonly events: CheckCallEvents
  }) {
    const { dialog, far, media, sessionId, events } = options
    this.#dialog = dialog
    this.facts = {
      ...options.facts,
      far: { law: far.law, events: far.events, codecs: far.codecs, ptimeMs: far.ptimeMs },
    }
    let version = 1
    events.agreed(agreementOf(far))
    dialog.on('destroy', () => events.ended())
    dialog.on('info', (request, response) => {
      response.send(200)
      const type = DTMF_INFO.exec(request.get('Content-Type') ?? '')
      if (type !== null && request.body.length <= INFO_BYTES_MAX)
        events.info({ relay: type[1] !== undefined, body: Buffer.from(request.body, 'latin1') })
    })
    dialog.on('modify', (request, response) => {
      version += 1
      const offer = request.body === '' ? null : readFarDescription(request.body)
      if (typeof offer === 'string') return response.send(488)
      if (offer !== null) events.agreed(agreementOf(offer))
      response.send(200, { headers: CONTENT, body: writeCheckDescription({ media, sessionId, version, offer }) })
    })
    for (const event of ['refer', 'message'] as const) dialog.on(event, (_request, response) => response.send(405))
    hearRequests(dialog)
  }

  /** Calls a number; the signal gives up while it rings. */
  static async place(
    sip: Pick<SipServer, 'invite'>,
    options: {
      readonly uri: string
      readonly from: string
      readonly peer: HostPort
      readonly transport: string
      readonly media: HostPort
      readonly events: CheckCallEvents
      readonly ringing: () => void
      readonly signal: AbortSignal
      readonly ringMsMax?: number
    },
  ): Promise<CheckCallStart> {
    const { media, signal } = options
    const sessionId = newSessionId()
    const startMs = performance.now()
    let ringMs: number | null = null
    const sent: { invite: OutgoingInvite | null; isOver: boolean } = { invite: null, isOver: false }
    const cancel = (): void => {
      sent.isOver = true
      sent.invite?.cancel()
    }
    const limit = setTimeout(cancel, options.ringMsMax ?? RING_MS_MAX)
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
    try {
      const sdp = writeCheckDescription({ media, sessionId, version: 1, offer: null })
      const invited = sip.invite(
        options.uri,
        { sdp, headers: CONTENT, callingNumber: options.from },
        {
          sent: (invite) => {
            sent.invite = invite
            if (sent.isOver) invite.cancel()
          },
          provisional: ({ status }) => {
            if (status <= 100 || ringMs !== null) return
            ringMs = performance.now() - startMs
            options.ringing()
          },
        },
      )
      const result = await Promise.race([invited, overdue(signal, (options.ringMsMax ?? RING_MS_MAX) + CANCEL_MS_MAX)])
      if (result === null) return { kind: 'unanswered' }
      if (result.kind === 'rejected') {
        return sent.isOver ? { kind: 'unanswered' } : { kind: 'rejected', status: result.status }
      }
      const far = readFarDescription(result.response?.body ?? '')
      if (typeof far === 'string' || sent.isOver) {
        void result.dialog.destroy()
        return typeof far === 'string' ? { kind: 'unusable', code: far } : { kind: 'unanswered' }
      }
      const { peer, transport, events } = options
      const facts = { ringMs: rounded(ringMs), answerMs: rounded(performance.now() - startMs), peer, transport }
      return { kind: 'connected', call: new CheckCall({ dialog: result.dialog, facts, far, media, sessionId, events }) }
    } finally {
      clearTimeout(limit)
      signal.removeEventListener('abort', cancel)
    }
  }

  /** Takes a call. `media` is asked for the address to be named to this caller; null: there is no port. */
  static async accept(
    sip: Pick<SipServer, 'answer'>,
    request: SipRequest,
    response: SipResponse,
    options: { readonly media: (callerHost: string) => Promise<HostPort | null>; readonly events: CheckCallEvents },
  ): Promise<CheckCallStart> {
    const far = request.body === '' ? 'offerless' : readFarDescription(request.body)
    if (typeof far === 'string') {
      response.send(488)
      return { kind: 'unusable', code: far }
    }
    response.send(180)
    const media = await options.media(request.source_address)
    if (media === null) {
      response.send(503)
      return { kind: 'unusable', code: 'no_port' }
    }
    const sessionId = newSessionId()
    const sdp = writeCheckDescription({ media, sessionId, version: 1, offer: far })
    const dialog = await sip.answer(request, response, { sdp, headers: CONTENT })
    if (dialog === null) return { kind: 'unusable', code: 'cancelled' }
    const facts = {
      ringMs: null,
      answerMs: null,
      peer: { host: request.source_address, port: Number(request.source_port) },
      transport: request.protocol,
    }
    const { events } = options
    return { kind: 'connected', call: new CheckCall({ dialog, facts, far, media, sessionId, events }) }
  }

  /** Hangs up and waits for the answer, not longer than the library does. Safe to call twice. */
  async hangUp(): Promise<void> {
    if (!this.#dialog.connected) return
    try {
      await this.#dialog.destroy()
    } catch {
      // The far end hung up at the same time, or is gone: the call is over either way.
    }
  }
}

function agreementOf(far: FarDescription): Parameters<CheckCallEvents['agreed']>[0] {
  return { remote: far.remote, law: far.law, events: eventTypesOf(far) }
}

function newSessionId(): number {
  return randomInt(1, 2 ** 31)
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms)
}

/** An INVITE that is given up but never answered. */
function overdue(signal: AbortSignal, afterMs: number): Promise<null> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(null), afterMs).unref()
    signal.addEventListener('abort', () => setTimeout(() => resolve(null), GIVEN_UP_MS).unref(), { once: true })
  })
}

/** A person who gave up waits no longer than this for the answer to the CANCEL. */
const GIVEN_UP_MS = 2_000
