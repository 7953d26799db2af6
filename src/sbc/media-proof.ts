import type { GuardToSbc } from '../wire/guard-protocol.ts'
import type { MediaFacts } from './media-facts.ts'
import type { MediaResult } from './media-reply.ts'
import type { MediaSession } from './media-session.ts'

/** rtpengine has done it by then; a lost datagram is asked for again. */
const TRIES = 3

/** Payer RTP arrives at the guard, and what the agent hears comes from the guard and from nobody else. */
export function isMaskingProven(facts: MediaResult<MediaFacts>, counted: GuardToSbc | null): boolean {
  return (
    facts.kind === 'ok' &&
    facts.value.guardIsBetween &&
    facts.value.packetsFrom.guardAgent > 0 &&
    counted?.type === 'counted' &&
    counted.counts.fromPayer > 0
  )
}

/** The same as far as it can be said before anybody talks: neither party would hear the other. */
export async function isGuardBetween(media: Pick<MediaSession, 'facts'>): Promise<boolean> {
  const facts = await media.facts()
  return facts.kind === 'ok' && facts.value.guardIsBetween
}

/** Whether rtpengine says that the parties hear each other and nobody else. The parties are told nothing either way. */
export async function areSeenDirect(media: Pick<MediaSession, 'facts'>): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const facts = await media.facts()
    if (facts.kind === 'ok' && facts.value.partiesAreDirect) return true
  }
  return false
}
