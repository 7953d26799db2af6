import type { Address } from '../wire/guard-protocol.ts'
import { plainDescription } from './plain-description.ts'
import { readAudio, voiceCodecs, type AudioStream, type Codec, type Direction } from './sdp.ts'

/** The codecs that the guard masks natively. */
export type GuardCodec = 'PCMU' | 'PCMA'

/** The guard's side of a leg: its G.711 law, and the party's own codecs, without which rtpengine would not transcode them. */
export function guardDescription(options: {
  readonly guard: Address
  readonly law: GuardCodec
  /** The party's description. */
  readonly across: string
  readonly direction: Direction
}): string {
  const audio = readAudio(options.across)
  const law = g711(options.law)
  const voices = audio === null ? [] : voiceCodecs(audio).filter((codec) => codec.payloadType !== law.payloadType)
  return plainDescription({
    ...options.guard,
    codecs: [law, ...voices, eventsOf(audio)],
    direction: options.direction,
  })
}

/** The direction that answers an offered one (RFC 3264 section 6.1). */
export function mirrored(offered: AudioStream | null): Direction {
  const direction = offered?.direction ?? 'sendrecv'
  return direction === 'sendonly' ? 'recvonly' : direction === 'recvonly' ? 'sendonly' : direction
}

function g711(name: GuardCodec): Codec {
  return { payloadType: name === 'PCMA' ? 8 : 0, name, clockRate: 8_000, rtpmap: `${name}/8000`, fmtp: null }
}

function eventsOf(audio: AudioStream | null): Codec {
  const own = audio?.codecs.find((codec) => codec.name === 'TELEPHONE-EVENT' && codec.clockRate === 8_000)
  const payloadType = own?.payloadType ?? 101
  return { payloadType, name: 'TELEPHONE-EVENT', clockRate: 8_000, rtpmap: 'telephone-event/8000', fmtp: null }
}
