import { isIP } from 'node:net'
import type { TrunkConfiguration, TrunkMedia } from '../wire/configuration.ts'
import type { NgRequest } from './rtpengine-control.ts'
import { readSections, writeSections, type Section, type Sections } from './sdp-sections.ts'
import { keepGoodKeys, sdesOptions, settledBy, suitesOf } from './srtp-keys.ts'
import { chooseStreams, fitStreams, type StreamPolicy } from './stream-choice.ts'

/** How a leg's audio is carried: in the clear, or as SRTP with keys from SDP (RFC 4568) or from DTLS (RFC 5763). */
export type Carriage = 'rtp' | 'srtp-sdes' | 'srtp-dtls'

/** As the peer has it; where we offer first, plain RTP without ICE. */
export const ANY_MEDIA: TrunkMedia = {
  profile: 'any',
  ice: false,
  family: null,
  packetMs: null,
  t38: 'refuse',
  video: 'refuse',
}

/** What makes up ICE in a description (RFC 8839 section 5). */
const ICE_LINES =
  /^a=(ice-(ufrag|pwd|options|lite|mismatch|pacing)|candidate|remote-candidates|end-of-candidates)\b.*\r\n/gm

const AUDIO_ONLY: StreamPolicy = { video: false, t38: false }

export type LegMediaOptions = {
  readonly media: TrunkMedia
  /** The packets that the leg is asked to send, in ms; null: what the other leg asks for. */
  readonly packetMs: number | null
  readonly streams: StreamPolicy
}

/**
 * One leg of a call in rtpengine: what of its descriptions rtpengine is given, and how rtpengine is to speak to it. The
 * same at set-up, in a re-INVITE, and when the guard comes in or goes out: so ports, keys and fingerprints stay.
 */
export class LegMedia {
  readonly #options: LegMediaOptions
  /** The leg's own last description. */
  #said = ''
  /** Our answer to it, null while there is none. */
  #answer: Sections | null = null
  /** Fixed at the first description: a leg on hold may say 0.0.0.0 whatever its family (RFC 3264 section 8.4). */
  #family: 'IP4' | 'IP6' | null

  constructor(options: LegMediaOptions) {
    this.#options = options
    const { family } = options.media
    this.#family = family === null ? null : family === 'ipv6' ? 'IP6' : 'IP4'
  }

