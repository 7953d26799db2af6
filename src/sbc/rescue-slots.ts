/** Re-INVITEs of so many calls are made at one time: a dead rtpengine can have held thousands. */
const SLOTS = 24
/** A party that does not answer keeps nobody else waiting for longer than this. */
const HELD_MS_MAX = 400

/** Takes turns among the calls that are moved to another rtpengine, in the order in which they came. */
export class RescueSlots {
  readonly #slots: number
  readonly #heldMsMax: number
  #taken = 0
  #waiting: (() => void)[] = []

  constructor(options: { readonly slots?: number; readonly heldMsMax?: number } = {}) {
    this.#slots = options.slots ?? SLOTS
    this.#heldMsMax = options.heldMsMax ?? HELD_MS_MAX
  }

  /** Resolves when there is a slot; the value gives it back, and can be called twice. It is given back in time anyhow. */
  async take(): Promise<() => void> {
    if (this.#taken >= this.#slots) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#taken += 1
    let isHeld = true
    const giveBack = (): void => {
      if (!isHeld) return
      isHeld = false
      clearTimeout(timer)
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken -= 1
      else next()
    }
    const timer = setTimeout(giveBack, this.#heldMsMax)
    return giveBack
  }
}
