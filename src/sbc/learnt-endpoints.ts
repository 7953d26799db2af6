import { isNowhere, readAudio, withEndpoint } from './sdp.ts'

/** 0.2 s of packets of 20 ms: the answer that names the place does not come later than so many of them. */
const EARLY_PACKETS_MAX = 10

type Endpoint = { readonly host: string; readonly port: number }

/**
 * What rtpengine says of a leg: where it hears it from, which is the leg's own word until it heard otherwise; whether packets
 * surely came since the last description; how many packets came, from wherever and before whatever was said.
 */
export type HeardLeg = { readonly from: Endpoint | null; readonly isSure: boolean; readonly packets: number }

/**
 * Where legs were heard from: behind NAT that is not what they say. rtpengine can be told to take packets from nowhere
 * else than the address it was told last, and a leg behind NAT says its own again in every re-INVITE: as long as it says
 * the same, it is where it was heard. Of a leg that was not heard since it said something new, nothing is known.
 */
export class LearntEndpoints {
  readonly #known = new Map<string, { readonly said: Endpoint; readonly learnt: Endpoint; readonly packets: number }>()

  /** The description with the address that the leg was heard from, if it was. Kept for its next ones. */
  learn(tag: string, sdp: string, { from, isSure, packets }: HeardLeg): string {
    const said = readAudio(sdp)
    if (from === null || said === null || !hasPlace(sdp)) return sdp
    const before = this.#known.get(tag)
    // What stands may be an earlier one of these already; the leg itself goes on saying what it said first.
    const isSameAsBefore = before !== undefined && (isSame(before.learnt, said) || isSame(before.said, said))
    if (!isSameAsBefore) {
      // Of one that moves, packets go on coming from where it was.
      if (before !== undefined && (!isSure || packets <= before.packets)) return sdp
      // One that is new may send a few before rtpengine is told of it, and is then at its own word for a moment.
      if (before === undefined && packets < (isSame(from, said) && !isSure ? EARLY_PACKETS_MAX : 1)) return sdp
    }
    const own = before !== undefined && isSame(before.learnt, said) ? before.said : said
    this.#known.set(tag, { said: { host: own.host, port: own.port }, learnt: from, packets })
    return isSame(from, said) ? sdp : withEndpoint(sdp, from)
  }

  /** A new description of a leg, with the address it was heard from if it still says the same of itself. */
  apply(tag: string, sdp: string): string {
    const known = this.#known.get(tag)
    const said = readAudio(sdp)
    if (known === undefined || said === null || !isSame(known.said, said)) return sdp
    return isSame(known.learnt, said) ? sdp : withEndpoint(sdp, known.learnt)
  }

  /** Whether a description, as apply() gives it, must be taken for what it says until the leg is heard. */
  isUnheard(tag: string, sdp: string): boolean {
    const said = readAudio(sdp)
    if (said === null || !hasPlace(sdp)) return false
    const known = this.#known.get(tag)
    return known === undefined || !isSame(known.learnt, said)
  }
}

/** ICE finds its way by itself, and on hold or without a port there is nothing to hear. */
function hasPlace(sdp: string): boolean {
  const said = readAudio(sdp)
  return said !== null && said.port !== 0 && !isNowhere(said.host) && !/^a=ice-ufrag:/m.test(sdp)
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port
}
