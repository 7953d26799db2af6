import type { Logger } from '../kit/log.ts'
import type { Admission } from './admission.ts'
import type { AvoidedServers } from './avoided-servers.ts'
import type { CallRecords } from './call-records.ts'
import type { Clock } from './clock.ts'
import type { ControlServer } from './control-server.ts'
import type { DialogTable } from './dialog-group.ts'
import type { LocationTools } from './server-location.ts'
import type { SessionTimerPolicy } from './session-timer-terms.ts'
import type { SipdLimits } from './sipd-limits.ts'
import type { TransactionTable } from './transaction-table.ts'
import type { Transports } from './transports.ts'

/** What the calling and the answering half of the user agent share. */
export type SipCore = {
  readonly transports: Transports
  /** Finds the servers of a name. */
  readonly location: LocationTools
  readonly avoided: AvoidedServers
  readonly control: ControlServer
  readonly transactions: TransactionTable
  readonly dialogs: DialogTable
  readonly records: CallRecords
  readonly clock: Clock
  readonly limits: SipdLimits
  /** What is asked of the sessions of all dialogs; undefined: nothing. */
  readonly sessionTimer: SessionTimerPolicy | undefined
  /** Who is heard at all; undefined: everybody. */
  readonly admission: Admission | undefined
  readonly logger: Logger
}
