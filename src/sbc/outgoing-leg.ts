import { escapeUser } from './name-address.ts'
import type { InviteResult, OutgoingInvite, SipDialog, SipHeaders, SipMessage, SipServer } from './sip-server.ts'
import type { Trunk } from './trunks.ts'

/** A description of ours for a trunk, or the status that the call ends with since there is none. */
export type Offered =
  { readonly kind: 'ok'; readonly sdp: string } | { readonly kind: 'failed'; readonly status: number }

/** Whom to call, and with what. */
export type LegOrder = {
  /** The trunks to try, the first first. */
  readonly trunks: readonly [Trunk, ...Trunk[]]
  readonly number: string
  /** The user part that is shown as the caller. */
  readonly callingNumber: string
  readonly headersFor: (trunk: Trunk) => SipHeaders
  /** Asked for each trunk before it is called. */
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

/** Places one outgoing leg: an INVITE of our own to the trunk. Never rejects. */
export async function placeLeg(sip: Pick<SipServer, 'invite'>, order: LegOrder): Promise<LegResult> {
  const [trunk] = order.trunks
  const offered = await order.offerFor(trunk)
  if (offered.kind === 'failed') return { kind: 'rejected', status: offered.status, response: null }
  const result = await invite(sip, order, { trunk, sdp: offered.sdp })
  return result.kind === 'answered' ? { ...result, trunk } : result
}

/** Sends one INVITE and waits for its end, or until the signal. */
async function invite(
  sip: Pick<SipServer, 'invite'>,
  order: LegOrder,
  to: { readonly trunk: Trunk; readonly sdp: string },
): Promise<InviteResult> {
  const { signal } = order
  if (signal.aborted) return CANCELLED
  const [{ host, port, transport }] = to.trunk.targets
  let outgoing: OutgoingInvite | null = null
  let isCancelled = false
  const cancelled = new Promise<InviteResult>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        isCancelled = true
        outgoing?.cancel()
        resolve(CANCELLED)
      },
      { once: true },
    )
  })
  const inviting = sip.invite(
    `sip:${escapeUser(order.number)}@${host}:${port ?? 5_060};transport=${transport}`,
    { sdp: to.sdp, headers: order.headersFor(to.trunk), callingNumber: order.callingNumber },
    {
      sent: (sent) => {
        outgoing = sent
        if (isCancelled) sent.cancel()
      },
      provisional: order.provisional,
    },
  )
  const result = await Promise.race([inviting, cancelled])
  // Answered all the same, after it was given up.
  if (isCancelled) void inviting.then((late) => late.kind === 'answered' && hangUp(late.dialog))
  return isCancelled ? CANCELLED : result
}

/** Ends a dialog that nobody uses; whether the BYE is answered does not matter. */
export function hangUp(dialog: SipDialog): void {
  dialog.destroy({}).catch(() => undefined)
}

const CANCELLED: InviteResult = { kind: 'rejected', status: 487, response: null }
