export const CODEC_NAMES = ['PCMU', 'PCMA', 'G722'] as const
export type CodecName = (typeof CODEC_NAMES)[number]

/** Static payload types (RFC 3551 table 4); G722 has an RTP clock of 8000 by a historic error that must be kept. */
export const PAYLOAD_TYPES: Readonly<Record<CodecName, number>> = { PCMU: 0, PCMA: 8, G722: 9 }

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** What this phone says in SDP, and what it understood of the other side's. One audio stream only. */
export type AudioDescription = {
  readonly address: string
  readonly port: number
  /** In order of preference. */
  readonly codecs: readonly CodecName[]
  /** Payload type of telephone-event/8000 (RFC 4733), or undefined when not offered. */
  readonly eventPayloadType: number | undefined
  readonly direction: Direction
}

/** Longer than any SDP that belongs in a telephone call. */
const SDP_LENGTH_MAX = 16_384

/** Writes an SDP body (RFC 8866) with 20 ms packets. */
export function formatSdp(
  audio: AudioDescription,
  origin: { readonly user: string; readonly session: number; readonly version: number },
): string {
  const types = audio.codecs.map((codec) => PAYLOAD_TYPES[codec])
  const event = audio.eventPayloadType
  const lines = [
    'v=0',
    `o=${origin.user} ${origin.session} ${origin.version} IN IP4 ${audio.address}`,
    `s=${origin.user}`,
    `c=IN IP4 ${audio.address}`,
    't=0 0',
    `m=audio ${audio.port} RTP/AVP ${[...types, ...(event === undefined ? [] : [event])].join(' ')}`,
    ...audio.codecs.map((codec) => `a=rtpmap:${PAYLOAD_TYPES[codec]} ${codec}/8000`),
    ...(event === undefined ? [] : [`a=rtpmap:${event} telephone-event/8000`, `a=fmtp:${event} 0-15`]),
    'a=ptime:20',
    `a=${audio.direction}`,
  ]
  return `${lines.join('\r\n')}\r\n`
}

/** Reads the first audio stream of an SDP body. Returns undefined when there is none that this phone can use. */
export function parseSdp(text: string): AudioDescription | undefined {
  if (text.length > SDP_LENGTH_MAX) return undefined
  let address: string | undefined
  let direction: Direction = 'sendrecv'
  let port: number | undefined
  let types: readonly number[] = []
  const names = new Map<number, string>()
  let inAudio = false
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('m=')) {
      if (port !== undefined) break
      const media = /^m=audio (\d{1,5})(?:\/\d+)? RTP\/AVP((?: \d{1,3})+)\s*$/.exec(line)
      inAudio = media !== null
      if (media === null) continue
      port = Number(media[1])
      types = (media[2] ?? '').trim().split(' ').map(Number)
    } else if (port === undefined || inAudio) {
      const connection = /^c=IN IP4 ([0-9.]+)/.exec(line)
      if (connection !== null) address = connection[1]
      const map = /^a=rtpmap:(\d{1,3}) ([\w-]+\/\d+)/.exec(line)
      if (map !== null) names.set(Number(map[1]), (map[2] ?? '').toLowerCase())
      const way = /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/.exec(line)
      if (way !== null) direction = way[1] as Direction
    }
  }
  if (address === undefined || port === undefined) return undefined
  const codecs = types.flatMap((type) => CODEC_NAMES.filter((codec) => PAYLOAD_TYPES[codec] === type))
  const eventPayloadType = types.find((type) => names.get(type) === 'telephone-event/8000')
  return { address, port, codecs, eventPayloadType, direction }
}

/** What remains of our own wish once the other side has said its direction (RFC 3264 section 6.1). */
export function answerDirection(offered: Direction): Direction {
  switch (offered) {
    case 'sendrecv':
      return 'sendrecv'
    case 'sendonly':
      return 'recvonly'
    case 'recvonly':
      return 'sendonly'
    case 'inactive':
      return 'inactive'
  }
}

/** True when we may send: we want to, and the other side wants to hear. A connection to 0.0.0.0 is the old hold. */
export function maySend(ours: Direction, theirs: AudioDescription): boolean {
  const weSend = ours === 'sendrecv' || ours === 'sendonly'
  const theyHear = theirs.direction === 'sendrecv' || theirs.direction === 'recvonly'
  return weSend && theyHear && theirs.address !== '0.0.0.0' && theirs.port !== 0
}
