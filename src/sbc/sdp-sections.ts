import { remembered } from './remembered.ts'

/** A description (RFC 8866) as its session part and its media sections, each with its m= line first. */
export type Sections = { readonly session: readonly string[]; readonly media: readonly Section[] }
export type Section = {
  /** The first word of the m= line: audio, video, image, text, message, application. */
  readonly kind: string
  readonly port: number
  readonly protocol: string
  readonly lines: readonly string[]
}

/** A description of ours is below 2 KiB; WebRTC offers with candidates reach 10. */
const SDP_BYTES_MAX = 32_768
const LINES_MAX = 1_000
/** Telephones have one or two; conference bridges offer a dozen. */
const SECTIONS_MAX = 16

/** The lines that are not empty, or null when there are too many. */
export function sdpLines(sdp: string): readonly string[] | null {
  if (sdp.length > SDP_BYTES_MAX) return null
  const lines = sdp.split(/\r?\n/).filter((line) => line !== '')
  return lines.length > LINES_MAX ? null : lines
}

/** Null when it is no description, has no media, or is beyond the limits. */
export const readSections: (sdp: string) => Sections | null = remembered(parseSections)

function parseSections(sdp: string): Sections | null {
  const lines = sdpLines(sdp)
  if (lines === null || lines[0] !== 'v=0') return null
  const starts = lines.flatMap((line, index) => (line.startsWith('m=') ? [index] : []))
  if (starts.length === 0 || starts.length > SECTIONS_MAX) return null
  const media: Section[] = []
  for (const [order, start] of starts.entries()) {
    const own = lines.slice(start, starts[order + 1])
    const [, kind = '', portText = '', protocol = ''] = /^m=(\S+) (\d{1,5})(?:\/\d+)? (\S+)/.exec(own[0] ?? '') ?? []
    if (kind === '' || Number(portText) > 65_535) return null
    media.push({ kind, port: Number(portText), protocol, lines: own })
  }
  return { session: lines.slice(0, starts[0]), media }
}

export function writeSections(sections: Sections): string {
  return [...sections.session, ...sections.media.flatMap((section) => section.lines), ''].join('\r\n')
}

/** A stream that is not wanted, as RFC 3264 section 6 says so: its m= line with port 0, and nothing else. */
export function refusedSection(section: Section): Section {
  const line = (section.lines[0] ?? '').replace(/^(m=\S+) \S+/, '$1 0')
  return { ...section, port: 0, lines: [line] }
}
