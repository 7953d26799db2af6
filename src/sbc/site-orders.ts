import { siteTexts, type SiteOrder, type SiteReply } from '../wire/site-protocol.ts'
import type { Act } from './audit-reports.ts'
import type { Drain } from './drain.ts'

/** What became of a reload: the keys that changed, or why nothing did. */
export type ReloadOutcome =
  | { readonly kind: 'reloaded'; readonly keys: readonly string[] }
  | { readonly kind: 'refused'; readonly texts: readonly string[] }

/** Has the whole site take a configuration; who runs this process knows how. */
export type Reload = (file: string | null) => Promise<ReloadOutcome>

/** Carries out what operators order of the site as a whole. */
export class SiteOrders {
  readonly #drain: Drain
  readonly #reload: Reload
  readonly #report: (act: Act) => void
  #isReloading = false

  constructor(options: {
    readonly drain: Drain
    readonly reload: Reload
    /** For the audit record; nowhere when left out. */
    readonly report?: (act: Act) => void
  }) {
    this.#report = options.report ?? (() => undefined)
    this.#drain = options.drain
    this.#reload = options.reload
  }

  /** Never rejects. */
  async answer(order: SiteOrder): Promise<SiteReply> {
    switch (order.type) {
      case 'site.drain':
        this.#report({ event: 'administrator_act', cause: order.on ? 'drain' : 'drain_undone', by: 'operator' })
        if (order.on) this.#drain.begin(order.seconds)
        else this.#drain.undo()
        return this.#drain.look()
      case 'site.look':
        return this.#drain.look()
      case 'site.reload':
        return this.#answerReload(order.file)
    }
  }

  async #answerReload(file: string | null): Promise<SiteReply> {
    if (this.#isReloading) return { type: 'site.refused', code: 'busy', texts: [] }
    this.#isReloading = true
    try {
      const outcome = await this.#reload(file)
      const cause = outcome.kind === 'reloaded' ? 'reload' : 'reload_refused'
      this.#report({ event: 'configuration_changed', cause, by: 'operator' })
      if (outcome.kind === 'reloaded') return { type: 'site.reloaded', keys: siteTexts(outcome.keys) }
      return { type: 'site.refused', code: 'refused', texts: siteTexts(outcome.texts) }
    } catch {
      return { type: 'site.refused', code: 'refused', texts: ['The reload did not work; the logs say more.'] }
    } finally {
      this.#isReloading = false
    }
  }
}
