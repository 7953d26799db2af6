import type { Application } from './control-server.ts'
import type { Dialog } from './dialog.ts'
import { SessionDescriptions } from './session-descriptions.ts'
import type { SessionTimer } from './session-timer.ts'
import type { Subscriptions } from './subscriptions.ts'

/** Forks of one INVITE that are kept apart; more answers are told to go away. */
export const FORKS_MAX = 16

/** One NOTIFY comes early, or one of each fork. */
const EARLY_NOTIFIES_MAX = FORKS_MAX

/** An ACK that was sent for a 2xx, to be repeated when the 2xx is (RFC 3261 section 13.2.2.4). */
export type SentAck = { readonly sequence: number; readonly send: () => void }

/** A reliable provisional that the application was given and has not acknowledged: of which fork, of which INVITE. */
export type OwedPrack = { readonly rseq: string; readonly sequence: number; readonly tag: string }

/** Reliable provisionals of all forks that wait for their PRACK. */
const OWED_PRACKS_MAX = 64

/** An application has one re-INVITE under way in a dialog (RFC 3261 section 14.1). */
const WAITING_INVITES_MAX = 4

/** A peer has one UPDATE under way in a dialog (RFC 3311 section 5.1). */
const HELD_UPDATES_MAX = 4

/** What a dialog needs of the INVITE that the peer sent last. */
export type PeerInvite = {
  /** The application has not given a final answer. */
  readonly pending: boolean
  readonly transactionId: string
  /** An ACK with this CSeq number arrived. */
  ack(sequence: number): 'first' | 'repeated' | 'unknown'
  /** A PRACK for this RAck arrived. After the application's 2xx nobody but the server waits for it. */
  prack(rack: string): 'awaited' | 'after_answer' | 'unknown'
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
  readonly #owedPracks: OwedPrack[] = []
  #afterRefresh: (() => void)[] | undefined
  #outstanding = 0
  readonly #heldUpdates: (() => void)[] = []
  readonly descriptions = new SessionDescriptions()
  /** Those that live in this dialog, once there was one. */
  subscriptions: Subscriptions | undefined
  timer: SessionTimer | undefined
  /** Opened by an INVITE; others live as long as their subscriptions. */
  readonly hadInvite: boolean
  /** The call has not ended; its dialog may go on for subscriptions (RFC 5057). */
  inviteAlive: boolean
  /** Our own INVITE in this dialog has no final answer yet. */
  invitePending = false
  /** An UPDATE of the peer has no answer yet. */
  peerUpdate = false
  /** The peer said that it takes UPDATE. */
  peerUpdates = false
  /** The Contact that the peer knows us by. */
  localContact: string | undefined
  /** The newest INVITE of the peer. */
  peerInvite: PeerInvite | undefined

  constructor(id: string, application: Application, dialog: Dialog, opened: 'invite' | 'subscription' = 'invite') {
    this.hadInvite = opened === 'invite'
    this.inviteAlive = this.hadInvite
    this.id = id
    this.application = application
    this.active = dialog
    this.forks.set(dialog.remoteTag, dialog)
  }

  /** A call that can be ended with BYE. */
  get confirmed(): boolean {
    return this.inviteAlive && this.active.state === 'confirmed'
  }

  get ended(): boolean {
    return this.active.state === 'ended'
  }

  /** A reliable provisional goes up; the PRACK for it comes down in the same order. */
  owePrack(owed: OwedPrack): void {
    if (this.#owedPracks.length === OWED_PRACKS_MAX) this.#owedPracks.shift()
    this.#owedPracks.push(owed)
  }

  /** What an application's PRACK with this RAck acknowledges: forks may count alike, so the oldest. */
  takePrack(rack: string): OwedPrack | undefined {
    const rseq = rack.trim().split(/[ \t]+/)[0]
    const index = this.#owedPracks.findIndex((owed) => owed.rseq === rseq)
    return index === -1 ? undefined : this.#owedPracks.splice(index, 1)[0]
  }

  /** sipd refreshes the session by an INVITE of its own; those of the application wait for the answer. */
  beginRefresh(): void {
    this.invitePending = true
    this.#afterRefresh = []
  }

  /** True when there is a refresh under way and `send` will be called after it. */
  afterRefresh(send: () => void): boolean {
    if (this.#afterRefresh === undefined || this.#afterRefresh.length === WAITING_INVITES_MAX) return false
    this.#afterRefresh.push(send)
    return true
  }

  endRefresh(): void {
    const waiting = this.#afterRefresh
    if (waiting === undefined) return
    this.#afterRefresh = undefined
    this.invitePending = false
    for (const send of waiting) send()
  }

  /** Another request than INVITE of the application goes out in this dialog; ends() follows its final answer. */
  requestBegins(): void {
    this.#outstanding += 1
  }

  requestEnds(): void {
    this.#outstanding -= 1
    if (this.#outstanding > 0) return
    const held = this.#heldUpdates.splice(0)
    // After the answer has been passed up, which the caller is about to do.
    if (held.length > 0) queueMicrotask(() => held.forEach((pass) => pass()))
  }

  /**
   * True when an UPDATE of the peer has to wait until the application's requests are answered: drachtio-srf takes it for
   * one to them, and never answers it.
   */
  holdUpdate(pass: () => void): boolean {
    if (this.#outstanding === 0 || this.#heldUpdates.length === HELD_UPDATES_MAX) return false
    this.#heldUpdates.push(pass)
    return true
  }

  /** Nothing of it runs any more. */
  stop(): void {
    this.timer?.stop()
    this.subscriptions?.stop()
  }
}

export function dialogIdOf(callId: string, fromTag: string): string {
  return `${callId};from-tag=${fromTag}`
}

/** Finds dialogs by the application's id, and by what the network says: Call-ID and our own tag. */
export class DialogTable {
  readonly #byId = new Map<string, DialogGroup>()
  readonly #byLocalTag = new Map<string, DialogGroup>()
  /** NOTIFYs that were faster than the answer to the SUBSCRIBE or REFER of ours that they belong to, by Call-ID and our tag. */
  readonly #early = new Map<string, (() => void)[]>()
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

  /** A SUBSCRIBE or REFER goes out that will open a dialog; settle() follows its final answer. */
  expect(callId: string, localTag: string): void {
    this.#early.set(localKey(callId, localTag), [])
  }

  /** True when the NOTIFY has to wait until then (RFC 6665 section 4.1.2.4: it may come first). */
  hold(callId: string, localTag: string, pass: () => void): boolean {
    const held = this.#early.get(localKey(callId, localTag))
    if (held === undefined || held.length === EARLY_NOTIFIES_MAX) return false
    held.push(pass)
    return true
  }

  settle(callId: string, localTag: string): void {
    const key = localKey(callId, localTag)
    const held = this.#early.get(key)
    this.#early.delete(key)
    for (const pass of held ?? []) pass()
  }

  /** The call is over; its dialog goes on while there are subscriptions in it. */
  leave(group: DialogGroup): void {
    group.inviteAlive = false
    group.timer?.stop()
    if ((group.subscriptions?.size ?? 0) > 0) return
    group.active.state = 'ended'
    this.remove(group)
  }

  remove(group: DialogGroup): void {
    group.stop()
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
