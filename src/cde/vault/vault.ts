import { join } from 'node:path'
import { countRefusals, type ChannelRefusal } from '../../kit/channel.ts'
import type { Identity } from '../../kit/identity.ts'
import { errorFields, type Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { RefusedPeer } from '../../kit/refusals.ts'
import type { VaultApiConfiguration } from '../../wire/vault-api-configuration.ts'
import type { OperationParts } from './api/operations.ts'
import { startApi } from './api/start-api.ts'
import type { AuditAction } from './audit-chain.ts'
import { openSigningKey, type CheckpointSigner } from './audit-checkpoint.ts'
import { auditTail } from './audit-tail.ts'
import { AuditTrail, type AuditTrailOptions } from './audit-trail.ts'
import { CardCodeMemory } from './card-code-memory.ts'
import { custodiesOf, type Custody } from './custody.ts'
import { Charges } from './charges.ts'
import { HttpsJsonConnector, type HttpsJsonConnectorOptions } from './connectors/https-json-connector.ts'
import { openKeyFile } from './key-file.ts'
import { KekFailure, type KeyEncryptionKey } from './key-encryption-key.ts'
import { KeyKeeper } from './key-keeper.ts'
import { KeyRing } from './key-ring.ts'
import type { PostgresOptions } from './postgres-connection.ts'
import type { Store } from './store.ts'
import { openPostgresStore } from './store-postgres.ts'
import { openSqliteStore } from './store-sqlite.ts'
import { VaultOrders } from './vault-orders.ts'
import { listenVault } from './vault-server.ts'
import { TOKENS_UNLESS_TOLD, type TokenOptions } from './token-options.ts'
import { VaultService, type Merchant } from './vault-service.ts'

/** An answer is given again to the same idempotency key for this long. */
const REQUESTS_KEPT_MS = 86_400_000
const FORGET_EVERY_MS = 60_000
const CRYPTOPERIOD_DAYS = 90
/** Per round, so that forgetting never holds up a tokenize request for long. */
const FORGET_MAX = 5_000
/** Each takes an audit record; a transaction of more would hold up the others. */
const ENDED_IN_STEP = 250
/** A supervisor that stops the vault waits about ten seconds. */
const CLOSE_MS = 5_000

const NOT_SHIPPED: AuditTrailOptions = { folder: null, syslog: null, timeServer: null }

export type VaultOptions = {
  /** Holds vault.sqlite, unless the store is PostgreSQL, and, in development, the key file. */
  readonly dataDir: string
  /** Where the cards are kept; a file in dataDir when left out. */
  readonly postgresql?: PostgresOptions
  readonly merchants: readonly MerchantOptions[]
  /** Names of those that guards may act for; the first alone when left out. */
  readonly guardMerchants?: readonly string[]
  /** The key-encryption key; a file in dataDir when left out, which is for development only. */
  readonly kek?: KeyEncryptionKey | 'custodians'
  /** What they wrapped is wrapped anew at the start. */
  readonly formerKeks?: readonly KeyEncryptionKey[]
  /** A data key seals new cards for this long. */
  readonly cryptoperiodDays?: number
  /** Signs the audit record; a file in dataDir when left out, which is for development only. */
  readonly auditSigner?: CheckpointSigner
  /** Where else the audit record goes; nowhere when left out. */
  readonly audit?: AuditTrailOptions
  readonly logger: Logger
  readonly metrics: Metrics
  readonly nowMs?: () => number
  /** For systems of the CDE; none when left out. */
  readonly api?: VaultApiConfiguration | null
  /** Requests under way get this long to finish at close. */
  readonly closeMs?: number
}

export type MerchantOptions = {
  readonly name: string
  readonly connector?: HttpsJsonConnectorOptions
  readonly tokens?: Partial<TokenOptions>
}

export type Vault = {
  readonly service: VaultService
  readonly store: Store
  readonly keyRing: KeyRing
  readonly keeper: KeyKeeper
  readonly orders: VaultOrders
  /** What the API works with. */
  readonly parts: OperationParts
  close(): Promise<void>
}

/** Opens the vault and its door. Rejects as openVault does, or with the system's error for the port. */
export async function startVault(
  options: VaultOptions & { readonly host: string; readonly port: number; readonly identity: Identity },
): Promise<{ readonly port: number; readonly apiPort: number | null; close(): Promise<void> }> {
  const vault = await openVault(options)
  const refused = countRefusals(options.metrics)
  const record = (peer: RefusedPeer<ChannelRefusal>): void => void recordRefused(peer, vault.store, options.logger)
  try {
    const listener = await listenVault({
      ...options,
      service: vault.service,
      orders: vault.orders,
      refused,
      record,
    })
    options.logger.info({ port: listener.port }, 'vault listens')
    const doors = { ...options, refused, record }
    const api = options.api == null ? null : await startApi(options.api, { ...doors, parts: vault.parts })
    return {
      port: listener.port,
      apiPort: api?.port ?? null,
      close: async () => {
        await api?.close()
        await within(vault.service.close(), options.closeMs ?? CLOSE_MS)
        await listener.close()
        await vault.close()
      },
    }
  } catch (error) {
    await vault.close()
    throw error
  }
}

/**
 * The vault without a door. Rejects with StoreFailure, KeyFileFailure, KekFailure, KeyFailure, or TypeError for a connector that is not https.
 * Where the key is with custodians it is sealed, and knows no key until they have given their shares.
 */
export async function openVault(options: VaultOptions): Promise<Vault> {
  const nowMs = options.nowMs ?? Date.now
  const { dataDir, logger, metrics } = options
  const merchants = merchantsOf(options.merchants)
  const given = options.kek ?? openKeyFile({ file: join(dataDir, 'key-encryption-key'), logger })
  const signer =
    options.auditSigner ?? openSigningKey({ file: join(dataDir, 'audit-signing-key'), mayMake: true, logger })
  const store = await openStore(options, nowMs).catch((error: unknown) => {
    closeAll(given, options.formerKeks)
    throw error
  })
  let keks: OpenKeks
  try {
    keks = await keksOf(given, options.formerKeks ?? [], store)
  } catch (error) {
    if (error instanceof KekFailure) {
      logger.error(
        { code: error.code },
        'there are no custodians yet: have tonewall vault custodians create make their shares',
      )
    }
    closeAll(given, options.formerKeks)
    await store.close()
    throw error
  }
  const { custodies } = keks
  const keyRing = new KeyRing({ ...keks, store, nowMs })
  const openKeys = async (): Promise<void> => {
    await keyRing.rewrap()
    for (const merchant of merchants.keys()) await keyRing.prepare(merchant)
  }
  try {
    await checkAudit(store, options)
    await store.append(ownAct('vault_start'))
    if (keyRing.isSealed) {
      logger.warn({ code: 'sealed' }, 'the vault is sealed: custodians give their shares by tonewall vault unseal')
    } else await openKeys()
  } catch (error) {
    keyRing.close()
    await store.close()
    throw error
  }
  const cryptoperiodDays = options.cryptoperiodDays ?? CRYPTOPERIOD_DAYS
  const keeper = new KeyKeeper({ store, keyRing, cryptoperiodDays, logger, metrics, nowMs })
  const unsealed = async (): Promise<void> => {
    await openKeys()
    logger.info({}, 'the vault is unsealed')
    await keeper.look()
    void keeper.reencryption.run()
  }
  const known = new Set(merchants.keys())
  const orders = new VaultOrders({ store, keyRing, keeper, custodies, merchants: known, unsealed, logger, nowMs })
  keeper.start()
  const cardCodes = new CardCodeMemory({ nowMs })
  const trail = new AuditTrail({ ...(options.audit ?? NOT_SHIPPED), store, signer, dataDir, nowMs, logger, metrics })
  const guardMerchants = new Set(options.guardMerchants ?? options.merchants.slice(0, 1).map(({ name }) => name))
  const service = new VaultService({
    ...{ trail, store, keyRing, cardCodes, merchants, guardMerchants },
    ...{ logger, metrics, nowMs },
  })
  const charges = new Charges({ store, keyRing, cardCodes })
  const parts = { store, keyRing, cardCodes, charges, merchants, trail, nowMs }
  const forgetting = setInterval(() => void forgetOld(store, nowMs(), logger), FORGET_EVERY_MS)
  forgetting.unref()
  const close = async () => {
    clearInterval(forgetting)
    await within(service.close(), options.closeMs ?? CLOSE_MS)
    await within(keeper.close(), options.closeMs ?? CLOSE_MS)
    for (const { connector } of merchants.values()) connector?.close()
    cardCodes.close()
    keyRing.close()
    await store.append(ownAct('vault_stop')).catch((error: unknown) => {
      logger.error({ code: 'store_failed', ...errorFields(error) }, 'the stop of the vault could not be recorded')
    })
    await trail.close()
    await store.close()
  }
  let closed: Promise<void> | null = null
  return { service, store, keyRing, keeper, orders, parts, close: () => (closed ??= close()) }
}

type OpenKeks = {
  readonly kek: KeyEncryptionKey
  readonly formerKeks: readonly KeyEncryptionKey[]
  readonly custodies: readonly Custody[]
}

/** Rejects with KekFailure when there are no custodians yet. */
async function keksOf(
  given: KeyEncryptionKey | 'custodians',
  formerKeks: readonly KeyEncryptionKey[],
  store: Store,
): Promise<OpenKeks> {
  const isCurrent = given === 'custodians'
  const alive = (await store.keys()).filter(({ state }) => state !== 'shredded')
  const kekIds = new Set(alive.map(({ kekId }) => kekId))
  const { current, former } = custodiesOf(await store.custodians(), { isCurrent, kekIds })
  const custodies = current === null ? former : [current, ...former]
  const kek = given === 'custodians' ? current?.kek : given
  if (kek === undefined) throw new KekFailure('kek_missing', 'there are no custodians')
  return { kek, formerKeks: [...formerKeks, ...former.map((custody) => custody.kek)], custodies }
}

function closeAll(given: KeyEncryptionKey | 'custodians', formerKeks: readonly KeyEncryptionKey[] = []): void {
  for (const kek of [given, ...formerKeks]) if (kek !== 'custodians') kek.close()
}

async function openStore({ postgresql, dataDir }: VaultOptions, nowMs: () => number): Promise<Store> {
  if (postgresql === undefined) return openSqliteStore({ file: join(dataDir, 'vault.sqlite'), nowMs })
  return openPostgresStore({ ...postgresql, nowMs })
}

function merchantsOf(merchants: readonly MerchantOptions[]): ReadonlyMap<string, Merchant> {
  return new Map(
    merchants.map(({ name, connector, tokens }) => [
      name,
      {
        connector: connector === undefined ? null : new HttpsJsonConnector(connector),
        tokens: { ...TOKENS_UNLESS_TOLD, ...tokens },
      },
    ]),
  )
}

/** Never rejects. */
async function recordRefused(refused: RefusedPeer<ChannelRefusal>, store: Store, logger: Logger): Promise<void> {
  const { code, address, count } = refused
  const peer = { role: 'none', action: 'peer_refused', outcome: code, origin: address } as const
  const resource = 'vault x' + String(count)
  await store.append({ ...peer, merchant: '', resource, windowId: '' }).catch((error: unknown) => {
    logger.error({ code: 'store_failed', ...errorFields(error) }, 'a refused peer could not be recorded')
  })
}

/** A broken audit chain is an alarm, not a reason to stand still: who broke it would else stop all payments. */
async function checkAudit(store: Store, options: Pick<VaultOptions, 'logger' | 'metrics'>): Promise<void> {
  const intact = options.metrics.gauge(
    'tonewall_vault_audit_intact',
    'One when the newest audit records follow each other unchanged',
  )
  const verdict = await auditTail(store)
  intact.set(verdict.kind === 'intact' ? 1 : 0)
  if (verdict.kind === 'intact') return
  options.logger.error({ code: verdict.code, sequence: verdict.sequence }, 'the audit record was changed')
}

async function forgetOld(store: Store, nowMs: number, logger: Logger): Promise<void> {
  try {
    await store.forgetRequests({ createdBeforeMs: nowMs - REQUESTS_KEPT_MS, limit: FORGET_MAX })
    await store.forgetOrders({ nowMs, limit: FORGET_MAX })
    await endTokens(store, nowMs)
  } catch (error) {
    logger.error({ code: 'store_failed', ...errorFields(error) }, 'old requests could not be forgotten')
  }
}

/** Tokens past their time are gone already; here what was sealed of their cards is taken away (PCI DSS 3.2.1), each with a record. */
async function endTokens(store: Store, nowMs: number): Promise<void> {
  for (let ended = 0; ended < FORGET_MAX; ended += ENDED_IN_STEP) {
    const cards = await store.endTokensPastTime({
      nowMs,
      limit: ENDED_IN_STEP,
      audit: ({ merchant, token }) => ({ ...ownAct('token_end'), merchant, resource: token }),
    })
    if (cards.length < ENDED_IN_STEP) return
  }
}

function ownAct(action: Extract<AuditAction, 'vault_start' | 'vault_stop' | 'token_end'>) {
  return { role: 'vault', action, outcome: 'done', origin: 'local', merchant: '', resource: '', windowId: '' } as const
}

function within(work: Promise<void>, deadlineMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, deadlineMs)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
