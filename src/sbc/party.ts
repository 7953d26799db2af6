/** The two parties of a call. Each is a tag of the call in rtpengine. */
export type Party = 'payer' | 'agent'

/** All tags that a call can have in rtpengine: its parties, and the guard's two sides while a window is open. */
export type MediaTag = Party | 'guard-payer' | 'guard-agent'

export function otherParty(party: Party): Party {
  return party === 'payer' ? 'agent' : 'payer'
}

/** The side of the guard that a party is connected to in a window. */
export function guardTag(party: Party): MediaTag {
  return party === 'payer' ? 'guard-payer' : 'guard-agent'
}
