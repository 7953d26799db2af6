/** Why a payer's packet did not go on to the agent. */
export type DropCause =
  | 'malformed'
  | 'rtcp'
  | 'duplicate'
  | 'too_many_sources'
  | 'payload_length'
  | 'held_full'
  | 'event'
  | 'not_audio'
  | 'already_sent'
  | 'unplaceable'
  | 'drained'

/** What a masker has done with the packets of one window. */
export type MaskerCounters = {
  packetsIn: number
  packetsOut: number
  samplesOut: number
  samplesMasked: number
  events: number
  resyncs: number
  readonly dropped: { [Cause in DropCause]: number }
}

/** All at zero. */
export function newMaskerCounters(): MaskerCounters {
  return {
    packetsIn: 0,
    packetsOut: 0,
    samplesOut: 0,
    samplesMasked: 0,
    events: 0,
    resyncs: 0,
    dropped: {
      malformed: 0,
      rtcp: 0,
      duplicate: 0,
      too_many_sources: 0,
      payload_length: 0,
      held_full: 0,
      event: 0,
      not_audio: 0,
      already_sent: 0,
      unplaceable: 0,
      drained: 0,
    },
  }
}
