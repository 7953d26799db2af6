import { ChannelClient } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import type { MessageTrace, TracedMessage } from './message-trace.ts'
import { seenCallId } from './seen-message.ts'

/** What the sbc asks: the messages of some Call-IDs. */
type Question = { readonly type: 'trace.read'; readonly sipCallIds: readonly string[] }
type Answer = { readonly type: 'trace.messages'; readonly messages: readonly TracedMessage[] }

/** Both legs of a call, those of transfers, and of attempts that failed. */
const CALL_IDS_MAX = 32

/**
 * The way of traces to operators: sipd connects to the sbc and answers its questions. So sipd, which stands in the
 * carriers' network, listens for nothing more than SIP and its control protocol.
 */
export class TraceLink {
  readonly #client: ChannelClient<Answer, Question>

  constructor(options: {
    readonly host: string
    readonly port: number
    readonly identity: Identity
    readonly trace: Pick<MessageTrace, 'of'>
  }) {
    const { host, port, identity, trace } = options
    this.#client = new ChannelClient<Answer, Question>({
      host,
      port,
      identity,
      peer: 'sbc',
      parse: parseQuestion,
      message: ({ sipCallIds }, _body, reply) =>
        reply({ type: 'trace.messages', messages: trace.of(sipCallIds.map((callId) => seenCallId(callId))) }),
    })
  }

  /** Safe to call twice. */
  close(): void {
    this.#client.close()
  }
}

function parseQuestion(value: unknown): Question | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, sipCallIds }: { type?: unknown; sipCallIds?: unknown } = value
  if (type !== 'trace.read' || !Array.isArray(sipCallIds) || sipCallIds.length > CALL_IDS_MAX) return null
  const callIds: readonly unknown[] = sipCallIds
  return callIds.every((callId) => typeof callId === 'string')
    ? { type, sipCallIds: callIds.filter((callId) => typeof callId === 'string') }
    : null
}