  /** The suites that its last description names. */
  get suites(): readonly string[] {
    return suitesOf(audioOf(this.#said)?.lines ?? [])
  }

  /** What rtpengine is given of a description of the leg. Null: nothing in it can be used, or it is not as the trunk asks for. */
  given(sdp: string, options: { readonly audioOnly?: boolean } = {}): string | null {
    const { media, streams } = this.#options
    const chosen = chooseStreams(sdp, options.audioOnly === true ? AUDIO_ONLY : streams)
    const sections = chosen === null ? null : readSections(chosen)
    if (sections === null) return null
    const answer = keysOf(sdp) === keysOf(this.#said) ? this.#answer : null
    const given: Section[] = []
    for (const section of sections.media) {
      const usable = section.kind === 'image' ? section : secured({ section, session: sections.session, media })
      if (usable === null) return null
      const answered = answer?.media.find(({ kind }) => kind === section.kind)?.lines ?? []
      given.push({ ...usable, lines: settledBy([...(answer?.session ?? []), ...answered], usable.lines) })
    }
    const answered = [...(answer?.session ?? []), ...(answer?.media[0]?.lines ?? [])]
    return writeSections({ session: settledBy(answered, sections.session), media: given })
  }

  /** The same, and the leg has said it: later messages are made to fit. */
  take(sdp: string, options: { readonly audioOnly: boolean; readonly withoutIce: boolean }): string | null {
    const whole = this.given(sdp, options)
    if (whole === null) return null
    const given = options.withoutIce ? whole.replace(ICE_LINES, '') : whole
    if (keysOf(sdp) !== keysOf(this.#said)) this.#answer = null
    this.#said = sdp
    this.#family ??= familyOf(given)
    return given
  }

  /** How the audio of a description is carried; of its last one, or the one it will be offered, when none is named. */
  carries(sdp = this.#said): Carriage {
    const sections = readSections(sdp)
    const audio = audioOf(sdp)
    const { media } = this.#options
    if (sections === null || audio === undefined) return ownCarriage(media)
    return isSdesChosen(audio, media) ? 'srtp-sdes' : carriageOf(audio, sections.session)
  }

  /** rtpengine's options on a message whose description goes to the leg. `others`: SRTP suites that the sender named. */
  towards(others: readonly string[]): NgRequest {
    const sections = readSections(this.#said)
    const audio = audioOf(this.#said)
    const { media } = this.#options
    const isNew = sections === null || audio === undefined
    const carriage = this.carries()
    const hasIce = isNew ? media.ice : has(sections, audio, 'ice-ufrag')
    const isMuxed = isNew ? media.ice : has(sections, audio, 'rtcp-mux')
    return {
      'transport-protocol': isNew ? protocolOf(carriage, media) : audio.protocol,
      ICE: hasIce ? 'force' : 'remove',
      'rtcp-mux': [isMuxed ? 'offer' : 'demux'],
      'address-family': this.#family ?? 'IP4',
      ...(carriage === 'srtp-sdes' ? { SDES: sdesOptions([...others, ...this.suites]), DTLS: 'off' } : {}),
      ...(carriage === 'srtp-dtls' ? { SDES: ['off'] } : {}),
    }
  }

  /** What the leg is told: its streams in its own order, and packets as long as it is asked to send them. */
  tell(sdp: string, options: { readonly isAnswer: boolean }): string {
    const { packetMs, streams } = this.#options
    const told = readSections(sdp)
    if (options.isAnswer) this.#answer = told
    const fitted = fitStreams(sdp, this.#said, streams)
    return packetMs === null ? fitted : withPacketMs(fitted, packetMs)
  }
}

/** The media of a trunk that is called: where it does not say, in the address family of its first target. */
export function calledMedia(trunk: Pick<TrunkConfiguration, 'media' | 'targets'>): TrunkMedia {
  const { media, targets } = trunk
  const family = isIP(targets[0].host.replace(/[[\]]/g, ''))
  return { ...media, family: media.family ?? (family === 0 ? null : family === 6 ? 'ipv6' : 'ipv4') }
}

/** Whether the trunk's SRTP keys cross a network in the clear: they are in SDP, and SIP has no TLS there. */
export function showsItsKeys(trunk: Pick<TrunkConfiguration, 'media' | 'targets'>): boolean {
  return trunk.media.profile === 'srtp-sdes' && trunk.targets.some((target) => target.transport !== 'tls')
}

/** The carriage of an audio section, by its protocol and what it has for keys. Both: DTLS, as RFC 8643 would. */
export function carriageOf(audio: Section, session: readonly string[]): Carriage {
  if (!/SAVPF?$/.test(audio.protocol)) return 'rtp'
  return [...session, ...audio.lines].some((line) => line.startsWith('a=fingerprint:')) ? 'srtp-dtls' : 'srtp-sdes'
}

/** The section as the trunk's profile lets it through, with the keys of one kind only; null when it does not. */
function secured(options: {
  readonly section: Section
  readonly session: readonly string[]
  readonly media: TrunkMedia
}): Section | null {
  const { section, session, media } = options
  const { profile } = media
  if (section.port === 0) return section
  if (!/\/S?AVPF?$/.test(section.protocol)) return null
  const isSdes = isSdesChosen(section, media)
  const without = isSdes ? /^a=(fingerprint|setup|tls-id):/ : null
  const lines = without === null ? section.lines : section.lines.filter((line) => !without.test(line))
  const carriage = isSdes ? 'srtp-sdes' : carriageOf(section, session)
  if (profile !== 'any' && profile !== carriage) return null
  const withoutKeys = lines.filter((line) => !line.startsWith('a=crypto:'))
  if (carriage !== 'srtp-sdes') return { ...section, lines: withoutKeys }
  const good = keepGoodKeys(lines)
  return good === null ? null : { ...section, lines: good }
}

/** A peer that has both kinds of keys gets those that its trunk asks for. */
function isSdesChosen(audio: Section, media: TrunkMedia): boolean {
  return media.profile === 'srtp-sdes' && /SAVPF?$/.test(audio.protocol) && suitesOf(audio.lines).length > 0
}

function ownCarriage(media: TrunkMedia): Carriage {
  return media.profile === 'any' ? 'rtp' : media.profile
}

function protocolOf(carriage: Carriage, media: TrunkMedia): string {
  if (carriage === 'rtp') return 'RTP/AVP'
  if (carriage === 'srtp-sdes') return 'RTP/SAVP'
  // Browsers, the peers that want ICE, ask for feedback too (RFC 8827 section 6.2).
  return media.ice ? 'UDP/TLS/RTP/SAVPF' : 'UDP/TLS/RTP/SAVP'
}

function audioOf(sdp: string): Section | undefined {
  const sections = readSections(sdp)
  const audios = sections?.media.filter((section) => section.kind === 'audio') ?? []
  return audios.find((section) => section.port !== 0) ?? audios[0]
}

function has(sections: Sections, audio: Section, name: string): boolean {
  return [...sections.session, ...audio.lines].some((line) => line === `a=${name}` || line.startsWith(`a=${name}:`))
}

/** The family of the first address that is one; 0.0.0.0 and :: say that nothing is to be sent. */
function familyOf(sdp: string): 'IP4' | 'IP6' | null {
  for (const line of sdp.split('\r\n')) {
    const host = /^c=IN IP[46] ([^\s/]+)/.exec(line)?.[1]
    if (host !== undefined && host !== '0.0.0.0' && host !== '::' && isIP(host) !== 0)
      return isIP(host) === 6 ? 'IP6' : 'IP4'
  }
  return null
}

/** All of a description that keys depend on. */
function keysOf(sdp: string): string {
  return (sdp.match(/^a=(crypto|fingerprint|setup):.*$/gm) ?? []).join('\n')
}

/** Asks for packets of a length, in every audio stream (RFC 8866 section 6.4). */
function withPacketMs(sdp: string, packetMs: number): string {
  const sections = readSections(sdp)
  if (sections === null) return sdp
  const media = sections.media.map((section) =>
    section.kind !== 'audio' || section.port === 0
      ? section
      : {
          ...section,
          lines: [...section.lines.filter((line) => !/^a=(max)?ptime:/.test(line)), `a=ptime:${packetMs}`],
        },
  )
  return writeSections({ ...sections, media })
}
