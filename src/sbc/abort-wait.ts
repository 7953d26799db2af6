/** Waits for a signal beside something else. `forget` once that has come first: else the signal keeps the wait. */
export class AbortWait<Value> {
  readonly happened: Promise<Value>
  readonly forget: () => void

  /** `value`: what is said when it is aborted. */
  constructor(signal: AbortSignal, value: Value) {
    const { promise, resolve } = Promise.withResolvers<Value>()
    const listener = (): void => resolve(value)
    if (signal.aborted) listener()
    else signal.addEventListener('abort', listener, { once: true })
    this.happened = promise
    this.forget = () => signal.removeEventListener('abort', listener)
  }
}
