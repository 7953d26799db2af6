import { dialogIdOf, type DialogTable } from './dialog-group.ts'
import { identityOf, type Envelope } from './envelope.ts'

/**
 * INVITEs that wait for their answer, to recognise one that comes again by another path, and one of our own that came
 * back (RFC 3261 section 8.2.2.2). One that is proxied is forgotten: coming back changed, it is a spiral (section 16.3).
 */
export class MergedRequests {
  readonly #dialogs: DialogTable
  /** The key of the transaction that came first. */
  readonly #first = new Map<string, string>()

  constructor(dialogs: DialogTable) {
    this.#dialogs = dialogs
  }

  add(envelope: Envelope, key: string): void {
    this.#first.set(identityOf(envelope), key)
  }

  has(envelope: Envelope): boolean {
    return this.#first.has(identityOf(envelope)) || this.#dialogs.isTaken(dialogIdOf(envelope.callId, envelope.fromTag))
  }

  /** `key`: only if it is this transaction's; a refused copy must not open the way for the next. */
  forget(envelope: Envelope, key?: string): void {
    const identity = identityOf(envelope)
    if (key === undefined || this.#first.get(identity) === key) this.#first.delete(identity)
  }
}
