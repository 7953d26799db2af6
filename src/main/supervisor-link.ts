import type { ReloadOutcome } from '../sbc/site-orders.ts'
import { parseSupervisorMessage, type RoleMessage, type SupervisorMessage } from './role-message.ts'

/** New processes may have to start, which takes seconds on a machine that is busy. */
const RELOAD_MS_MAX = 60_000

/** A role's end of the IPC channel to its supervisor, which there need not be: systemd starts roles as well. */
export class SupervisorLink {
  #reloading: ((outcome: ReloadOutcome) => void) | null = null

  get isThere(): boolean {
    return process.send !== undefined && process.connected
  }

  /** Waits until the message is handed over, since an exit would lose it. Without a supervisor nobody listens. */
  tell(message: RoleMessage): Promise<void> {
    return new Promise((resolve) => {
      if (process.send === undefined || !process.connected) resolve()
      else process.send(message, () => resolve())
    })
  }

  /** Hears what the supervisor says, but for answers to reload. */
  listen(heard: (message: Exclude<SupervisorMessage, { readonly type: 'reloaded' }>) => void): void {
    process.on('message', (value) => {
      const message = parseSupervisorMessage(value)
      if (message === null) return
      if (message.type !== 'reloaded') return heard(message)
      const { isDone, lines } = message
      this.#reloading?.(isDone ? { kind: 'reloaded', keys: lines } : { kind: 'refused', texts: lines })
    })
  }

  /** Has the supervisor reload the whole site. One at a time; the supervisor refuses what crosses it. */
  reload(file: string | null): Promise<ReloadOutcome> {
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => settle({ kind: 'refused', texts: ['The supervisor did not answer in time; its console says more.'] }),
        RELOAD_MS_MAX,
      )
      const settle = (outcome: ReloadOutcome): void => {
        clearTimeout(timer)
        this.#reloading = null
        resolve(outcome)
      }
      this.#reloading = settle
      void this.tell({ type: 'reload', file })
    })
  }
}
