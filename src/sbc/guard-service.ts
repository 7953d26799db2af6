/** not_yet: its self-test has not been passed since it was connected. no: it failed, and is out of service. */
export type ServiceState = 'yes' | 'not_yet' | 'no'

/** Which guards may take payment windows. A guard nobody has spoken of yet may not, unless no self-test is done at all. */
export class GuardService {
  readonly #states = new Map<string, ServiceState>()
  readonly #isTested: boolean
  #waiting: (() => void)[] = []

  /** `isTested` false: every guard is in service, as in a test of something else. */
  constructor(options: { readonly isTested: boolean }) {
    this.#isTested = options.isTested
  }

  stateOf(guard: string): ServiceState {
    return this.#states.get(guard) ?? (this.#isTested ? 'not_yet' : 'yes')
  }

  set(guard: string, state: ServiceState): void {
    if (this.stateOf(guard) === state) return
    this.#states.set(guard, state)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves at the next change of any guard, or after the time. */
  changed(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}
