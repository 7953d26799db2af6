import { errorFields, type Logger } from '../../kit/log.ts'
import type { OrderRefusal, VaultOrder, VaultOrderReply } from '../vault-operator-protocol.ts'
import type { AuditAction, AuditEntry } from './audit-chain.ts'
import { readShare } from './custodian-share.ts'
import type { Custody, Given } from './custody.ts'
import type { KeyKeeper } from './key-keeper.ts'
import { KeyFailure, type KeyRing } from './key-ring.ts'
import type { KeyRow, Store } from './store.ts'
import { randomLetters } from './token.ts'
import type { Asker } from './tokenization.ts'

/** Long enough to read what will be lost, and to ask somebody. */
const CONFIRMATION_MS_MAX = 300_000
const CONFIRMATION_LETTERS = 8

export type VaultOrdersOptions = {
  readonly store: Store
  readonly keyRing: KeyRing
  readonly keeper: KeyKeeper
  /** Empty: no custodians hold a key-encryption key. */
  readonly custodies: readonly Custody[]
  readonly merchants: ReadonlySet<string>
  /** Called when the last share has opened what was sealed. */
  readonly unsealed: () => Promise<void>
  readonly logger: Logger
  readonly nowMs: () => number
}

/** Carries out what operators order. Each order ends in one audit record at least, whatever comes of it. */
export class VaultOrders {
  readonly #options: VaultOrdersOptions
  #pending: { readonly code: string; readonly keyIds: string; readonly untilMs: number } | null = null

  constructor(options: VaultOrdersOptions) {
    this.#options = options
  }

  /** Never rejects. The body is overwritten before the answer is given. */
  async handle(order: VaultOrder | null, body: Buffer, asker: Asker): Promise<VaultOrderReply> {
    try {
      if (order === null || (body.length > 0 && order.order !== 'unseal')) {
        return await this.#refuse('malformed', { action: 'request', asker })
      }
      return await this.#obey(order, body, asker)
    } catch (error) {
      this.#options.logger.error({ code: 'order_failed', ...errorFields(error) }, 'an order could not be carried out')
      if (!(error instanceof KeyFailure)) return refused('store_failed')
      return refused(error.code === 'sealed' ? 'sealed' : 'key_failed')
    } finally {
      body.fill(0)
    }
  }

  async #obey(order: VaultOrder, body: Buffer, asker: Asker): Promise<VaultOrderReply> {
    switch (order.order) {
      case 'keys':
        return this.#keys(asker)
      case 'rotate':
        return this.#rotate(order, asker)
      case 'reencrypt':
        await this.#audit({ action: 'key_reencrypt', outcome: 'done', asker })
        if (this.#options.keyRing.isSealed) return refused('sealed')
        void this.#options.keeper.reencryption.run()
        return this.#progress()
      case 'rewrap': {
        const count = await this.#options.keyRing.renew()
        await this.#audit({ action: 'key_rewrap', outcome: 'done', asker, resource: String(count) })
        return { type: 'operator', kind: 'done', count }
      }
      case 'shred':
        return this.#shred(order, asker)
      case 'seal_state':
        return this.#sealState()
      case 'unseal':
        return this.#unseal(body, asker)
    }
  }

