import { guardTag, otherParty, type Party } from './party.ts'
import { readDescription } from './media-reply.ts'
import type { NgRequest, NgResult } from './rtpengine-control.ts'

/** One offer or answer between the parties; `tags` are their names in rtpengine. */
export type LinkMessage = {
  readonly offerer: Party
  readonly tags: { readonly payer: string; readonly agent: string }
  readonly sdp: string
  /** What else the message for the receiver says. */
  readonly fields: NgRequest
  readonly live: boolean
  /** rtpengine's description of a leg with the address that leads to it from inside of it. */
  readonly locateIn: (sdp: string, tag: string) => Promise<string>
}
type Send = (command: 'offer' | 'answer', fields: NgRequest) => Promise<NgResult>

/**
 * How the parties are connected while no guard is between.
 *
 *     direct    payer ── agent
 *     relayed   payer ── guard-payer ┐ rtpengine's own ports
 *               agent ── guard-agent ┘
 *
 * Relayed is for two legs with keys from SDP: connected directly, rtpengine would tell each leg the key of the other
 * (it saves itself the encryption), and whoever sits at the agent's side and listens on the carrier's could decrypt the
 * customer's keys of an open window. The relay is one hop more inside of rtpengine, with a new key on either side of it.
 */
export async function offerAcross(send: Send, message: LinkMessage, isRelayed: boolean): Promise<NgResult> {
  const { offerer, tags, sdp, fields, live } = message
  const to = otherParty(offerer)
  const toTag = live || isRelayed ? { 'to-tag': tags[to] } : {}
  if (!isRelayed) return send('offer', { ...fields, 'from-tag': tags[offerer], ...toTag, sdp })
  const near = { flags: fields['flags'], 'from-tag': tags[offerer], 'to-tag': guardTag(offerer), sdp }
  const plain = await send('offer', near)
  const description = readDescription(plain)
  if (description.kind === 'failed') return plain
  const inner = await message.locateIn(description.value, guardTag(offerer))
  return send('offer', { ...fields, 'from-tag': guardTag(to), ...toTag, sdp: inner })
}

/** The answer to it. */
export async function answerAcross(send: Send, message: LinkMessage, isRelayed: boolean): Promise<NgResult> {
  const { offerer, tags, sdp, fields } = message
  const answerer = otherParty(offerer)
  const far = { ...fields, 'from-tag': guardTag(answerer), 'to-tag': tags[answerer], sdp }
  if (!isRelayed) return send('answer', { ...fields, 'from-tag': tags[offerer], 'to-tag': tags[answerer], sdp })
  const plain = await send('answer', far)
  const description = readDescription(plain)
  if (description.kind === 'failed') return plain
  const inner = await message.locateIn(description.value, guardTag(answerer))
  return send('answer', { ...fields, 'from-tag': tags[offerer], 'to-tag': guardTag(offerer), sdp: inner })
}
