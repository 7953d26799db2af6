import { nameIn } from './agent-name.ts'
import type { CallDirectory } from './call-directory.ts'
import { userOf } from './name-address.ts'
import { readReplaces } from './refer-target.ts'
import { refuse } from './refusal.ts'
import { readAudio } from './sdp.ts'
import type { SipRequest, SipResponse } from './sip-server.ts'
import type { Trunk } from './trunks.ts'
import { ruleOf } from './window-events.ts'

/** How a conference or a listening supervisor gets into a call: they hear what the agent hears, masked in a window. */
const JOIN_WARNING = '399 tonewall "join the call at the PBX, behind the leg of the agent"'
const OFFER_WARNING = '399 tonewall "the description has no audio"'

/**
 * Takes an INVITE that is for a call of ours: Replaces (RFC 3891) puts it in the place of a leg of its own side, Join
 * (RFC 3911) is refused, since a third leg at the sbc would be one more that must never hear the payer. False: it is
 * for no call that stands.
 */
export async function takeReplacing(
  calls: Pick<CallDirectory, 'findLeg'>,
  trunk: Trunk,
  { request, response }: { readonly request: SipRequest; readonly response: SipResponse },
): Promise<boolean> {
  if (request.has('Join')) {
    const joined = readReplaces(request.get('Join'))
    const rule = (joined && calls.findLeg(joined)?.call.rule('call-joined')) ?? ruleOf('call-joined', 'none')
    if (rule === '488') response.send(488, { headers: { Warning: JOIN_WARNING } })
    else refuse(response, rule)
    return true
  }
  if (!request.has('Replaces')) return false
  const replaces = readReplaces(request.get('Replaces'))
  const found = replaces === null ? null : calls.findLeg(replaces)
  if (replaces === null) response.send(400)
  else if (found === null) refuse(response, '481')
  // RFC 3891 section 5: whoever could replace a leg of the other side could listen in on it.
  else if (found.leg.trunk.side !== trunk.side) response.send(403)
  else if (replaces.earlyOnly) response.send(486)
  else if (request.body !== '' && readAudio(request.body) === null)
    response.send(488, { headers: { Warning: OFFER_WARNING } })
  else {
    const agent = nameIn(trunk, { message: request, fallback: userOf(request.get('From')) })
    await found.call.replaceBy(found.leg, { request, response, trunk, agent })
  }
  return true
}