  async #keys(asker: Asker): Promise<VaultOrderReply> {
    await this.#audit({ action: 'key_list', outcome: 'done', asker })
    return this.#progress()
  }

  async #progress(): Promise<VaultOrderReply> {
    const { keeper } = this.#options
    const keys = await keeper.inventory()
    return { type: 'operator', kind: 'keys', keys, reencryption: keeper.reencryption.progress }
  }

  async #rotate(order: Extract<VaultOrder, { readonly order: 'rotate' }>, asker: Asker): Promise<VaultOrderReply> {
    const { merchants, keyRing, keeper } = this.#options
    const { merchant, purpose } = order
    if (!merchants.has(merchant)) return this.#refuse('unknown_merchant', { action: 'key_rotate', asker, merchant })
    const keyId = await (purpose === 'card'
      ? keyRing.rotateSealingKey(merchant)
      : keyRing.rotateFingerprintKey(merchant))
    await this.#audit({ action: 'key_rotate', outcome: 'done', asker, merchant, resource: keyId })
    void keeper.reencryption.run()
    return this.#progress()
  }

  /** First says what would be lost; then, with the code, it is. What else has happened to the keys meanwhile makes the code void. */
  async #shred(order: Extract<VaultOrder, { readonly order: 'shred' }>, asker: Asker): Promise<VaultOrderReply> {
    const { store, keyRing, nowMs } = this.#options
    const { merchant, keyId, confirmation } = order
    const about = { action: 'key_shred', asker, merchant, resource: keyId ?? '' } as const
    const ofMerchant = (await store.keys()).filter((row) => row.merchant === merchant)
    if (ofMerchant.length === 0) return this.#refuse('unknown_merchant', about)
    const named = ofMerchant.filter((row) => keyId === null || row.keyId === keyId)
    if (named.length === 0) return this.#refuse('unknown_key', about)
    const rows = named.filter(({ state }) => state !== 'shredded')
    if (rows.length === 0) return this.#refuse('nothing_to_shred', about)
    // A fingerprint key alone would leave cards that nobody recognizes: it goes with all cards of its merchant.
    if (keyId !== null && rows[0]?.purpose !== 'card') return this.#refuse('unknown_key', about)
    const keyIds = rows.map((row) => row.keyId).join(' ')
    if (confirmation === null) return this.#askAgain(rows, keyIds)

    const pending = this.#pending
    this.#pending = null
    const isRight = pending?.code === confirmation && pending.keyIds === keyIds && nowMs() < pending.untilMs
    if (!isRight) return this.#refuse('confirmation_wrong', about)
    const audit = rows.map((row): AuditEntry => entryOf({ ...about, outcome: 'done', resource: row.keyId }))
    await keyRing.shred(rows, audit)
    return { type: 'operator', kind: 'done', count: rows.length }
  }

  async #askAgain(rows: readonly KeyRow[], keyIds: string): Promise<VaultOrderReply> {
    const { store, nowMs } = this.#options
    let cards = 0
    for (const { keyId } of rows) cards += await store.countCards(keyId)
    const code = randomLetters(CONFIRMATION_LETTERS)
    this.#pending = { code, keyIds, untilMs: nowMs() + CONFIRMATION_MS_MAX }
    return { type: 'operator', kind: 'confirm', confirmation: code, keys: rows.length, cards }
  }

  async #unseal(share: Buffer, asker: Asker): Promise<VaultOrderReply> {
    const sealed = this.#options.custodies.filter(({ kek }) => kek.isSealed)
    if (sealed.length === 0) return this.#refuse('not_sealed', { action: 'custodian_share', asker })
    const text = readShare(share)
    const given = text === null ? null : await giveOne(text, sealed)
    text?.fill(0)
    if (given === null) return this.#refuse('share_wrong', { action: 'custodian_share', asker })
    if (given.kind === 'refused') return this.#refuse(given.code, { action: 'custodian_share', asker })
    await this.#audit({ action: 'custodian_share', outcome: 'done', asker, resource: ['share', given.share].join(' ') })
    if (!sealed.some(({ kek }) => kek.isSealed)) {
      await this.#audit({ action: 'vault_unseal', outcome: 'done', asker })
      await this.#options.unsealed()
    }
    return this.#sealState()
  }

  #sealState(): VaultOrderReply {
    const sealed = this.#options.custodies.filter(({ kek }) => kek.isSealed)
    const sum = (of: (custody: Custody) => number): number => sealed.reduce((total, custody) => total + of(custody), 0)
    const [given, threshold] = [sum((custody) => custody.given), sum((custody) => custody.threshold)]
    return { type: 'operator', kind: 'seal_state', isSealed: sealed.length > 0, given, threshold }
  }

  async #refuse(code: OrderRefusal, about: Omit<Act, 'outcome'>): Promise<VaultOrderReply> {
    this.#options.logger.warn({ code, peerRole: about.asker.role }, 'order refused')
    await this.#audit({ ...about, outcome: code })
    return refused(code)
  }

  #audit(act: Act): Promise<void> {
    return this.#options.store.append(entryOf(act))
  }
}

/** Custodians of two keys may stand in line at once: each share is of one. */
async function giveOne(share: Buffer, sealed: readonly Custody[]): Promise<Given> {
  for (const custody of sealed) {
    const given = await custody.give(share)
    if (given.kind !== 'refused' || given.code !== 'share_wrong') return given
  }
  return { kind: 'refused', code: 'share_wrong' }
}

type Act = {
  readonly action: AuditAction
  readonly outcome: AuditEntry['outcome']
  readonly asker: Asker
  readonly merchant?: string
  readonly resource?: string
}

function entryOf({ action, outcome, asker, merchant = '', resource = '' }: Act): AuditEntry {
  return { ...asker, action, outcome, merchant, resource, windowId: '' }
}

function refused(code: OrderRefusal): VaultOrderReply {
  return { type: 'operator', kind: 'refused', code }
}
