import { nowUs } from '../../src/demo/monotonic.ts'

/** One datagram of a stream, and when it leaves, in ms from the start of its stream. */
export type Sending = { readonly atMs: number; readonly datagram: Buffer }

/** What of a stream was sent, and when (monotonic us), in order of leaving. */
export type Sent = { readonly atUs: number; readonly datagram: Buffer }

/** Sends one, and says what truly left; null where nothing could be sent. */
export type Send = (sending: Sending, index: number) => Buffer | null

type Playing = {
  readonly sendings: readonly Sending[]
  readonly startUs: number
  readonly send: Send
  readonly sent: Sent[]
  readonly done: (sent: readonly Sent[]) => void
  next: number
  readonly stopped: AbortSignal | undefined
}

/** Timers of Node are good to a millisecond, and so is this clock. */
const TICK_MS = 1

/**
 * Plays the packets of many calls on one clock. A late turn of the event loop sends what is due at once, as a busy
 * network would; when each packet truly left is written down.
 */
export class SendingClock {
  readonly #playing = new Set<Playing>()
  #timer: NodeJS.Timeout | null = null

  /** Plays one stream to its end, or until it is stopped. `startUs` (monotonic) is when its time 0 is; without it, now. */
  play(stream: {
    readonly sendings: readonly Sending[]
    readonly send: Send
    readonly startUs?: number
    readonly stopped?: AbortSignal
  }): Promise<readonly Sent[]> {
    return new Promise((resolve) => {
      this.#playing.add({
        sendings: stream.sendings,
        startUs: stream.startUs ?? nowUs(),
        send: stream.send,
        sent: [],
        done: resolve,
        next: 0,
        stopped: stream.stopped,
      })
      this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
    })
  }

  /** Stops all streams; each is told what it has sent. Safe to call twice. */
  close(): void {
    for (const playing of this.#playing) this.#end(playing)
  }

  #tick(): void {
    for (const playing of this.#playing) {
      const sinceMs = (nowUs() - playing.startUs) / 1_000
      for (;;) {
        const sending = playing.sendings[playing.next]
        if (sending === undefined || playing.stopped?.aborted === true) {
          this.#end(playing)
          break
        }
        if (sending.atMs > sinceMs) break
        playing.next += 1
        const atUs = nowUs()
        const datagram = playing.send(sending, playing.next - 1)
        if (datagram !== null) playing.sent.push({ atUs, datagram })
      }
    }
  }

  #end(playing: Playing): void {
    this.#playing.delete(playing)
    if (this.#playing.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer)
      this.#timer = null
    }
    playing.done(playing.sent)
  }
}
