import type { TrunkConfiguration } from '../wire/configuration.ts'
import { ANY_MEDIA, calledMedia } from './leg-media.ts'
import type { MediaResult } from './media-reply.ts'
import type { MediaSession } from './media-session.ts'
import { otherParty, type Party } from './party.ts'
import { plainDescription } from './plain-description.ts'
import type { Codec } from './sdp.ts'

/** RFC 863: nobody listens there; what a callee says before the caller has a port goes nowhere. */
const DISCARD_PORT = 9
const CODECS: readonly Codec[] = [
  { payloadType: 0, name: 'PCMU', clockRate: 8_000, rtpmap: 'PCMU/8000', fmtp: null },
  { payloadType: 8, name: 'PCMA', clockRate: 8_000, rtpmap: 'PCMA/8000', fmtp: null },
  { payloadType: 9, name: 'G722', clockRate: 8_000, rtpmap: 'G722/8000', fmtp: null },
  { payloadType: 101, name: 'TELEPHONE-EVENT', clockRate: 8_000, rtpmap: 'telephone-event/8000', fmtp: '0-15' },
]

type Caller = Pick<TrunkConfiguration, 'media' | 'targets'> & { readonly party: Party }

/**
 * A caller who offers nothing (RFC 3264 section 4): the callee is offered what every telephone has, in the caller's
 * name, since many refuse an INVITE without an offer. Its answer becomes the offer in our 200, and the answer is in the
 * caller's ACK (RFC 3261 section 13.2.1). The value is the offer for the callee.
 */
export function offerInPlace(media: MediaSession, caller: Caller): Promise<MediaResult<string>> {
  const { family } = calledMedia(caller)
  media.use(caller.party, { ...ANY_MEDIA, family })
  const host = family === 'ipv6' ? '::1' : '127.0.0.1'
  const sdp = plainDescription({ host, port: DISCARD_PORT, codecs: CODECS, direction: 'sendrecv' })
  return media.offer(caller.party, sdp, { live: false })
}

/** The callee has answered that; the value is the offer for the caller, as its trunk has its media. */
export function offerToCaller(media: MediaSession, caller: Caller): Promise<MediaResult<string>> {
  media.use(caller.party, calledMedia(caller))
  const callee = otherParty(caller.party)
  return media.offer(callee, media.sdpOf(callee), { live: true })
}
