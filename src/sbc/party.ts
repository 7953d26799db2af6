/** The two parties of a call. */
export type Party = 'payer' | 'agent'

export function otherParty(party: Party): Party {
  return party === 'payer' ? 'agent' : 'payer'
}

/** The guard's two sides in rtpengine, while a window is open. */
export type GuardTag = 'guard-payer' | 'guard-agent'

/** The side of the guard that a party is connected to in a window. */
export function guardTag(party: Party): GuardTag {
  return party === 'payer' ? 'guard-payer' : 'guard-agent'
}
