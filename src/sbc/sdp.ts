import { isIP } from 'node:net'
import { remembered } from './remembered.ts'
import { readSections, sdpLines, writeSections, type Section, type Sections } from './sdp-sections.ts'

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

/** Reads the first audio stream that is in use, else the first; null when there is none that can be read. */
export const readAudio: (sdp: string) => AudioStream | null = remembered(parseAudio)

function parseAudio(sdp: string): AudioStream | null {
  const sections = readSections(sdp)
  const audio = sections === null ? undefined : audioIn(sections)
  if (sections === null || audio === undefined) return null
  const { session } = sections
  const { lines: media, port, protocol } = audio
  const types = (media[0] ?? '').split(' ').slice(3)
  const host = connectionHost(media) ?? connectionHost(session)
  if (host === null || types.length > CODECS_MAX) return null
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
  return audio.direction !== 'sendrecv' || isNowhere(audio.host)
}

/** Whether the one who sent this put the other side on hold; recvonly answers somebody else's hold (RFC 3264 section 8.4). */
export function holdsOther(audio: AudioStream): boolean {
  return audio.direction === 'sendonly' || audio.direction === 'inactive' || isNowhere(audio.host)
}

/** The addresses that say that nothing is to be sent (RFC 3264 section 8.4). */
export function isNowhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Attributes that the other side needs; anything else could name the product, host or person behind a leg. */
const PASSED_ATTRIBUTES: ReadonlySet<string> = new Set([
  'rtpmap', 'fmtp', 'ptime', 'maxptime', 'sendrecv', 'sendonly', 'recvonly', 'inactive', 'rtcp', 'rtcp-mux', 'rtcp-fb', 'rtcp-rsize', 'mid', 'group',
  'crypto', 'setup', 'fingerprint', 'tls-id', 'ice-ufrag', 'ice-pwd', 'ice-options', 'ice-lite', 'candidate', 'end-of-candidates', 'extmap-allow-mixed',
  'T38FaxVersion', 'T38MaxBitRate', 'T38FaxFillBitRemoval', 'T38FaxTranscodingMMR', 'T38FaxTranscodingJBIG', 'T38FaxRateManagement',
  'T38FaxMaxBuffer', 'T38FaxMaxDatagram', 'T38FaxUdpEC',
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
    if (kind === 'o=') kept.push(`o=- ${origin.sessionId} ${origin.version} ${connectionText(host)}`)
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
  const sections = readSections(sdp)
  const audio = sections === null ? undefined : audioIn(sections)
  if (sections === null || audio === undefined) return sdp
  const line = (audio.lines[0] ?? '').replace(/^m=audio \d+/, `m=audio ${endpoint.port}`)
  const rest = audio.lines.slice(1).filter((own) => !own.startsWith('c=') && !own.startsWith('a=rtcp:'))
  const lines = [line, `c=${connectionText(endpoint.host)}`, ...rest]
  const media = sections.media.map((section) => (section === audio ? { ...section, lines } : section))
  return writeSections({ ...sections, media })
}

/** An address as the o= and c= lines write it (RFC 8866 section 5.7). */
export function connectionText(host: string): string {
  return `IN ${isIP(host) === 6 ? 'IP6' : 'IP4'} ${host}`
}

/** The same description with another direction of its audio. */
export function withDirection(sdp: string, direction: Direction): string {
  const sections = readSections(sdp)
  const audio = sections === null ? undefined : audioIn(sections)
  if (sections === null || audio === undefined) return sdp
  const isDirection = (line: string) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(line)
  const lines = [...audio.lines.filter((line) => !isDirection(line)), `a=${direction}`]
  return writeSections({
    session: sections.session.filter((line) => !isDirection(line)),
    media: sections.media.map((section) => (section === audio ? { ...section, lines } : section)),
  })
}

/** The first audio stream that is in use, else the first. */
function audioIn(sections: Sections): Section | undefined {
  const audios = sections.media.filter((section) => section.kind === 'audio')
  return audios.find((section) => section.port !== 0) ?? audios[0]
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
