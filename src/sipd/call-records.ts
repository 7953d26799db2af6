import type { ControlServer } from './control-server.ts'
import { frameTime } from './frame-fields.ts'

export type CallRole = 'uac' | 'uas' | 'proxy-uac' | 'proxy-uas'
export type StopReason =
  | 'call-rejected'
  | 'call-canceled'
  | 'normal-release'
  | 'session-expired'
  | 'ack-timeout'
  | 'system-shutdown'
  | 'system-error-initiated-release'

/** The reason of a call that the server itself ends, by the text of its BYE. */
export function stopReasonOf(text: string): StopReason {
  if (text === 'Session timer expired') return 'session-expired'
  if (text === 'ACK timeout' || text === 'PRACK timeout') return 'ack-timeout'
  if (text === 'CANCEL after 200 OK') return 'call-canceled'
  return text === 'Server shutdown' ? 'system-shutdown' : 'normal-release'
}

/** Call records for the application that routed them; nothing is built when none did. */
export class CallRecords {
  readonly #control: () => ControlServer | undefined

  constructor(control: () => ControlServer | undefined) {
    this.#control = control
  }

  attempt(source: 'network' | 'application', sip: Buffer): void {
    this.#control()?.choose('cdr:attempt')?.push(['cdr:attempt', source, frameTime()], sip)
  }

  start(source: 'network' | 'application', role: CallRole, sip: Buffer): void {
    this.#control()?.choose('cdr:start')?.push(['cdr:start', source, frameTime(), role], sip)
  }

  stop(source: 'network' | 'application', reason: StopReason, sip: Buffer): void {
    this.#control()?.choose('cdr:stop')?.push(['cdr:stop', source, frameTime(), reason], sip)
  }
}
