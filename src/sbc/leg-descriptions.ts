import { randomInt } from 'node:crypto'
import { differ } from './call-rescue.ts'
import type { Leg } from './leg.ts'
import { hideOrigin } from './sdp.ts'
import { reinvite } from './sip-server.ts'

/** What each leg of a call was told last, and the next thing that it is told: our origin, one version on. */
export class LegDescriptions {
  /** By origin: a leg keeps its own when it goes to another call. */
  readonly #told = new WeakMap<Leg['origin'], string>()

  /** The leg belongs to the call from now on; what it was told so far is what its dialog says. */
  adopt(leg: Leg): void {
    this.#told.set(leg.origin, leg.dialog.local.sdp)
  }

  /** The last description that the leg was told, '' before. */
  last(leg: Pick<Leg, 'origin'>): string {
    return this.#told.get(leg.origin) ?? ''
  }

  /** A description that the leg is told in an answer of ours. Null: it is none, and nothing is told. */
  next(leg: Pick<Leg, 'origin'>, sdp: string): string | null {
    leg.origin.version += 1
    const body = hideOrigin(sdp, leg.origin)
    if (body !== null) this.#told.set(leg.origin, body)
    return body
  }

  /** Whether a description would change the leg's media: address, direction, voice or keys. */
  isNews(leg: Leg, sdp: string): boolean {
    return differ(this.last(leg), sdp)
  }

  /** A description that no party asked for, by re-INVITE; ok: the leg's own. Never rejects. */
  async offer(leg: Leg, sdp: string): ReturnType<typeof reinvite> {
    const before = this.last(leg)
    const body = this.next(leg, sdp)
    if (body === null) return { kind: 'rejected', status: 500 }
    const answered = await reinvite(leg.dialog, body)
    if (answered.kind === 'rejected') this.#told.set(leg.origin, before)
    return answered
  }
}

/** A session of ours (RFC 8866 section 5.2); its id stays in the range that peers read as 64 bits. */
export function newOrigin(): Leg['origin'] {
  return { sessionId: randomInt(1, 2 ** 47), version: 1 }
}
