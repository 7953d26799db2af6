import assert from 'node:assert/strict'
import type { TrunkMedia } from '../wire/configuration.ts'
import type { MediaResult } from './media-reply.ts'
import { plainDescription } from './plain-description.ts'
import type { NgCommand, NgRequest, NgResult } from './rtpengine-control.ts'
import { readAudio, voiceCodecs, type AudioStream, type Direction } from './sdp.ts'

/** What a seat may do with the session that it belongs to. */
export type SeatHost = {
  /** Names of the new leg and of its stand-in in rtpengine; no other leg of the call has had them. */
  readonly tag: string
  readonly standInTag: string
  /** The description of the party that the new leg is to talk with, as that party sent it. */
  readonly across: () => string
  /** The media of the trunk that the new leg is on. */
  readonly use: (media: TrunkMedia) => void
  /** Whether the leg that is replaced holds the call: then the direction of the other party says nothing of it. */
  readonly isHeldByReplaced: () => boolean
  readonly send: (command: NgCommand, fields: NgRequest) => Promise<NgResult>
  readonly read: (result: NgResult) => MediaResult<string>
  /** Puts the new leg in the party's place. */
  readonly sit: (leg: {
    readonly tag: string
    readonly sdp: string
    readonly port: number | null
  }) => Promise<MediaResult<null>>
}

/** RFC 863: nobody answers there, and nothing that is sent to it leaves the machine. */
const DISCARD_PORT = 9

/** Offered after what the other party speaks: a new leg that takes one of these is transcoded, and not refused. */
const EVERYBODY_SPEAKS = ['PCMU', 'PCMA'] as const

/**
 * A place in a call for a leg that is to replace one of its parties.
 *
 *     before   payer ── agent       stand-in ── new leg      the new leg has its port, and hears nothing
 *     after    payer ── new leg                              on that port; the payer's port is what it was
 *
 * The stand-in is a description of the other party's codecs with no address: rtpengine gives the new leg a port for it,
 * and neither the call nor an open window notices. Nothing of the call reaches the new leg before sit().
 */
export class MediaSeat {
  readonly #host: SeatHost
  #sdp: string | null = null
  #port: number | null = null
  #isOver = false

  constructor(host: SeatHost) {
    this.#host = host
  }

  /** The offer for the new leg, as its trunk has media. */
  async offer(media?: TrunkMedia): Promise<MediaResult<string>> {
    const { standInTag } = this.#host
    if (media !== undefined) this.#host.use(media)
    const codec = { transcode: EVERYBODY_SPEAKS }
    return this.#told(await this.#host.send('offer', { 'from-tag': standInTag, sdp: this.#standIn(), codec }))
  }

  /** The new leg's answer to that offer. */
  async answered(sdp: string): Promise<MediaResult<null>> {
    if (readAudio(sdp) === null) return { kind: 'failed', code: 'unusable' }
    const { standInTag, tag } = this.#host
    const reply = this.#host.read(await this.#host.send('answer', { 'from-tag': standInTag, 'to-tag': tag, sdp }))
    if (reply.kind === 'failed') return reply
    this.#sdp = sdp
    return { kind: 'ok', value: null }
  }

  /** The new leg offers by itself; the value is the answer for it. */
  async offered(sdp: string, media?: TrunkMedia): Promise<MediaResult<string>> {
    if (media !== undefined) this.#host.use(media)
    if (readAudio(sdp) === null) return { kind: 'failed', code: 'unusable' }
    const { standInTag, tag } = this.#host
    const offered = this.#host.read(await this.#host.send('offer', { 'from-tag': tag, sdp }))
    if (offered.kind === 'failed') return offered
    const answer = { 'from-tag': tag, 'to-tag': standInTag, sdp: this.#standIn() }
    const told = this.#told(await this.#host.send('answer', answer))
    if (told.kind === 'ok') this.#sdp = sdp
    return told
  }

  /** The new leg takes the party's place. After a failure the party keeps it, and the seat is to be dropped. */
  async sit(): Promise<MediaResult<null>> {
    assert(this.#sdp !== null && !this.#isOver, 'nobody to sit down')
    const { tag } = this.#host
    const seated = await this.#host.sit({ tag, sdp: this.#sdp, port: this.#port })
    if (seated.kind === 'failed') return seated
    this.#isOver = true
    await this.#delete(this.#host.standInTag)
    return seated
  }

  /** Nobody will sit here. Does nothing when somebody does. Safe to call twice. */
  async drop(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#delete(this.#host.standInTag)
    await this.#delete(this.#host.tag)
  }

  /** A delete with a to-tag would end the whole call. */
  async #delete(tag: string): Promise<void> {
    await this.#host.send('delete', { 'from-tag': tag, 'delete delay': 0, flags: ['fast'] })
  }

  #told(result: NgResult): MediaResult<string> {
    const told = this.#host.read(result)
    if (told.kind === 'ok') this.#port = readAudio(told.value)?.port ?? null
    return told
  }

  #standIn(): string {
    const audio = readAudio(this.#host.across())
    return standInSdp(audio, this.#host.isHeldByReplaced() ? 'sendrecv' : (audio?.direction ?? 'sendrecv'))
  }
}

/** The voice codecs and telephone-event of a stream, at no address of anybody. */
function standInSdp(audio: AudioStream | null, direction: Direction): string {
  const host = audio?.host.includes(':') === true ? '::1' : '127.0.0.1'
  const events = audio?.codecs.filter((codec) => codec.name === 'TELEPHONE-EVENT') ?? []
  const codecs = audio === null ? [] : [...voiceCodecs(audio), ...events]
  return plainDescription({ host, port: DISCARD_PORT, codecs, direction })
}
