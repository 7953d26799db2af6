import { askInDialog } from './dialog-request.ts'
import { reasonOf } from './sip-reason.ts'
import type { SipDialog } from './sip-server.ts'

/** A transfer ends long before it (RFC 3515 section 2.4.4: the recipient of the REFER chooses). */
const EXPIRES_SECONDS = 180

/** Tells the one who sent a REFER what became of it: NOTIFYs with a status line each (RFC 3515, RFC 3420). */
export class ReferReport {
  readonly #dialog: SipDialog
  readonly #event: string
  readonly #isWanted: boolean
  #told: number | null = null
  /** One NOTIFY at a time: two on their way could arrive in the other order. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: {
    readonly dialog: SipDialog
    /** The CSeq of a REFER that is not the first of its dialog (RFC 3515 section 2.4.6). */
    readonly id: number | null
    /** False: the sender said Refer-Sub: false (RFC 4488). */
    readonly isWanted: boolean
  }) {
    this.#dialog = options.dialog
    this.#event = options.id === null ? 'refer' : `refer;id=${options.id}`
    this.#isWanted = options.isWanted
  }

  /** A status of the new call: 100 to 699, from 200 on the last one. The same is told once. Never rejects. */
  tell(status: number): Promise<void> {
    const isOver = this.#told !== null && this.#told >= 200
    if (!this.#isWanted || isOver || this.#told === status) return Promise.resolve()
    this.#told = status
    const state = status < 200 ? `active;expires=${EXPIRES_SECONDS}` : 'terminated;reason=noresource'
    const turn = this.#turn.then(async () => {
      if (!this.#dialog.connected) return
      await askInDialog(this.#dialog, {
        method: 'NOTIFY',
        headers: {
          Event: this.#event,
          'Subscription-State': state,
          'Content-Type': 'message/sipfrag;version=2.0',
        },
        body: `SIP/2.0 ${status} ${reasonOf(status)}\r\n`,
      })
    })
    this.#turn = turn
    return turn
  }
}
