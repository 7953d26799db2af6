import { addressShape, ipShape } from './guard-protocol.ts'
import {
  either,
  integer,
  list,
  literal,
  nullable,
  parser,
  record,
  text,
  truth,
  type Shape,
  type Shaped,
} from './shape.ts'

/**
 * The protocol between `tonewall trunk-check` and its analyser, the one process of a check that hears keys. What comes
 * back are figures of presses: no field says which key it was, and none is wide enough for a card number.
 */

/** A number with one decimal at most, in a range. */
function tenths(min: number, max: number): Shape<number> {
  return (value): value is number =>
    typeof value === 'number' && value >= min && value <= max && Math.round(value * 10) / 10 === value
}

const payloadType = integer(0, 127)
const milliseconds = integer(0, 600_000)
const count = integer(0, 10_000_000)

/** What is asked of the analyser. */
export const toAnalyserShape = either(
  /** Bind an RTP port and the RTCP port above it; 0 takes a free one. Answered 'opened' or 'refused'. */
  record({ type: literal('open'), host: ipShape, port: integer(0, 65_534) }),
  /** What the two sides agreed: from now on packets count. Again after a re-INVITE. */
  record({
    type: literal('agree'),
    remote: addressShape,
    law: literal('ulaw', 'alaw'),
    /** Payload types of telephone-event/8000, the clock of the audio beside it. */
    events: list(payloadType, 8),
  }),
  /** One SIP INFO of the caller, passed on unread: the one message here that holds a key. */
  record({ type: literal('info'), relay: truth, body: text(/^[A-Za-z0-9+/=]{0,344}$/) }),
  /** The call is over: answered with the last presses and 'figures'. */
  record({ type: literal('finish') }),
)
export type ToAnalyser = Shaped<typeof toAnalyserShape>
export const parseToAnalyser = parser(toAnalyserShape)

/** How the timestamps of one press behave (RFC 4733 section 2.5.1): as they should, or new ones within the press. */
export const restampedShape = literal('none', 'segments', 'each_packet', 'end_packets')

/** The telephone events of one press. */
export const eventFiguresShape = record({
  payloadType,
  /** As the last packet says. */
  durationMs: milliseconds,
  /** Between updates; null when there was one packet before the end, or none. */
  updateMs: nullable(milliseconds),
  endPackets: integer(0, 1_000),
  /** False: the end is repeated under the same sequence number, which looks like one packet that came again. */
  endsRenumbered: truth,
  /** On the first packet. */
  marker: truth,
  /** The level that the packets state, dBm0. */
  statedDbm0: integer(-63, 0),
  restamped: restampedShape,
  /** The last duration was shorter than one before it. */
  shrank: truth,
})
export type EventFigures = Shaped<typeof eventFiguresShape>

/** The tone of one press, as it came in the audio. Whole decibels: finer ones could tell the keys of a keypad apart. */
export const toneFiguresShape = record({
  /** Tone that was sent before the first event packet; null without events. */
  leadMs: nullable(milliseconds),
  /** All tone of the press. */
  durationMs: milliseconds,
  /** Row tone, and how much the column is above it. */
  lowDbm0: integer(-70, 10),
  twistDb: integer(-60, 60),
  /** From the arrival of the tone's first packet to that of the first event packet. */
  eventLagMs: nullable(integer(-1_000, 10_000)),
})
export type ToneFigures = Shaped<typeof toneFiguresShape>

export const infoFiguresShape = record({
  contentType: literal('application/dtmf-relay', 'application/dtmf'),
  count: integer(1, 100),
  /** From the first event packet, or the start of the tone, to the INFO; null when it came alone. */
  lagMs: nullable(integer(-10_000, 10_000)),
})
export type InfoFigures = Shaped<typeof infoFiguresShape>

/** One press of a key, without the key. */
export const pressFiguresShape = record({
  number: integer(1, 1_000),
  /** From the end of the press before. */
  pauseMs: nullable(milliseconds),
  event: nullable(eventFiguresShape),
  tone: nullable(toneFiguresShape),
  info: nullable(infoFiguresShape),
  /** Events began anew for the same key sooner than a hand can press it again. */
  doubled: truth,
})
export type PressFigures = Shaped<typeof pressFiguresShape>

export const mediaFiguresShape = record({
  packets: count,
  lost: count,
  lostPercent: tenths(0, 100),
  /** Most packets missing in a row. */
  lostRunMax: count,
  duplicates: count,
  reordered: count,
  /** RFC 3550 section 6.4.1, the highest it was. */
  jitterMs: tenths(0, 100_000),
  /** 95 of 100 packets came at most this much later than the earliest, against their timestamps. */
  latePercentile95Ms: tenths(0, 100_000),
  ptimeMs: nullable(tenths(0, 1_000)),
  law: nullable(literal('ulaw', 'alaw')),
  eventPayloadTypes: list(payloadType, 8),
  comfortNoise: truth,
  /** RFC 2198. */
  redundancy: truth,
  otherPayloadTypes: list(payloadType, 16),
  /** SSRCs that were heard: more than one when a source changes, or sends events on its own. */
  sources: integer(0, 16),
  /** False: the media comes from another address than the description names (NAT). */
  asDescribed: truth,
  /** From the agreement to the first packet. */
  firstPacketMs: milliseconds,
})
export type MediaFigures = Shaped<typeof mediaFiguresShape>

/** What the far end's RTCP says (RFC 3550 section 6.4). */
export const rtcpFiguresShape = record({
  packets: count,
  roundTripMs: nullable(tenths(0, 100_000)),
  /** What it lost of what we sent; null: it reports on nobody. */
  farLostPercent: nullable(tenths(0, 100)),
})
export type RtcpFigures = Shaped<typeof rtcpFiguresShape>

export const callFiguresShape = record({
  /** null: no RTP came. */
  media: nullable(mediaFiguresShape),
  rtcp: rtcpFiguresShape,
  /** Frequency offset over all presses, in percent; null when no tone was long enough to say. */
  offsetPercent: nullable(record({ median: tenths(-10, 10), worst: tenths(-10, 10) })),
  /** Datagrams that were not RTP, or of a source that was never believed. */
  strangers: count,
})
export type CallFigures = Shaped<typeof callFiguresShape>

export const fromAnalyserShape = either(
  record({ type: literal('ready') }),
  record({ type: literal('opened'), address: addressShape }),
  record({ type: literal('refused'), code: literal('port_taken', 'address_unavailable', 'wrong_state') }),
  /** The first believed packet has come. */
  record({ type: literal('hearing') }),
  record({ type: literal('press'), press: pressFiguresShape }),
  record({ type: literal('figures'), figures: callFiguresShape }),
)
export type FromAnalyser = Shaped<typeof fromAnalyserShape>
export const parseFromAnalyser = parser(fromAnalyserShape)
