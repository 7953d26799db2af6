import type { CallView, Payment } from '../wire/call-protocol.ts'
import { TRACE_EVENTS_MAX, type WindowEvent } from '../wire/trace-protocol.ts'
import type { CallQuality } from './media-quality.ts'
import { otherParty, type Party } from './party.ts'
import { readAudio, voiceCodecs } from './sdp.ts'
import type { InviteResult, SipServer } from './sip-server.ts'

/** INVITEs of one call that are remembered: more targets than that are not tried for one. */
const ATTEMPTS_MAX = 16
/** Of one side: transfers make new ones. */
const SIP_CALL_IDS_MAX = 16
const WINDOWS_MAX = 100

export type Attempt = {
  /** Host, port and transport; never a user part. */
  readonly target: string
  readonly trunk: string | null
  readonly startedAtMs: number
  endedAtMs: number | null
  /** null: not answered finally. 0: it could not be sent. */
  status: number | null
}

export type CallEnding = {
  /** null: we ended it. */
  readonly by: Party | null
  readonly reason: string
  readonly q850Cause: number | null
  readonly sipCause: number | null
}

/** What an entry asks of an answered call. */
export type RecordedCall = {
  readonly facts: {
    readonly callId: string
    readonly rtpengine: string
    readonly agent: string
    readonly merchant: string
  }
  readonly media: { sdpOf(party: Party): string }
  view(): CallView
}

/** One call from its INVITE to its end, as the journal has it: what the call itself forgets, and what never became one. */
export class CallEntry {
  readonly startedAtMs: number
  readonly callerParty: Party
  readonly callerTrunk: string | null
  readonly from: string
  readonly to: string
  readonly isEmergency: boolean
  readonly sipCallIds: { readonly [Side in Party]: Set<string> }
  readonly attempts: Attempt[] = []
  readonly events: WindowEvent[] = []
  readonly windows: { readonly openedAtMs: number; closedAtMs: number | null; outcome: string | null }[] = []
  call: RecordedCall | null = null
  callId: string | null = null
  agent: string | null = null
  merchant: string | null = null
  rtpengine: string | null = null
  codecs: { readonly [Side in Party]: string | null } = { payer: null, agent: null }
  ringingAtMs: number | null = null
  answeredAtMs: number | null = null
  endedAtMs: number | null = null
  status = 0
  ending: CallEnding = { by: null, reason: 'unknown', q850Cause: null, sipCause: null }
  quality: CallQuality | null = null
  readonly #dateMs: () => number
  readonly #trunkOf: (target: string) => string | null
  #windowId: string | null = null

  constructor(options: {
    readonly sipCallId: string
    readonly callerParty: Party
    readonly callerTrunk: string | null
    readonly from: string
    readonly to: string
    readonly isEmergency: boolean
    readonly dateMs: () => number
    /** The trunk with this target, written `host:port;transport=udp` or without port. */
    readonly trunkOf: (target: string) => string | null
  }) {
    this.#dateMs = options.dateMs
    this.#trunkOf = options.trunkOf
    this.startedAtMs = options.dateMs()
    this.callerParty = options.callerParty
    this.callerTrunk = options.callerTrunk
    this.from = options.from
    this.to = options.to
    this.isEmergency = options.isEmergency
    this.sipCallIds = { payer: new Set(), agent: new Set() }
    this.#knows(options.callerParty, options.sipCallId)
  }

