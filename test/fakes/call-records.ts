import type { CallRecord } from '../../src/sbc/call-record.ts'

/** An answered call that nobody could complain about. */
export function sampleRecord(changes: Partial<CallRecord>): CallRecord {
  const leg = {
    packets: 500,
    octets: 86_000,
    packetsLost: 0,
    lossPercent: 0,
    jitterMs: 2,
    roundTripMs: 20,
    mos: 4.4,
    mosFrom: 'rtpengine',
  } as const
  return {
    callId: 'abcdefghijklmnopqrst',
    direction: 'inbound',
    from: '15551230001',
    to: '18005550199',
    isEmergency: false,
    agent: 'agent',
    payerTrunk: 'carrier',
    agentTrunk: 'centre',
    merchant: 'shop',
    payerSipCallIds: ['p@carrier'],
    agentSipCallIds: ['a'],
    startedAt: '2026-11-22T10:00:00.000Z',
    ringingAt: '2026-11-22T10:00:00.100Z',
    answeredAt: '2026-11-22T10:00:02.000Z',
    endedAt: '2026-11-22T10:01:02.000Z',
    talkMs: 60_000,
    postDialDelayMs: 100,
    status: 200,
    endedBy: 'payer',
    reason: 'party_hung_up',
    q850Cause: 16,
    sipCause: null,
    attempts: [{ target: '192.0.2.1:5060;transport=udp', trunk: 'centre', status: 200, ms: 2_000 }],
    rtpengine: 'media-1',
    codecs: { payer: 'PCMU', agent: 'PCMU' },
    media: { payer: leg, agent: leg },
    windows: [],
    ...changes,
  }
}
