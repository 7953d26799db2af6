import type { CheckCallFacts } from '../../src/sbc/check-call.ts'
import type { CallFigures, FromAnalyser, PressFigures, ToAnalyser } from '../../src/wire/trunk-check-protocol.ts'

/** One of everything that a trunk check hands around, with every field filled. */
export const PRESS: PressFigures = {
  number: 5,
  pauseMs: 120,
  event: {
    payloadType: 101,
    durationMs: 100,
    updateMs: 20,
    endPackets: 3,
    endsRenumbered: true,
    marker: true,
    statedDbm0: -10,
    restamped: 'none',
    shrank: false,
  },
  tone: { leadMs: 38, durationMs: 42, lowDbm0: -9, twistDb: 2, eventLagMs: 40 },
  info: { contentType: 'application/dtmf-relay', count: 1, lagMs: 160 },
  doubled: false,
}

export const FIGURES: CallFigures = {
  media: {
    packets: 600,
    lost: 0,
    lostPercent: 0,
    lostRunMax: 0,
    duplicates: 0,
    reordered: 0,
    jitterMs: 1.2,
    latePercentile95Ms: 2.1,
    ptimeMs: 20,
    law: 'alaw',
    eventPayloadTypes: [101],
    comfortNoise: false,
    redundancy: false,
    otherPayloadTypes: [],
    sources: 1,
    asDescribed: true,
    firstPacketMs: 12,
  },
  rtcp: { packets: 3, roundTripMs: 24.5, farLostPercent: 0 },
  offsetPercent: { median: 0.1, worst: -0.2 },
  strangers: 0,
}

export const FACTS: CheckCallFacts = {
  ringMs: 120,
  answerMs: 2_300,
  peer: { host: '192.0.2.10', port: 5060 },
  transport: 'udp',
  far: { law: 'alaw', events: [101], codecs: ['PCMA/8000 (8)', 'telephone-event/8000 (101)'], ptimeMs: 20 },
}

export const FROM_ANALYSER: readonly FromAnalyser[] = [
  { type: 'ready' },
  { type: 'opened', address: { host: '127.0.0.1', port: 30_000 } },
  { type: 'refused', code: 'port_taken' },
  { type: 'hearing' },
  { type: 'press', press: PRESS },
  { type: 'figures', figures: FIGURES },
]

export const TO_ANALYSER: readonly ToAnalyser[] = [
  { type: 'open', host: '127.0.0.1', port: 0 },
  { type: 'agree', remote: { host: '127.0.0.1', port: 30_000 }, law: 'ulaw', events: [101] },
  { type: 'info', relay: true, body: 'U2lnbmFsPSA1' },
  { type: 'finish' },
]
