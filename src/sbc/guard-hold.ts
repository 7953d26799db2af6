import type { Address, GuardToSbc, SbcToGuard } from '../wire/guard-protocol.ts'
import type { WindowGuard, WindowListener } from './guard-link.ts'

/** A guard beside the sbc answers in milliseconds unless it is stuck. */
const ANSWER_DEADLINE_MS = 300
/** The order to take keys waits until the vault has written the window down. */
const CAPTURE_DEADLINE_MS = 3_500
/** Draining waits for the gap between two packets, and the guard may be busy with other windows. */
const DRAIN_DEADLINE_MS = 500

type WithoutId<Message> = Message extends unknown ? Omit<Message, 'windowId'> : never
export type WindowOrder = WithoutId<Extract<SbcToGuard, { readonly windowId: string }>>

/** One guard's window between the parties of a call, or on the way in or out. It lasts until release() or its loss. */
export class GuardHold {
  readonly guard: WindowGuard
  /** The id of the window at this guard: a new one for each guard that takes over. */
  readonly windowId: string
  /** Where rtpengine is to send to, once the guard has said it. */
  sides: { readonly payer: Address; readonly agent: Address } | null = null
  /** Since when it is proven that this guard hears the payer; null while it is not, and what it says counts for nothing. */
  provenMs: number | null = null
  readonly #listener: WindowListener

  constructor(options: { readonly guard: WindowGuard; readonly windowId: string; readonly listener: WindowListener }) {
    this.guard = options.guard
    this.windowId = options.windowId
    this.#listener = options.listener
    this.guard.adopt(this.windowId, this.#listener)
  }

  /** The guard's answer, or null when it gave none in time. A guard that does not know the window has lost it. */
  async ask(order: WindowOrder): Promise<GuardToSbc | null> {
    const deadlineMs = deadlineOf(order)
    const answer = await this.guard.ask({ ...order, windowId: this.windowId }, { deadlineMs })
    if (answer.kind !== 'reply') return null
    if (answer.message.type === 'refused' && answer.message.code === 'unknown_window') {
      this.guard.forget(this.windowId)
      this.#listener.lost()
    }
    return answer.message
  }

  /** Nothing is heard of the window any more, and the guard may forget it. Safe to call twice. */
  release(): void {
    this.guard.forget(this.windowId)
    void this.guard.ask({ type: 'window.release', windowId: this.windowId }, { deadlineMs: ANSWER_DEADLINE_MS })
  }
}

function deadlineOf({ type }: WindowOrder): number {
  if (type === 'window.capture') return CAPTURE_DEADLINE_MS
  return type === 'window.drain' ? DRAIN_DEADLINE_MS : ANSWER_DEADLINE_MS
}
