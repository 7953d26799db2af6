import type { Call, CallDependencies } from './call.ts'
import type { CallDirectory } from './call-directory.ts'
import type { EnginePool } from './engine-pool.ts'
import type { Leg } from './leg.ts'
import type { LegDependencies } from './outgoing-leg.ts'
import type { SetUpPlace } from './set-up-place.ts'
import type { SipRequest, SipResponse, SipServer } from './sip-server.ts'
import type { SourceLimits } from './source-limits.ts'
import type { TrunkSecrets } from './trunk-secrets.ts'
import type { Trunk, Trunks } from './trunks.ts'

export type SetUpDependencies = {
  readonly sip: Pick<SipServer, 'answer'>
  /** For the outgoing leg. */
  readonly leg: LegDependencies
  readonly trunks: Trunks
  readonly secrets: Pick<TrunkSecrets, 'gate'>
  readonly limits: Pick<SourceLimits, 'admit'>
  readonly emergencyNumbers: readonly string[]
  /** Whose calls are that no trunk or route gives to another. */
  readonly merchant: string
  readonly engines: EnginePool
  /** Calls whose legs an INVITE may replace. */
  readonly calls: Pick<CallDirectory, 'findLeg'>
  /** Call ids in rtpengine begin with it. */
  readonly callIdPrefix: string
  readonly call: CallDependencies
  readonly answered: (call: Call) => void
}

/** One INVITE of a caller while it becomes a call. */
export type Attempt = {
  readonly dependencies: SetUpDependencies
  readonly request: SipRequest
  readonly response: SipResponse
  /** Gives the attempt up: the sbc is closing, or the SIP server is gone. */
  readonly signal: AbortSignal
  readonly caller: Trunk
  readonly place: SetUpPlace
  readonly callId: string
  /** The number that was called, as the routes know it. */
  readonly number: string
  readonly isEmergency: boolean
  /** The user that calls, by the rules of its trunk; '' when it names none. */
  readonly callingNumber: string
  readonly hops: number
  /** What each side is shown as our session: the caller's in our answer, the callee's in our offer. */
  readonly callerOrigin: Leg['origin']
  readonly calleeOrigin: Leg['origin']
}
