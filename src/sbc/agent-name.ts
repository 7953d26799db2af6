import { userOf } from './name-address.ts'
import type { SipMessage } from './sip-server.ts'
import type { Trunk } from './trunks.ts'

/** The agent: what the trunk's header says, else the user that answered, else the user that was called. */
export function agentName(options: {
  readonly caller: Trunk
  readonly callee: Trunk
  readonly request: SipMessage
  readonly number: string
  readonly answer: SipMessage | null
}): string {
  const { caller, callee, request } = options
  const trunk = caller.party === 'agent' ? caller : callee
  const message = caller.party === 'agent' ? request : options.answer
  return nameIn(trunk, { message, fallback: caller.party === 'agent' ? userOf(request.get('From')) : options.number })
}

/** What a message of the agent's leg says: the trunk's header, else the Contact's user, else the fallback. */
export function nameIn(trunk: Trunk, said: { readonly message: SipMessage | null; readonly fallback: string }): string {
  const { message, fallback } = said
  const named = trunk.agentHeader === null ? undefined : message?.get(trunk.agentHeader)
  const candidates = [
    named === undefined ? '' : userOf(named) || named.trim(),
    userOf(message?.get('Contact')),
    fallback,
  ]
  return (
    candidates
      .map((candidate) => candidate.replace(/[^\w.+@~!*'()-]/g, '').slice(0, 64))
      .find((candidate) => candidate !== '') ?? 'unknown'
  )
}
