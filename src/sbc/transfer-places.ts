import { nameIn } from './agent-name.ts'
import type { CallDirectory } from './call-directory.ts'
import type { Leg } from './leg.ts'
import { placeLeg, type LegResult, type Offered } from './outgoing-leg.ts'
import type { DialogName, ReferTarget } from './refer-target.ts'
import { capabilities } from './refusal.ts'
import type { SetUpDependencies } from './set-up-attempt.ts'
import type { SipDialog, SipRequest, SipResponse } from './sip-server.ts'
import type { Trunk, Trunks } from './trunks.ts'

/** A call that a leg can be taken from for another: an attended transfer between two calls of this sbc. */
export type GivingCall = {
  /** The party across from the leg goes. The value is what `take` said, or why the call did not ask it. */
  giveAway(across: Leg, take: (given: Leg, name: string) => Promise<number>): Promise<number>
}

export type PlacedLeg =
  | (Extract<LegResult, { readonly kind: 'answered' }> & { readonly agent: string })
  | { readonly kind: 'rejected'; readonly status: number }

export type PlaceOrder = {
  readonly target: ReferTarget
  /** The trunk of the transferor. */
  readonly from: Trunk
  readonly callingNumber: string
  /** RFC 3892: who asked for it, as it was said. */
  readonly referredBy: string | null
  readonly offer: (trunk: Trunk) => Promise<Offered>
  readonly signal: AbortSignal
  readonly ringing: () => void
}

/** An INVITE that is to replace a leg; `agent`: who sent it, as desks are shown it. */
export type ReplacingInvite = {
  readonly request: SipRequest
  readonly response: SipResponse
  readonly trunk: Trunk
  readonly agent: string
}

/** What transfers need of the sbc: whom a REFER names, and legs of ours that a Replaces names. */
export type TransferPlaces = {
  place(order: PlaceOrder): Promise<PlacedLeg>
  /** The call and leg that a dialog on the same side belongs to, or null when it is none of ours. */
  find(dialog: DialogName, from: Trunk): { readonly call: GivingCall; readonly leg: Leg } | null
  /** Answers an INVITE with 200; null: it was cancelled meanwhile. */
  answer(invite: Pick<ReplacingInvite, 'request' | 'response' | 'trunk'>, sdp: string): Promise<SipDialog | null>
}

/** No longer chain of transfers is followed (RFC 3261 section 20.22). */
const HOPS = 70
/** A service that knows its calls by it writes some 500 characters; cut short it would name another. */
const REFERRED_BY_LENGTH_MAX = 1_024

export function transferPlaces(parts: {
  readonly directory: CallDirectory
  /** What calls are set up with, as soon as the first is. */
  readonly setUp: () => Pick<SetUpDependencies, 'sip' | 'leg' | 'trunks'>
}): TransferPlaces {
  const { directory, setUp } = parts
  return {
    place: async (order) => {
      const { target } = order
      const { leg: placing, trunks } = setUp()
      const chosen = trunksFor(order, trunks)
      if (chosen.length === 0) return { kind: 'rejected', status: 404 }
      const placed = await placeLeg(placing, {
        trunks: chosen,
        number: target.number,
        uriFor: (trunk) => (isTargetOf(trunk, target) ? target.uri : null),
        callingNumber: order.callingNumber === '' ? 'anonymous' : order.callingNumber,
        headersFor: (trunk) => headersFor(trunk, order),
        offerFor: order.offer,
        signal: order.signal,
        provisional: ({ status }) => {
          if (status >= 180) order.ringing()
        },
      })
      if (placed.kind === 'rejected') return placed
      const { trunk, response } = placed
      const agent = nameIn(trunk, { message: response, fallback: target.number })
      return { ...placed, agent }
    },
    find: (dialog, from) => {
      const found = directory.findLeg(dialog)
      return found !== null && found.leg.trunk.side === from.side ? found : null
    },
    answer: ({ request, response, trunk }, sdp) =>
      setUp().sip.answer(request, response, {
        sdp,
        headers: { ...capabilities(trunk), 'Content-Type': 'application/sdp' },
        credentials: setUp().leg.secrets.credentials(trunk),
      }),
  }
}

/**
 * A target at a PBX of the transferor's side goes there, to the transferor's own before others; any other goes where
 * calls of the transferor go by its number. A dialog that is to be replaced and is none of ours is the transferor's PBX's.
 */
export function trunksFor(order: Pick<PlaceOrder, 'target' | 'from'>, trunks: Trunks): readonly Trunk[] {
  const { target, from } = order
  const isAt = (trunk: Trunk): boolean => isTargetOf(trunk, target) || trunks.bySource(target.host)?.name === trunk.name
  const beside = trunks.all().filter((trunk) => trunk.side === from.side && trunk.name !== from.name)
  const home = [from, ...beside].find(isAt) ?? (target.replaces === null ? undefined : from)
  if (home !== undefined) return target.number === '' && !isTargetOf(home, target) ? [] : [home]
  return target.number === '' ? [] : trunks.route({ from: from.name, number: target.number })
}

function isTargetOf(trunk: Trunk, target: ReferTarget): boolean {
  return trunk.targets.some(({ host }) => host.toLowerCase() === target.host)
}

function headersFor(trunk: Trunk, order: PlaceOrder): Readonly<Record<string, string>> {
  const { replaces } = order.target
  // Who asked for it belongs to the transferor's side, and stays there.
  const isSameSide = trunk.side === order.from.side
  const referredBy = order.referredBy ?? ''
  const isPassed = isSameSide && referredBy.length <= REFERRED_BY_LENGTH_MAX && /^[^\r\n]+$/.test(referredBy)
  return {
    'Max-Forwards': String(HOPS),
    'User-Agent': 'Tonewall',
    'Content-Type': 'application/sdp',
    ...capabilities(trunk),
    ...(replaces === null ? {} : { Replaces: replaces.value }),
    ...(isPassed ? { 'Referred-By': referredBy } : {}),
  }
}
