import { readSections, refusedSection, writeSections, type Section, type Sections } from './sdp-sections.ts'

/** What may pass besides one audio stream; both trunks of a call must allow it. */
export type StreamPolicy = { readonly video: boolean; readonly t38: boolean }

/** Lines that only make sense with streams that are not passed on: bundling (RFC 9143) and grouping (RFC 5888). */
const GROUPING = /^a=(group|mid|msid-semantic|msid|bundle-only)(:|$)/

/**
 * What rtpengine is given of a party's description: its first usable audio stream, its video or its T.38 fax where the
 * policy says so, and nothing else. Text, messages and data channels never pass, in the clear or in a window. Null when
 * nothing is left.
 */
export function chooseStreams(sdp: string, policy: StreamPolicy): string | null {
  const sections = readSections(sdp)
  if (sections === null) return null
  const chosen = chosenOf(sections, policy)
  const media = [chosen.audio, chosen.video, chosen.image].flatMap((index) => sections.media[index ?? -1] ?? [])
  if (media.length === 0) return null
  const kept = (lines: readonly string[]): readonly string[] => lines.filter((line) => !GROUPING.test(line))
  return writeSections({
    session: kept(sections.session),
    media: media.map((section) => ({ ...section, lines: kept(section.lines) })),
  })
}

/**
 * A description of ours for a party, in the order of the party's own last one: as many streams, the refused ones with
 * port 0 (RFC 3264 sections 6 and 8). Fax takes the place of the audio that it replaces.
 */
export function fitStreams(sdp: string, last: string, policy: StreamPolicy): string {
  const ours = readSections(sdp)
  const theirs = readSections(last)
  if (ours === null || theirs === null) return sdp
  const chosen = chosenOf(theirs, policy)
  const left = [...ours.media]
  const take = (kind: string): Section | undefined => {
    const index = left.findIndex((section) => section.kind === kind)
    return index < 0 ? undefined : left.splice(index, 1)[0]
  }
  const places = theirs.media.map((section, index) =>
    index === chosen.audio || index === chosen.video || index === chosen.image ? take(section.kind) : undefined,
  )
  const media = theirs.media.map((section, index) => {
    const isFree = places[index] === undefined && (index === chosen.audio || chosen.audio === undefined)
    return places[index] ?? (isFree ? left.shift() : undefined) ?? refusedSection(section)
  })
  return writeSections({ session: ours.session, media: [...media, ...left] })
}

/** Whether a description turns the call to fax: an image stream in use, and no audio that is. */
export function turnsToFax(sdp: string): boolean {
  const open = readSections(sdp)?.media.filter((section) => section.port !== 0) ?? []
  return open.some(({ kind }) => kind === 'image') && !open.some(({ kind }) => kind === 'audio')
}

type Chosen = { readonly audio?: number; readonly video?: number; readonly image?: number }

/** Audio that is refused itself is chosen last: a fax takes its place, or the party has put the whole call on hold. */
function chosenOf(sections: Sections, policy: StreamPolicy): Chosen {
  const find = (kind: string, fits: (section: Section) => boolean): number | undefined => {
    const index = sections.media.findIndex((section) => section.kind === kind && fits(section))
    return index < 0 ? undefined : index
  }
  const isLive = (section: Section): boolean => section.port !== 0
  const audio = find('audio', (section) => isLive(section) && /\/AVPF?$|\/SAVPF?$/.test(section.protocol))
  const video = policy.video && audio !== undefined ? find('video', isLive) : undefined
  const image = policy.t38 && audio === undefined ? find('image', isLive) : undefined
  const refusedAudio = audio ?? (image === undefined ? find('audio', () => true) : undefined)
  return {
    ...(refusedAudio === undefined ? {} : { audio: refusedAudio }),
    ...(video === undefined ? {} : { video }),
    ...(image === undefined ? {} : { image }),
  }
}
