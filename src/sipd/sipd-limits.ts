import { RFC_3261_TIMES, type TransactionTimes } from './transaction-step.ts'
import type { TcpLimits } from './transport-tcp.ts'

/** Everything that could grow or wait has its limit here; configuration may change each. */
export type SipdLimits = TransactionTimes &
  TcpLimits & {
    /** Transactions in each direction. At 4 kB each this stays under 100 MB. */
    readonly transactionsMax: number
    readonly dialogsMax: number
    readonly applicationsMax: number
    /** How long an application has for its first answer to a request. */
    readonly applicationAnswerMs: number
    /** How long an INVITE may ring, either direction (RFC 3261 timer C asks for more than 3 minutes). */
    readonly ringingMs: number
    /** How long a name look-up may take before the request is answered with 503. */
    readonly resolveMs: number
    /** How long close() waits for the answers to its BYEs. */
    readonly closeMs: number
  }

export const DEFAULT_LIMITS: SipdLimits = {
  ...RFC_3261_TIMES,
  tcpConnectionsMax: 1_000,
  tcpConnectionsPerPeerMax: 250,
  tcpFirstMessageMs: 30_000,
  tcpMessageMs: 10_000,
  tcpIdleMs: 300_000,
  tcpConnectMs: 5_000,
  transactionsMax: 20_000,
  dialogsMax: 20_000,
  applicationsMax: 16,
  applicationAnswerMs: 64_000,
  ringingMs: 240_000,
  resolveMs: 5_000,
  closeMs: 1_500,
}
