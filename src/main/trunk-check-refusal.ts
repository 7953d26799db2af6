import { RING_MS_MAX, type CheckCallStart } from '../sbc/check-call.ts'
import { reasonOf } from '../sbc/sip-reason.ts'

/** Why there was no call to check, and what to do about it. */
export function refusalText(start: Exclude<CheckCallStart, { readonly kind: 'connected' }>): string {
  if (start.kind === 'unanswered')
    return `not answered within ${RING_MS_MAX / 1_000} s: is somebody there, and does the number lead to them?`
  if (start.kind === 'unusable') {
    switch (start.code) {
      case 'no_g711':
        return 'the far end names no G.711 (PCMU, PCMA), and tones can be measured in nothing else: have it offer G.711, or check through rtpengine, which transcodes'
      case 'no_audio':
        return 'its SDP has no audio that could be used (port 0, or no address): look at what it sends'
      case 'offerless':
        return 'it called without an SDP offer, which Tonewall refuses with 488: have the trunk send its offer in the INVITE'
      case 'no_port':
        return 'no RTP port could be opened'
      case 'cancelled':
        return 'the caller gave up before the call was answered'
    }
  }
  const { status } = start
  if (status === 0)
    return 'the INVITE could not be sent: is the address right, and is something listening there by this transport?'
  const said = `refused with ${status} ${reasonOf(status)}`
  switch (status) {
    case 401:
    case 407:
      return `${said}: the trunk wants a name and password, and Tonewall's trunks have none; have the carrier admit this address instead`
    case 403:
      return `${said}: the trunk does not admit this address or number; call from the address that the carrier knows (--address, --port) and as a number of yours (--from)`
    case 404:
    case 484:
      return `${said}: the trunk does not know this number; write it as the carrier wants it, such as with country code`
    case 408:
      return `${said}: nothing answered at that address; look at address, port, transport and firewall`
    case 480:
    case 486:
    case 600:
      return `${said}: nobody can take the call now; try again or another number`
    case 488:
    case 606:
      return `${said}: the trunk takes none of PCMU, PCMA`
    case 503:
      return `${said}: the trunk or what lies before it is out of service, or nothing listens there by this transport`
    default:
      return `${said}: ask the carrier what it means here`
  }
}
