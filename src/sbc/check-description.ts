import { isIP } from 'node:net'
import { connectionText, readAudio, type Codec } from './sdp.ts'

/** The number that most use for telephone-event; we offer it, and take whatever the other side names. */
const EVENT_PAYLOAD_TYPE = 101
const PTIME = /^a=ptime:(\d{1,3})\s*$/m
const EVENTS_MAX = 8
const NAME_LENGTH_MAX = 24
const CODECS_MAX = 24

export type Law = 'ulaw' | 'alaw'
const LAWS: Readonly<Record<string, Law>> = { PCMU: 'ulaw', PCMA: 'alaw' }
const PAYLOAD_TYPES: Readonly<Record<Law, number>> = { ulaw: 0, alaw: 8 }

/** What the far end's description says of a check: where its media is, and what it can. */
export type FarDescription = {
  readonly remote: { readonly host: string; readonly port: number }
  /** The first G.711 law that it names. */
  readonly law: Law
  /** Payload types of telephone-event/8000. */
  readonly events: readonly number[]
  /** Names of all it offers or answers, for people. */
  readonly codecs: readonly string[]
  readonly ptimeMs: number | null
}

/** Reads a description, or says why no tone could be heard with it. */
export function readFarDescription(sdp: string): FarDescription | 'no_audio' | 'no_g711' {
  const audio = readAudio(sdp)
  if (audio === null || audio.port === 0 || isIP(audio.host) === 0) return 'no_audio'
  const law = audio.codecs.map(lawOf).find((known) => known !== undefined)
  if (law === undefined) return 'no_g711'
  const isEvent = (codec: Codec): boolean => codec.name === 'TELEPHONE-EVENT' && codec.clockRate === 8_000
  const ptime = PTIME.exec(sdp)?.[1]
  return {
    remote: { host: audio.host, port: audio.port },
    law,
    events: audio.codecs
      .filter(isEvent)
      .map(({ payloadType }) => payloadType)
      .slice(0, EVENTS_MAX),
    codecs: audio.codecs.slice(0, CODECS_MAX).map(nameOf),
    ptimeMs: ptime === undefined ? null : Number(ptime),
  }
}

/**
 * Our own description: G.711 only, since a tone can be measured in nothing else, and telephone events. As an answer it
 * names the one law and the event numbers of the offer (RFC 3264 section 6.1).
 */
export function writeCheckDescription(options: {
  readonly media: { readonly host: string; readonly port: number }
  readonly sessionId: number
  readonly version: number
  readonly offer: FarDescription | null
}): string {
  const { media, sessionId, version, offer } = options
  const laws: readonly Law[] = offer === null ? ['ulaw', 'alaw'] : [offer.law]
  const events = offer === null ? [EVENT_PAYLOAD_TYPE] : offer.events
  const shown = connectionText(media.host)
  return [
    'v=0',
    `o=- ${sessionId} ${version} ${shown}`,
    's=-',
    `c=${shown}`,
    't=0 0',
    `m=audio ${media.port} RTP/AVP ${[...laws.map((law) => PAYLOAD_TYPES[law]), ...events].join(' ')}`,
    ...laws.map((law) => `a=rtpmap:${PAYLOAD_TYPES[law]} ${law === 'ulaw' ? 'PCMU' : 'PCMA'}/8000`),
    ...events.flatMap((type) => [`a=rtpmap:${type} telephone-event/8000`, `a=fmtp:${type} 0-16`]),
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n')
}

/** The numbers under which events may come to us: those that either side named. */
export function eventTypesOf(far: FarDescription): readonly number[] {
  return [...new Set([EVENT_PAYLOAD_TYPE, ...far.events])].slice(0, EVENTS_MAX)
}

function lawOf(codec: Codec): Law | undefined {
  const isStandard = codec.clockRate === 8_000 && codec.payloadType === PAYLOAD_TYPES[LAWS[codec.name] ?? 'ulaw']
  return isStandard ? LAWS[codec.name] : undefined
}

function nameOf(codec: Codec): string {
  const name = codec.name === 'TELEPHONE-EVENT' ? 'telephone-event' : codec.name
  return `${name.slice(0, NAME_LENGTH_MAX)}/${codec.clockRate} (${codec.payloadType})`
}
