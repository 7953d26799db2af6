import type { TrunkMedia } from '../wire/configuration.ts'
import { ANY_MEDIA, LegMedia } from './leg-media.ts'
import type { Party } from './party.ts'
import type { NgCommand, NgRequest, NgResult } from './rtpengine-control.ts'

/** The guard and the stand-ins of seats: plain RTP, whatever the parties speak. */
const PLAIN_MEDIA: TrunkMedia = { ...ANY_MEDIA, profile: 'rtp' }

/**
 * All legs of a call in rtpengine, by their tags, and what each offer and answer says about them: the sender's
 * description as far as it may pass, and how rtpengine is to speak to the receiver.
 */
export class CallLegs {
  readonly #media: { payer: TrunkMedia; agent: TrunkMedia } = { payer: ANY_MEDIA, agent: ANY_MEDIA }
  readonly #legs = new Map<string, LegMedia>()
  /**
   * What the legs said of ICE, they said to another rtpengine. One that heard it would take the passwords that they answer
   * it with for a restart, and have new ones itself (RFC 8445 section 9), which nobody would tell them.
   */
  #isCarriedOver = false
  /** Whom an offer without a to-tag is for. */
  readonly #awaited = new Map([
    ['payer', 'agent'],
    ['agent', 'payer'],
  ])

  /** The trunk that a party's next leg belongs to. Descriptions of an earlier leg by the same name are forgotten. */
  use(party: Party, media: TrunkMedia, tag: string): void {
    this.#media[party] = media
    this.#legs.delete(tag)
  }

  /** A leg that is to come, and the stand-in that it talks to until then. */
  await(tag: string, standIn: string): void {
    this.#awaited.set(tag, standIn).set(standIn, tag)
  }

  /** What a leg said to another rtpengine: it is spoken to here as it was there, with keys or ICE if it had them. */
  carryOver(said: { readonly [tag: string]: string }): void {
    for (const [tag, sdp] of Object.entries(said)) this.#leg(tag).take(sdp, { audioOnly: false, withoutIce: false })
    this.#isCarriedOver = true
  }

  /** From here on rtpengine is told all of what the legs say. */
  carriedOver(): void {
    this.#isCarriedOver = false
  }

  /** Whether a description of the leg has something that the trunk lets through. */
  accepts(tag: string, sdp: string, options: { readonly audioOnly?: boolean } = {}): boolean {
    return this.#leg(tag).given(sdp, options) !== null
  }

  /** Whether an offer must go by a relay: both legs have keys from SDP, and neither may know the other's. */
  mustRelay(offer: { readonly from: string; readonly sdp: string; readonly to: string }): boolean {
    return this.#leg(offer.from).carries(offer.sdp) === 'srtp-sdes' && this.#leg(offer.to).carries() === 'srtp-sdes'
  }

  /** The fields of an offer or answer as rtpengine is sent them; null: the description cannot be used. */
  sent(command: 'offer' | 'answer', fields: NgRequest): NgRequest | null {
    const { sender, receiver } = this.#ends(command, fields)
    const from = this.#leg(sender)
    // In a window nothing but audio flows, and a stand-in has nothing else.
    const audioOnly = partyOf(sender) === null || partyOf(receiver) === null
    const sdp = from.take(textOf(fields['sdp']), { audioOnly, withoutIce: this.#isCarriedOver })
    if (sdp === null) return null
    return { replace: ['origin', 'session-connection'], ...this.#leg(receiver).towards(from.suites), ...fields, sdp }
  }

  /** The reply with the description as the receiver is told it. */
  told(command: 'offer' | 'answer', fields: NgRequest, result: NgResult): NgResult {
    if (result.kind !== 'ok') return result
    const { receiver } = this.#ends(command, fields)
    const sdp = this.#leg(receiver).tell(textOf(result.reply['sdp']), { isAnswer: command === 'answer' })
    return { kind: 'ok', reply: { ...result.reply, sdp } }
  }

  #ends(command: NgCommand, fields: NgRequest): { readonly sender: string; readonly receiver: string } {
    const from = textOf(fields['from-tag'])
    const to = textOf(fields['to-tag']) || (this.#awaited.get(from) ?? '')
    return command === 'offer' ? { sender: from, receiver: to } : { sender: to, receiver: from }
  }

  #leg(tag: string): LegMedia {
    const known = this.#legs.get(tag)
    if (known !== undefined) return known
    const { payer, agent } = this.#media
    const party = partyOf(tag)
    const [own, other] = party === 'payer' ? [payer, agent] : party === 'agent' ? [agent, payer] : []
    const leg = new LegMedia({
      media: own ?? PLAIN_MEDIA,
      packetMs: own?.packetMs ?? other?.packetMs ?? null,
      streams: {
        video: own?.video === 'pass' && other?.video === 'pass',
        t38: own?.t38 === 'pass' && other?.t38 === 'pass',
      },
    })
    this.#legs.set(tag, leg)
    return leg
  }
}

/** Tags of legs that took a party's place begin with its name. */
function partyOf(tag: string): Party | null {
  return tag.startsWith('payer') ? 'payer' : tag.startsWith('agent') ? 'agent' : null
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
