import type { CodecName, Direction } from './sdp-text.ts'

/** How a phone takes its next calls. Refusals may carry headers, such as the Contact of a 302. */
export type AnswerPolicy =
  | { readonly kind: 'answer'; readonly afterMs: number; readonly earlyMedia: boolean }
  | {
      readonly kind: 'refuse'
      readonly afterMs: number
      readonly status: number
      readonly reason: string
      readonly headers?: readonly (readonly [name: string, value: string])[]
    }
  | { readonly kind: 'ring' }

/** Which voice a phone speaks with; the same voice and seed always give the same samples. */
export type SpeechChoice = { readonly voice: 'payer' | 'agent'; readonly seed: number }

export type PhoneOptions = {
  /** Also the user part of its address of record. */
  readonly name: string
  /** The local IPv4 address for SIP and RTP. */
  readonly address: string
  /** 0 or left out: any free port. */
  readonly sipPort?: number
  /** In order of preference; the first is offered first. */
  readonly codecs?: readonly CodecName[]
  /** Payload type of telephone-event in our SDP; null leaves it out. */
  readonly eventPayloadType?: number | null
  readonly speech?: SpeechChoice
  readonly answer?: AnswerPolicy
  /** User-Agent and Server header, and the user and session name in the SDP origin: strings a test can look for. */
  readonly userAgent?: string
  readonly sdpOrigin?: string
  readonly displayName?: string
}

/** How keys are sent: RFC 4733 events, tones in the audio, both at once, or SIP INFO (application/dtmf-relay). */
export type KeyTransport = 'events' | 'inband' | 'both' | 'info'

export type PressOptions = {
  /** Any of 0-9, *, #, A-D. Public test cards only: this is the outside world. */
  readonly keys: string
  readonly transport: KeyTransport
  readonly onMs?: number
  readonly offMs?: number
  /** Level of the low and of the high tone of a pair, in dBm0. */
  readonly lowDbm0?: number
  readonly highDbm0?: number
}

/** A key as it was pressed; atUs is the monotonic time (us) at which its first sample was sent. */
export type PressedKey = {
  readonly key: string
  readonly atUs: number
  readonly onMs: number
  readonly transport: KeyTransport
}

export type CallOptions = {
  /** The request URI; its host and port are also where the INVITE is sent, unless proxy says otherwise. */
  readonly to: string
  readonly from?: string
  readonly proxy?: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** How long it may ring before the phone gives up with CANCEL. */
  readonly ringMs?: number
}

export type CallOutcome =
  | { readonly kind: 'answered'; readonly callId: string }
  | { readonly kind: 'refused'; readonly callId: string; readonly status: number; readonly reason: string }
  | { readonly kind: 'unanswered'; readonly callId: string }
  | { readonly kind: 'busy' }

export type ReinviteOptions = {
  readonly direction?: Direction
  readonly codecs?: readonly CodecName[]
  /** Opens new RTP sockets on this address, on new ports. */
  readonly address?: string
  /** Opens new RTP sockets on the same address. */
  readonly newPort?: boolean
}

export type RequestOutcome =
  | { readonly kind: 'done'; readonly status: number }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'unanswered' }
  | { readonly kind: 'no_call' }

export type PhoneEventName =
  | 'incoming'
  | 'ringing'
  | 'early_media'
  | 'answered'
  | 'acknowledged'
  | 'reinvited'
  | 'media'
  | 'info'
  | 'cancelled'
  | 'refused'
  | 'ended'

/** Something that happened on a phone, at a monotonic time (us). */
export type PhoneEvent = { readonly name: PhoneEventName; readonly atUs: number; readonly callId: string }

/** One RTP packet, sent or received. Times are process.hrtime in us: one clock for all processes of a host. */
export type LoggedPacket = {
  readonly atUs: number
  readonly payloadType: number
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payload: Uint8Array
}

export type LoggedInfo = {
  readonly atUs: number
  readonly contentType: string
  readonly body: string
}

/** Everything one side could have recorded of its calls. */
export type PhoneReport = {
  readonly name: string
  readonly sent: readonly LoggedPacket[]
  readonly received: readonly LoggedPacket[]
  readonly rtcpReceived: readonly { readonly atUs: number; readonly bytes: Uint8Array }[]
  /** Datagrams at the RTP port that were not RTP. */
  readonly notRtp: number
  readonly keys: readonly PressedKey[]
  readonly infosSent: readonly LoggedInfo[]
  readonly infosReceived: readonly LoggedInfo[]
  readonly events: readonly PhoneEvent[]
  /** SIP text as received and as sent, for tests that look for what should not be there. */
  readonly sipReceived: readonly string[]
  readonly sipSent: readonly string[]
  /** True when a log was full and something was left out. */
  readonly truncated: boolean
}

export type PhoneCommand =
  | { readonly kind: 'start'; readonly options: PhoneOptions }
  | { readonly kind: 'call'; readonly options: CallOptions }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'answer'; readonly policy: AnswerPolicy }
  | { readonly kind: 'speak'; readonly on: boolean }
  | { readonly kind: 'press'; readonly options: PressOptions }
  | { readonly kind: 'reinvite'; readonly options: ReinviteOptions }
  | { readonly kind: 'info'; readonly contentType: string; readonly body: string }
  | { readonly kind: 'options'; readonly to: string }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'report' }

export type StartOutcome =
  | { readonly kind: 'started'; readonly sipPort: number }
  | { readonly kind: 'failed'; readonly code: 'address_unavailable' | 'speech_missing' }

export type PressOutcome =
  | { readonly kind: 'pressed'; readonly keys: readonly PressedKey[] }
  | { readonly kind: 'no_call' }
  | { readonly kind: 'not_a_key' }

/** What each command is answered with. */
export type PhoneReplies = {
  readonly start: StartOutcome
  readonly call: CallOutcome
  readonly cancel: RequestOutcome
  readonly answer: RequestOutcome
  readonly speak: RequestOutcome
  readonly press: PressOutcome
  readonly reinvite: RequestOutcome
  readonly info: RequestOutcome
  readonly options: RequestOutcome
  readonly hangup: RequestOutcome
  readonly report: PhoneReport
}

/** Parent to phone. */
export type PhoneRequest = { readonly id: number; readonly command: PhoneCommand }

/** Phone to parent. */
export type PhoneMessage =
  | { readonly kind: 'reply'; readonly id: number; readonly reply: PhoneReplies[PhoneCommand['kind']] }
  | { readonly kind: 'event'; readonly event: PhoneEvent }
