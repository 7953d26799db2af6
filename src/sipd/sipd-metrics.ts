import type { Metrics } from '../kit/metrics.ts'
import type { TransportName } from './flow.ts'
import type { ConnectionLimit } from './message-deadline.ts'
import type { SipMessage } from './message.ts'

/** Methods that get a label of their own; a peer can invent others, and labels come from fixed sets. */
const METHODS = new Set([
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'REGISTER',
  'INFO',
  'UPDATE',
  'PRACK',
  'REFER',
  'NOTIFY',
  'SUBSCRIBE',
  'MESSAGE',
  'PUBLISH',
])

/** `message`: too many or too long header fields, or too long a body. */
export type ReachedLimit = ConnectionLimit | 'message' | 'transactions' | 'dialogs'

export type SipdMetrics = {
  malformed(transport: TransportName | 'control'): void
  /** A message that our own code stumbled over: a bug, to be alarmed on. */
  fault(): void
  /** A TLS peer was not let in, or we did not go on with it. */
  tlsRefused(direction: 'inbound' | 'outbound'): void
  /** Something was refused because a limit was reached. */
  limited(limit: ReachedLimit): void
  received(transport: TransportName, message: SipMessage): void
  /** Called now and then with how many there are. */
  counts(counts: {
    readonly serverTransactions: number
    readonly clientTransactions: number
    readonly dialogs: number
    readonly applications: number
  }): void
}

export function createSipdMetrics(metrics: Metrics): SipdMetrics {
  const malformed = metrics.counter(
    'tonewall_sipd_malformed_total',
    'Messages that were refused because they could not be read',
    ['transport'],
  )
  const messages = metrics.counter('tonewall_sipd_messages_total', 'SIP messages received', ['transport', 'kind'])
  const transactions = metrics.gauge('tonewall_sipd_transactions', 'SIP transactions that are open', ['side'])
  const dialogs = metrics.gauge('tonewall_sipd_dialogs', 'SIP dialogs, early ones included')
  const applications = metrics.gauge('tonewall_sipd_applications', 'Applications connected and authenticated')
  const refused = metrics.counter(
    'tonewall_sipd_tls_refused_total',
    'TLS connections that failed in their handshake or certificate',
    ['direction'],
  )
  const limited = metrics.counter(
    'tonewall_sipd_limited_total',
    'Connections and messages that were refused because a limit was reached',
    ['limit'],
  )
  const faults = metrics.counter(
    'tonewall_sipd_faults_total',
    'Messages that could not be handled because of an error of ours',
  )
  return {
    tlsRefused: (direction) => refused.inc({ direction }),
    fault: () => faults.inc(),
    limited: (limit) => limited.inc({ limit }),
    malformed: (transport) => malformed.inc({ transport }),
    received: (transport, message) => messages.inc({ transport, kind: kindOf(message) }),
    counts: (counts) => {
      transactions.set({ side: 'server' }, counts.serverTransactions)
      transactions.set({ side: 'client' }, counts.clientTransactions)
      dialogs.set(counts.dialogs)
      applications.set(counts.applications)
    },
  }
}

function kindOf(message: SipMessage): string {
  if (message.kind === 'response') return `${Math.floor(message.status / 100)}xx`
  return METHODS.has(message.method) ? message.method : 'other'
}