  /** The SIP server as this call's set-up uses it: each INVITE and what became of it is noted. */
  watching<Server extends Pick<SipServer, 'invite'>>(
    server: Server,
  ): Pick<Server, Exclude<keyof Server, 'invite'>> & Pick<SipServer, 'invite'> {
    const invite: SipServer['invite'] = async (uri, options, progress) => {
      const attempt = this.#begin(uri)
      const result = await server.invite(uri, options, {
        ...progress,
        provisional: (response) => {
          if (response.status > 100) this.ringingAtMs ??= this.#dateMs()
          this.#knows(otherParty(this.callerParty), response.get('Call-ID'))
          progress.provisional(response)
        },
      })
      this.#over(attempt, result)
      return result
    }
    return new Proxy(server, {
      get: (target, name) => {
        if (name === 'invite') return invite
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  answered(call: RecordedCall): void {
    this.call = call
    this.callId = call.facts.callId
    this.merchant = call.facts.merchant
    this.agent = call.facts.agent
    this.answeredAtMs = this.#dateMs()
    this.status = 200
    this.look()
  }

  /** Takes over what the call is now. */
  look(): void {
    if (this.call === null) return
    const { facts, media } = this.call
    const view = this.call.view()
    this.rtpengine = facts.rtpengine
    this.agent = facts.agent
    this.codecs = codecsOf(media.sdpOf('payer'), media.sdpOf('agent'))
    this.#knows('payer', view.payerSipCallId)
    this.#knows('agent', view.agentSipCallId)
    if (view.payment !== null) this.#payment(view.payment)
  }

  end(ending: CallEnding, status?: number): void {
    this.look()
    this.ending = ending
    this.status = status ?? this.status
    this.endedAtMs = this.#dateMs()
  }

  #begin(uri: string): Attempt | null {
    if (this.attempts.length >= ATTEMPTS_MAX) return null
    const target = uri.slice(uri.indexOf('@') + 1).replace(/^sips?:/, '')
    const attempt = { target, trunk: this.#trunkOf(target), startedAtMs: this.#dateMs(), endedAtMs: null, status: null }
    this.attempts.push(attempt)
    return attempt
  }

  #over(attempt: Attempt | null, result: InviteResult): void {
    const side = otherParty(this.callerParty)
    if (result.kind === 'answered') this.#knows(side, result.dialog.sip.callId)
    else this.#knows(side, result.response?.get('Call-ID'))
    if (attempt === null) return
    attempt.endedAtMs = this.#dateMs()
    attempt.status = result.kind === 'answered' ? 200 : result.status
  }

  #knows(party: Party, sipCallId: string | undefined): void {
    const shown = (sipCallId ?? '').replace(/[^\x21-\x7e]/g, '').slice(0, 200)
    const known = this.sipCallIds[party]
    if (shown !== '' && shown !== '-' && known.size < SIP_CALL_IDS_MAX) known.add(shown)
  }

  #payment({ windowId, state, token, failure }: Payment): void {
    const atMs = this.#dateMs()
    if (this.#windowId !== windowId && this.windows.length < WINDOWS_MAX) {
      this.#windowId = windowId
      this.windows.push({ openedAtMs: atMs, closedAtMs: null, outcome: null })
    }
    const outcome = state !== 'closed' ? null : token !== null ? 'token' : (failure ?? 'none')
    const window = this.windows.at(-1)
    if (window !== undefined && this.#windowId === windowId && state === 'closed' && window.closedAtMs === null) {
      window.closedAtMs = atMs
      window.outcome = outcome
    }
    const last = this.events.at(-1)
    if (last?.state === state && last.outcome === outcome) return
    if (this.events.length < TRACE_EVENTS_MAX) this.events.push({ atMs, state, outcome })
  }
}

/** The codec that each leg most likely sends: the first of its own that the other one has too, else its first. */
function codecsOf(payer: string, agent: string): CallEntry['codecs'] {
  const names = (sdp: string): readonly string[] => {
    const audio = readAudio(sdp)
    return audio === null ? [] : voiceCodecs(audio).map(({ name }) => name)
  }
  const [ofPayer, ofAgent] = [names(payer), names(agent)]
  const pick = (own: readonly string[], other: readonly string[]): string | null =>
    own.find((name) => other.includes(name)) ?? own[0] ?? null
  return { payer: pick(ofPayer, ofAgent), agent: pick(ofAgent, ofPayer) }
}
