import { isIP } from 'node:net'

/**
 * Session descriptions (RFC 8866) as an SBC needs them: which audio codecs and where, and a copy for the other side
 * that says nothing about the first. rtpengine rewrites addresses and ports; this file never does.
 */
export type Codec = {
  readonly payloadType: number
  readonly name: string
  readonly clockRate: number
  readonly rtpmap: string
  readonly fmtp: string | null
}
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** The first audio stream of a description. */
export type AudioStream = {
  readonly host: string
  readonly port: number
  readonly protocol: string
  readonly codecs: readonly Codec[]
  readonly direction: Direction
}

/** A description of ours is below 2 KiB; WebRTC offers with candidates reach 10. */
const SDP_BYTES_MAX = 32_768
const LINES_MAX = 1_000
const CODECS_MAX = 64

/** RFC 3551 table 4: payload types that need no rtpmap. */
const STATIC_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'PCMU/8000'],
  [3, 'GSM/8000'],
  [4, 'G723/8000'],
  [8, 'PCMA/8000'],
  [9, 'G722/8000'],
  [13, 'CN/8000'],
  [15, 'G728/8000'],
  [18, 'G729/8000'],
])

/** Reads the first audio stream, or null when there is none that can be used. */
export function readAudio(sdp: string): AudioStream | null {
  const lines = sdpLines(sdp)
  if (lines === null || lines[0] !== 'v=0') return null
  const start = lines.findIndex((line) => line.startsWith('m=audio '))
  if (start < 0) return null
  const following = lines.findIndex((line, index) => index > start && line.startsWith('m='))
  const media = lines.slice(start, following < 0 ? undefined : following)
  const session = lines.slice(
    0,
    lines.findIndex((line) => line.startsWith('m=')),
  )
  const [, portText = '', protocol = '', ...types] = (media[0] ?? '').slice(2).split(' ')
  const port = Number(portText.split('/')[0])
  const host = connectionHost(media) ?? connectionHost(session)
  if (!Number.isInteger(port) || port < 0 || port > 65_535 || host === null || types.length > CODECS_MAX) return null
  const codecs: Codec[] = []
  for (const type of types) {
    const payloadType = Number(type)
    if (!Number.isInteger(payloadType) || payloadType < 0 || payloadType > 127) return null
    const rtpmap = attribute(media, `rtpmap:${payloadType} `) ?? STATIC_TYPES.get(payloadType)
    const parts = /^([\w.-]{1,40})\/(\d{4,6})/.exec(rtpmap ?? '')
    if (rtpmap === undefined || parts === null) continue
    codecs.push({
      payloadType,
      name: (parts[1] ?? '').toUpperCase(),
      clockRate: Number(parts[2]),
      rtpmap,
      fmtp: attribute(media, `fmtp:${payloadType} `) ?? null,
    })
  }
  return { host, port, protocol, codecs, direction: directionOf(media) ?? directionOf(session) ?? 'sendrecv' }
}

/** telephone-event, comfort noise and RED are not what a voice is carried by. */
export function voiceCodecs(audio: AudioStream): readonly Codec[] {
  return audio.codecs.filter((codec) => codec.name !== 'TELEPHONE-EVENT' && codec.name !== 'CN' && codec.name !== 'RED')
}

export function isHeld(audio: AudioStream): boolean {
  return audio.direction !== 'sendrecv' || audio.host === '0.0.0.0'
}

/** Whether the one who sent this put the other side on hold; recvonly answers somebody else's hold (RFC 3264 section 8.4). */
export function holdsOther(audio: AudioStream): boolean {
  return audio.direction === 'sendonly' || audio.direction === 'inactive' || audio.host === '0.0.0.0'
}

/** Attributes that the other side needs; anything else could name the product, host or person behind a leg. */
const PASSED_ATTRIBUTES: ReadonlySet<string> = new Set([
  'rtpmap', 'fmtp', 'ptime', 'maxptime', 'sendrecv', 'sendonly', 'recvonly', 'inactive', 'rtcp', 'rtcp-mux', 'rtcp-fb', 'rtcp-rsize', 'mid', 'group',
  'crypto', 'setup', 'fingerprint', 'tls-id', 'ice-ufrag', 'ice-pwd', 'ice-options', 'ice-lite', 'candidate', 'end-of-candidates', 'extmap-allow-mixed',
]) // prettier-ignore

/**
 * A copy for the other side: origin and session name become ours, free text and unknown attributes go. The session id
 * stays the same over a dialog and the version grows, as RFC 3264 section 8 asks.
 */
export function hideOrigin(
  sdp: string,
  origin: { readonly sessionId: number; readonly version: number },
): string | null {
  const lines = sdpLines(sdp)
  if (lines === null) return null
  // The origin's own address may be a host name of somebody; where the media is, the other side knows anyhow.
  const host = connectionHost(lines) ?? '0.0.0.0'
  const kept: string[] = []
  for (const line of lines) {
    const kind = line.slice(0, 2)
    if (kind === 'o=')
      kept.push(`o=- ${origin.sessionId} ${origin.version} IN ${isIP(host) === 6 ? 'IP6' : 'IP4'} ${host}`)
    else if (kind === 's=') kept.push('s=-')
    else if (kind === 'a=') {
      const name = line.slice(2).split(':')[0] ?? ''
      if (PASSED_ATTRIBUTES.has(name)) kept.push(line)
    } else if (kind === 'v=' || kind === 'c=' || kind === 't=' || kind === 'm=' || kind === 'b=') kept.push(line)
  }
  return kept.join('\r\n') + '\r\n'
}

/** The same description with another address and port of its audio: where a leg behind NAT was heard to send from. */
export function withEndpoint(sdp: string, endpoint: { readonly host: string; readonly port: number }): string {
  const family = isIP(endpoint.host) === 6 ? 'IP6' : 'IP4'
  let inAudio = false
  let hasOwnAddress = false
  const out: string[] = []
  const lines = sdpLines(sdp) ?? []
  const audioAt = lines.findIndex((line) => line.startsWith('m=audio '))
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('m=')) {
      if (inAudio && !hasOwnAddress) out.push(`c=IN ${family} ${endpoint.host}`)
      inAudio = index === audioAt
      out.push(inAudio ? line.replace(/^m=audio \d+/, `m=audio ${endpoint.port}`) : line)
    } else if (inAudio && line.startsWith('c=')) {
      hasOwnAddress = true
      out.push(`c=IN ${family} ${endpoint.host}`)
    } else if (!(inAudio && line.startsWith('a=rtcp:'))) out.push(line)
  }
  if (inAudio && !hasOwnAddress) {
    const at = out.findIndex((line) => line.startsWith('m=audio ')) + 1
    out.splice(at, 0, `c=IN ${family} ${endpoint.host}`)
  }
  return out.join('\r\n') + '\r\n'
}

function sdpLines(sdp: string): readonly string[] | null {
  if (sdp.length > SDP_BYTES_MAX) return null
  const lines = sdp.split(/\r?\n/).filter((line) => line !== '')
  return lines.length > LINES_MAX ? null : lines
}

function connectionHost(lines: readonly string[]): string | null {
  const line = lines.find((candidate) => candidate.startsWith('c='))
  const host = line?.split(' ')[2]?.split('/')[0]
  return host !== undefined && isIP(host) !== 0 ? host : null
}

function attribute(lines: readonly string[], prefix: string): string | undefined {
  return lines.find((line) => line.startsWith(`a=${prefix}`))?.slice(prefix.length + 2)
}

function directionOf(lines: readonly string[]): Direction | undefined {
  return (['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const).find((direction) =>
    lines.includes(`a=${direction}`),
  )
}
