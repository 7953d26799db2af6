import type { SeenMessage } from './seen-message.ts'

/** A message as the trace of its call has it. Addresses are `host:port`. */
export type TracedMessage = {
  /** Grows with each message of this process. */
  readonly sequence: number
  readonly atMs: number
  readonly direction: 'received' | 'sent'
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly local: string
  readonly remote: string
  readonly text: string
}

export type TraceLimits = {
  /** What all traces may take: a call has about 14 messages of 800 bytes, so this is some 4,000 calls. */
  readonly bytesMax: number
  /** Of one call, so that a peer that repeats itself does not take the place of others. */
  readonly callMessagesMax: number
  /** The first ones show how the call was set up, and stay when later ones make room. */
  readonly callFirstKept: number
  readonly endedKeptMs: number
}

export const TRACE_LIMITS: TraceLimits = {
  bytesMax: 48 * 1_048_576,
  callMessagesMax: 200,
  callFirstKept: 30,
  endedKeptMs: 15 * 60_000,
}

/** Nine digits, so that it can be told everywhere; then it begins again. */
const SEQUENCE_MAX = 999_999_999
/** What V8 takes for a message beside its text, roughly. */
const MESSAGE_BYTES = 300

const LOOK_EVERY_MS = 100
/** When it is full, so much is kept. */
const ROOM_SHARE = 0.95

type TracedCall = { readonly messages: TracedMessage[]; bytes: number; endedAtMs: number | null }

/** The last messages of each call, by Call-ID, ended ones for some minutes. When room is short, those that ended first go first. */
export class MessageTrace {
  readonly #limits: TraceLimits
  readonly #live = new Map<string, TracedCall>()
  /** In the order in which they ended. */
  readonly #ended = new Map<string, TracedCall>()
  #bytes = 0
  #sequence = 0
  #nextLookMs = 0

  constructor(limits: TraceLimits = TRACE_LIMITS) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get calls(): number {
    return this.#live.size + this.#ended.size
  }

  /** A trace begins with an INVITE; what belongs to no call is not kept. */
  add(seen: SeenMessage, facts: Omit<TracedMessage, 'sequence' | 'text'>): void {
    const isInvite = seen.method === 'INVITE' && seen.status === null
    const call =
      this.#live.get(seen.callId) ?? this.#ended.get(seen.callId) ?? (isInvite ? this.#begin(seen.callId) : null)
    if (call === null) return
    this.#sequence = (this.#sequence % SEQUENCE_MAX) + 1
    // Written out: an object that is spread takes more memory, and there are tens of thousands.
    const { atMs, direction, transport, local, remote } = facts
    call.messages.push({ sequence: this.#sequence, atMs, direction, transport, local, remote, text: seen.text })
    this.#grow(call, seen.text.length + MESSAGE_BYTES)
    if (call.messages.length > this.#limits.callMessagesMax) {
      const [gone] = call.messages.splice(this.#limits.callFirstKept, 1)
      if (gone !== undefined) this.#grow(call, -gone.text.length - MESSAGE_BYTES)
    }
    if (call.endedAtMs === null && endsCall(seen)) {
      call.endedAtMs = facts.atMs
      this.#live.delete(seen.callId)
      this.#ended.set(seen.callId, call)
    }
    this.#forget(facts.atMs)
  }

  /** The messages of calls by their Call-IDs, in order; those of unknown ones are missing. */
  of(callIds: readonly string[]): readonly TracedMessage[] {
    return [...new Set(callIds)]
      .flatMap((callId) => (this.#live.get(callId) ?? this.#ended.get(callId))?.messages ?? [])
      .sort((one, other) => one.sequence - other.sequence)
  }

  #begin(callId: string): TracedCall {
    const call: TracedCall = { messages: [], bytes: 0, endedAtMs: null }
    this.#live.set(callId, call)
    return call
  }

  #grow(call: TracedCall, bytes: number): void {
    call.bytes += bytes
    this.#bytes += bytes
  }

  /** Looked for now and then, and a little more than must be: to look at every message is dearer than to keep it. */
  #forget(nowMs: number): void {
    const isFull = this.#bytes > this.#limits.bytesMax
    if (!isFull && nowMs < this.#nextLookMs && nowMs >= this.#nextLookMs - LOOK_EVERY_MS) return
    this.#nextLookMs = nowMs + LOOK_EVERY_MS
    const bytesMax = isFull ? this.#limits.bytesMax * ROOM_SHARE : this.#limits.bytesMax
    for (const [callId, { bytes, endedAtMs }] of this.#ended) {
      const isOld = endedAtMs !== null && nowMs - endedAtMs > this.#limits.endedKeptMs
      if (!isOld && this.#bytes <= bytesMax) break
      this.#ended.delete(callId)
      this.#bytes -= bytes
    }
    for (const [callId, { bytes }] of this.#live) {
      if (this.#bytes <= bytesMax) break
      this.#live.delete(callId)
      this.#bytes -= bytes
    }
  }
}

/** A BYE, or the refusal of an INVITE. A challenged one is sent again with the same Call-ID, and so is kept as long. */
function endsCall(seen: SeenMessage): boolean {
  if (seen.method === 'BYE') return true
  return seen.method === 'INVITE' && seen.status !== null && seen.status >= 300
}
