import type { Party } from './party.ts'
import { opinionScore } from './voice-rating.ts'

/**
 * What rtpengine knows of the audio that came from one leg. Loss, jitter, round trip and MOS are what the telephones and
 * rtpengine told each other in RTCP (RFC 3550 section 6.4), and null where nobody did.
 */
export type LegQuality = {
  readonly packets: number
  /** RTP headers included. */
  readonly octets: number
  readonly packetsLost: number | null
  readonly lossPercent: number | null
  readonly jitterMs: number | null
  readonly roundTripMs: number | null
  readonly mos: number | null
  /** rtpengine rates a stream once it knows its round trip; without one it is rated here, by the E-model. */
  readonly mosFrom: 'rtpengine' | 'e-model' | null
}

export type CallQuality = { readonly [Side in Party]: LegQuality }

/** Asks while rtpengine still has the call. Null when it cannot be asked; never rejects. */
export async function qualityOf(media: {
  facts(): Promise<
    { readonly kind: 'ok'; readonly value: { readonly quality: CallQuality } } | { readonly kind: 'failed' }
  >
}): Promise<CallQuality | null> {
  const facts = await media.facts()
  return facts.kind === 'ok' ? facts.value.quality : null
}

type Reply = Readonly<Record<string, unknown>>

/** Reads a query reply. Nothing in it is trusted to be there. */
export function readCallQuality(reply: Reply, tags: { readonly [Side in Party]: string }): CallQuality {
  return { payer: readLegQuality(reply, tags.payer), agent: readLegQuality(reply, tags.agent) }
}

function readLegQuality(reply: Reply, tag: string): LegQuality {
  const stream = firstStream(asRecord(asRecord(reply['tags'])[tag]))
  const stats = asRecord(stream['stats'])
  const source = asRecord(asRecord(reply['SSRC'])[String(stream['SSRC'])])
  const average = asRecord(source['average MOS'])
  const jitterMs = numberOf(average['jitter'])
  const lossPercent = numberOf(average['packet loss'])
  const roundTripUs = numberOf(average['round-trip time'])
  const rated = numberOf(average['MOS'])
  const measured = {
    packets: numberOf(stats['packets']) ?? 0,
    octets: numberOf(stats['bytes']) ?? 0,
    packetsLost: numberOf(source['cumulative loss']),
    lossPercent,
    jitterMs,
    roundTripMs: roundTripUs === null || roundTripUs === 0 ? null : Math.round(roundTripUs / 100) / 10,
  }
  // It tells ten times the score, as a whole number, and zero for one that it could not rate.
  if (rated !== null && rated > 0) return { ...measured, mos: rated / 10, mosFrom: 'rtpengine' }
  if (jitterMs === null || lossPercent === null) return { ...measured, mos: null, mosFrom: null }
  const mos = opinionScore({ jitterMs, lossPercent, roundTripMs: measured.roundTripMs ?? 0 })
  return { ...measured, mos, mosFrom: 'e-model' }
}

function firstStream(tag: Reply): Reply {
  const medias: unknown = tag['medias']
  const streams: unknown = Array.isArray(medias) ? asRecord(medias[0])['streams'] : undefined
  return Array.isArray(streams) ? asRecord(streams[0]) : {}
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

function asRecord(value: unknown): Reply {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Reply) : {}
}
