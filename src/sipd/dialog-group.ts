import type { Application } from './control-server.ts'
import type { Dialog } from './dialog.ts'

/** Forks of one INVITE that are kept apart; more answers are told to go away. */
export const FORKS_MAX = 16

/** An ACK that was sent for a 2xx, to be repeated when the 2xx is (RFC 3261 section 13.2.2.4). */
export type SentAck = { readonly sequence: number; readonly send: () => void }

/** What a dialog needs of the INVITE that the peer sent last. */
export type PeerInvite = {
  /** The application has not given a final answer. */
  readonly pending: boolean
  readonly transactionId: string
  /** An ACK with this CSeq number arrived. */
  ack(sequence: number): 'first' | 'repeated' | 'unknown'
  /** A PRACK for this RAck arrived; false when no reliable provisional waits for it. */
  prack(rack: string): boolean
  /** Answers a pending INVITE on the application's behalf. */
  refuse(status: 487 | 503): void
  /** Nothing is repeated any more. */
  stop(): void
}

/**
 * All dialogs that one application knows under one dialog id: `<Call-ID>;from-tag=<From tag of the creating request>`.
 * On the answering side that is one dialog; on the calling side one for each fork, of which `active` is spoken to.
 */
export class DialogGroup {
  readonly id: string
  readonly application: Application
  readonly forks = new Map<string, Dialog>()
  active: Dialog
  /** CSeq number of a 2xx to our INVITE whose ACK the application still owes, by fork tag. */
  readonly owedAcks = new Map<string, number>()
  readonly sentAcks = new Map<string, SentAck>()
  /** The application has sent its BYE; only a challenge (401, 407) keeps the dialog. */
  leaving = false
  /** Our own INVITE in this dialog has no final answer yet. */
  invitePending = false
  /** The newest INVITE of the peer. */
  peerInvite: PeerInvite | undefined

  constructor(id: string, application: Application, dialog: Dialog) {
    this.id = id
    this.application = application
    this.active = dialog
    this.forks.set(dialog.remoteTag, dialog)
  }

  get confirmed(): boolean {
    return this.active.state === 'confirmed'
  }

  get ended(): boolean {
    return this.active.state === 'ended'
  }
}

export function dialogIdOf(callId: string, fromTag: string): string {
  return `${callId};from-tag=${fromTag}`
}

/** Finds dialogs by the application's id, and by what the network says: Call-ID and our own tag. */
export class DialogTable {
  readonly #byId = new Map<string, DialogGroup>()
  readonly #byLocalTag = new Map<string, DialogGroup>()
  /** Ids that INVITEs of ours may still open, with how many of them. */
  readonly #reserved = new Map<string, number>()

  get size(): number {
    return this.#byId.size
  }

  add(group: DialogGroup): void {
    this.#byId.set(group.id, group)
    this.#byLocalTag.set(localKey(group.active.callId, group.active.localTag), group)
  }

  /** A call that came back to us has the id of the call that we are making; it must not be taken for the same. */
  isTaken(id: string): boolean {
    return this.#byId.has(id) || this.#reserved.has(id)
  }

  reserve(id: string): void {
    this.#reserved.set(id, (this.#reserved.get(id) ?? 0) + 1)
  }

  release(id: string): void {
    const left = (this.#reserved.get(id) ?? 0) - 1
    if (left > 0) this.#reserved.set(id, left)
    else this.#reserved.delete(id)
  }

  byId(id: string): DialogGroup | undefined {
    return this.#byId.get(id)
  }

  byLocalTag(callId: string, localTag: string): DialogGroup | undefined {
    return this.#byLocalTag.get(localKey(callId, localTag))
  }

  remove(group: DialogGroup): void {
    if (this.#byId.get(group.id) === group) this.#byId.delete(group.id)
    const key = localKey(group.active.callId, group.active.localTag)
    if (this.#byLocalTag.get(key) === group) this.#byLocalTag.delete(key)
  }

  all(): DialogGroup[] {
    return [...this.#byId.values()]
  }
}

function localKey(callId: string, localTag: string): string {
  return `${callId} ${localTag}`
}
