import { AbortWait } from './abort-wait.ts'
import type { TrunkTarget } from '../wire/configuration.ts'
import { escapeUser } from './name-address.ts'
import { retryAfterSeconds } from './rejection.ts'
import type { InviteResult, OutgoingInvite, SipDialog, SipHeaders, SipMessage, SipServer } from './sip-server.ts'
import { targetUri } from './target-address.ts'
import type { TargetHealth } from './target-health.ts'
import { byRules } from './telephone-number.ts'
import type { TrunkSecrets } from './trunk-secrets.ts'
import type { Trunk } from './trunks.ts'
import { weightedOrder } from './weighted-order.ts'

/** A target that is there says 100 at once; SIP's own 32 s (RFC 3261 Timer B) are longer than any caller waits. */
const FIRST_PROVISIONAL_MS = 4_000
/** After its 100 a target has this long to ring or to refuse: the slowest mobile networks abroad take half of it. */
const PROGRESS_MS = 32_000
/** So many targets are tried for one call: with the time above, what a caller will wait for. */
const TRIES_MAX = 6
/** Others are tried first for so long after a target did not answer an INVITE, or could not be reached. */
const AVOID_SILENT_MS = 30_000
/** The same after a 503 that names no time (RFC 3261 section 21.5.4). */
const AVOID_REFUSING_MS = 5_000

/** A description of ours for a trunk, or the status that the call ends with since there is none. */
export type Offered =
  { readonly kind: 'ok'; readonly sdp: string } | { readonly kind: 'failed'; readonly status: number }

export type LegDependencies = {
  readonly sip: Pick<SipServer, 'invite'>
  readonly health: Pick<TargetHealth, 'isAvailable' | 'avoid'>
  readonly secrets: Pick<TrunkSecrets, 'credentials'>
  /** 0 to below 1, for targets that share calls. */
  readonly chance: () => number
  readonly firstProvisionalMs?: number
  readonly progressMs?: number
  /** A target was given up, and another one is tried. */
  readonly failedOver?: (trunk: Trunk) => void
}

/** Whom to call, and with what. */
export type LegOrder = {
  /** The trunks to try, the first first. */
  readonly trunks: readonly Trunk[]
  /** As the routes know it; the trunk's own rules are applied to it, and to the calling number. */
  readonly number: string
  /** Instead of the number: a request URI for this trunk as its peer wrote it, sent to the trunk's targets all the same. */
  readonly uriFor?: (trunk: Trunk) => string | null
  /** The user that is shown as the caller. */
  readonly callingNumber: string
  readonly headersFor: (trunk: Trunk) => SipHeaders
  /** Asked once for each trunk before it is called. */
  readonly offerFor: (trunk: Trunk) => Promise<Offered>
  /** Nobody is to be called any more: what rings is cancelled, what answers all the same is hung up. */
  readonly signal: AbortSignal
  readonly provisional: (response: SipMessage & { readonly status: number }) => void
}

export type LegResult =
  | {
      readonly kind: 'answered'
      readonly trunk: Trunk
      readonly dialog: SipDialog
      readonly response: SipMessage | null
    }
  /** 487: the signal was aborted, and nobody was waited for. */
  | { readonly kind: 'rejected'; readonly status: number; readonly response: SipMessage | null }

/**
 * Places one outgoing leg: an INVITE of our own to one target after the other, until one takes the call. The next is
 * tried after 503, 408 and 430, when a target cannot be reached, when it says nothing at all for 4 s, and when it says no
 * more than 100 for 32 s; never once it rang (a provisional response other than 100), since somebody may be lifting the receiver, and what it says then is
 * final. Targets that are known to be away are left out, unless no other is left. Never rejects.
 */
export async function placeLeg(dependencies: LegDependencies, order: LegOrder): Promise<LegResult> {
  const { health } = dependencies
  let last: LegResult = { kind: 'rejected', status: 503, response: null }
  const offers = new Map<Trunk, Offered>()
  for (const [index, { trunk, target }] of triesOf(dependencies, order.trunks).entries()) {
    const offered = offers.get(trunk) ?? (await order.offerFor(trunk))
    offers.set(trunk, offered)
    if (offered.kind === 'failed') return { kind: 'rejected', status: offered.status, response: null }
    if (order.signal.aborted) return CANCELLED
    if (index > 0) dependencies.failedOver?.(trunk)
    const { result, hasRung } = await invite(dependencies, order, { trunk, target, sdp: offered.sdp })
    if (result.kind === 'answered') return { ...result, trunk }
    last = result
    if (hasRung || !isOfTarget(result.status)) return result
    const forMs = avoidedMs(result)
    if (forMs > 0) health.avoid(trunk, target, forMs)
  }
  return last
}

