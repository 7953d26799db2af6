import { isNowhere, readAudio, withEndpoint } from './sdp.ts'

type Endpoint = { readonly host: string; readonly port: number }

/**
 * Where legs behind NAT were heard from, in place of what they say. rtpengine takes no packets from elsewhere than the
 * address it was told last, and such a leg says its own again in every re-INVITE: as long as it says the same, it is
 * where it was heard.
 */
export class LearntEndpoints {
  readonly #known = new Map<string, { readonly said: Endpoint; readonly learnt: Endpoint }>()

  /** The description with the address that the leg was heard from, null: not heard yet. Kept for its next ones. */
  learn(tag: string, sdp: string, learnt: Endpoint | null): string {
    const said = readAudio(sdp)
    if (learnt === null || said === null || said.port === 0 || isNowhere(said.host)) return sdp
    if (/^a=ice-ufrag:/m.test(sdp) || isSame(learnt, said)) return sdp
    const before = this.#known.get(tag)
    // What stands may be an earlier one of these already; the leg itself goes on saying what it said first.
    const own = before !== undefined && isSame(before.learnt, said) ? before.said : said
    this.#known.set(tag, { said: { host: own.host, port: own.port }, learnt })
    return withEndpoint(sdp, learnt)
  }

  /** A new description of a leg, with the address it was heard from if it still says the same of itself. */
  apply(tag: string, sdp: string): string {
    const known = this.#known.get(tag)
    const said = readAudio(sdp)
    return known !== undefined && said !== null && isSame(known.said, said) ? withEndpoint(sdp, known.learnt) : sdp
  }
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port
}
