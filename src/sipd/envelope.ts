import { hasEmptyPart } from './header-list.ts'
import { METHOD_LENGTH_MAX } from './message-parser.ts'
import { listOf, valueOf, type SipMessage, type SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseVia, type Via } from './via.ts'

/** The fields that every element must understand (RFC 3261 section 8.1.1), parsed once when a message comes in. */
export type Envelope = {
  readonly via: Via
  readonly callId: string
  readonly cseq: { readonly number: number; readonly method: string }
  readonly fromTag: string
  readonly toTag: string
  readonly maxForwards: number | undefined
}

export type EnvelopeFault =
  'no_via' | 'empty_via' | 'no_call_id' | 'no_from' | 'no_to' | 'no_cseq' | 'cseq_method' | 'max_forwards'

/** CSeq numbers are below 2^31 (RFC 3261 section 8.1.1.5). */
const CSEQ_MAX = 2 ** 31 - 1

/** RFC 3261 section 20.22; leading zeros are allowed. */
const MAX_FORWARDS_MAX = 255

export function openEnvelope(message: SipMessage): Envelope | EnvelopeFault {
  const topVia = listOf(message, 'via')[0]
  const via = topVia === undefined ? undefined : parseVia(topVia)
  if (via === undefined) return 'no_via'
  if (message.kind === 'request' && message.headers.some(({ key, value }) => key === 'via' && hasEmptyPart(value)))
    return 'empty_via'
  const callId = valueOf(message, 'call-id')
  if (callId === undefined || callId === '' || callId.includes(' ')) return 'no_call_id'
  const from = parseNameAddr(valueOf(message, 'from') ?? '')
  if (from === undefined) return 'no_from'
  const to = parseNameAddr(valueOf(message, 'to') ?? '')
  if (to === undefined) return 'no_to'
  const cseq = parseCseq(valueOf(message, 'cseq') ?? '')
  if (cseq === undefined) return 'no_cseq'
  if (message.kind === 'request' && cseq.method !== message.method) return 'cseq_method'
  const hops = message.kind === 'request' ? maxForwardsOf(message) : undefined
  if (hops === 'invalid') return 'max_forwards'
  return {
    via,
    callId,
    cseq,
    fromTag: from.parameters.get('tag') ?? '',
    toTag: to.parameters.get('tag') ?? '',
    maxForwards: hops,
  }
}

/** The same for a request that came by two paths (RFC 3261 section 8.2.2.2). */
export function identityOf(envelope: Envelope): string {
  return `${envelope.callId} ${envelope.fromTag} ${envelope.cseq.number}`
}

/** `4711 INVITE`; undefined when it is not a number below 2^31 and a method. */
export function parseCseq(value: string): { readonly number: number; readonly method: string } | undefined {
  const parts = /^0{0,20}(\d{1,10})[ \t]+([^\s]+)$/.exec(value)
  const method = parts?.[2]
  const number = Number(parts?.[1])
  if (method === undefined || method.length > METHOD_LENGTH_MAX || number > CSEQ_MAX) return undefined
  return { number, method }
}

function maxForwardsOf(request: SipRequest): number | 'invalid' | undefined {
  const value = valueOf(request, 'max-forwards')
  if (value === undefined) return undefined
  const hops = /^\d{1,10}$/.test(value) ? Number(value) : MAX_FORWARDS_MAX + 1
  return hops > MAX_FORWARDS_MAX ? 'invalid' : hops
}