/** What a target says that another one may not: it is overloaded or away (RFC 3261 section 21.5.4, RFC 5626 section 11.5). */
function isOfTarget(status: number): boolean {
  return status === 0 || status === 408 || status === 430 || status === 503
}

function avoidedMs(result: { readonly status: number; readonly response: SipMessage | null }): number {
  const seconds = retryAfterSeconds(result.response)
  if (result.status === 503) return seconds === null ? AVOID_REFUSING_MS : Number(seconds) * 1_000
  // A proxy that says 408 or 430 means whoever is behind it, and takes other calls.
  return result.response === null ? AVOID_SILENT_MS : 0
}

type Try = { readonly trunk: Trunk; readonly target: TrunkTarget }

function triesOf(dependencies: LegDependencies, trunks: readonly Trunk[]): readonly Try[] {
  const all = trunks.flatMap((trunk) =>
    weightedOrder(trunk.targets, dependencies.chance).map((target) => ({ trunk, target })),
  )
  const available = all.filter(({ trunk, target }) => dependencies.health.isAvailable(trunk, target))
  return (available.length > 0 ? available : all).slice(0, TRIES_MAX)
}

/** Sends one INVITE and waits for its end, or until the signal, or until it is clear that nobody is there. */
async function invite(
  dependencies: LegDependencies,
  order: LegOrder,
  to: Try & { readonly sdp: string },
): Promise<{ readonly result: InviteResult; readonly hasRung: boolean }> {
  const { signal } = order
  const { trunk, target } = to
  const { out } = trunk.numbers
  const silent = Promise.withResolvers<typeof SILENT>()
  const after = (ms: number): NodeJS.Timeout => setTimeout(() => silent.resolve(SILENT), ms)
  let silence = after(dependencies.firstProvisionalMs ?? FIRST_PROVISIONAL_MS)
  let hasTried = false
  let outgoing: OutgoingInvite | null = null
  let hasRung = false
  const given = { up: false }
  const written = order.uriFor?.(trunk) ?? null
  const inviting = dependencies.sip.invite(
    written ?? targetUri(target, escapeUser(byRules(order.number, out))),
    {
      ...(written === null ? {} : { proxy: targetUri(target, null) }),
      sdp: to.sdp,
      headers: order.headersFor(trunk),
      callingNumber: escapeUser(byRules(order.callingNumber, out)),
      credentials: dependencies.secrets.credentials(trunk),
    },
    {
      sent: (sent) => {
        outgoing = sent
        if (given.up) sent.cancel()
      },
      provisional: (response) => {
        if (given.up) return
        hasRung ||= response.status > 100
        // Once it rings, only the end of the INVITE, or of the attempt, is waited for.
        if (hasRung || !hasTried) clearTimeout(silence)
        if (!hasRung && !hasTried) silence = after(dependencies.progressMs ?? PROGRESS_MS)
        hasTried = true
        order.provisional(response)
      },
    },
  )
  const cancelled = new AbortWait(signal, CANCELLED)
  const result = await Promise.race([inviting, silent.promise, cancelled.happened])
  clearTimeout(silence)
  cancelled.forget()
  if (result === SILENT || result === CANCELLED) {
    given.up = true
    ;(outgoing as OutgoingInvite | null)?.cancel()
    void inviting.then((late) => late.kind === 'answered' && hangUp(late.dialog))
  }
  return { result, hasRung }
}

/** Ends a dialog that nobody uses; whether the BYE is answered does not matter. */
export function hangUp(dialog: SipDialog): void {
  dialog.destroy({}).catch(() => undefined)
}

const CANCELLED = { kind: 'rejected', status: 487, response: null } as const
const SILENT = { kind: 'rejected', status: 408, response: null } as const
