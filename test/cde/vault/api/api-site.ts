import { request as ask, type RequestOptions } from 'node:https'
import type { Test } from 'tap'
import { startApi } from '../../../../src/cde/vault/api/start-api.ts'
import type { MerchantOptions } from '../../../../src/cde/vault/vault.ts'
import { countRefusals, type ChannelRefusal } from '../../../../src/kit/channel.ts'
import { clientName, type Identity } from '../../../../src/kit/identity.ts'
import { createLogger } from '../../../../src/kit/log.ts'
import type { RefusedPeer } from '../../../../src/kit/refusals.ts'
import type { RevocationList } from '../../../../src/kit/revocation.ts'
import type { VaultClientConfiguration } from '../../../../src/wire/vault-api-configuration.ts'
import { SipAuthority, type SipCertificate } from '../../../fakes/sip-certificates.ts'
import { openTestVault, type TestVault } from '../open-test-vault.ts'

export const authority = new SipAuthority()
const vaultLeaf = authority.leaf({ dns: ['vault.tonewall.internal'] })

const LIMITS = { requestsPerMinute: 100_000, cardsPerMinute: 1_000 }
const CLIENTS: readonly VaultClientConfiguration[] = [
  { name: 'billing', role: 'charger', merchants: ['shop'], ...LIMITS },
  { name: 'other-billing', role: 'charger', merchants: ['other'], ...LIMITS },
  { name: 'ann', role: 'detokenizer', merchants: ['shop'], ...LIMITS },
  { name: 'eve', role: 'detokenizer', merchants: ['shop'], ...LIMITS },
  { name: 'bob', role: 'approver', merchants: ['shop'], ...LIMITS },
]
export type ClientName = 'billing' | 'other-billing' | 'ann' | 'eve' | 'bob'

const leaves = new Map<string, SipCertificate>()

/** A client's certificate; each is made once a test file. */
export function certificateOf(
  name: string,
  role = CLIENTS.find((client) => client.name === name)?.role ?? 'charger',
): SipCertificate {
  const dns = clientName({ name, role })
  const leaf = leaves.get(dns) ?? authority.leaf({ dns: [dns] })
  leaves.set(dns, leaf)
  return leaf
}

export type ApiAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
  /** The body as JSON, or null. */
  readonly json: Readonly<Record<string, unknown>> | null
}

export type ApiOrder = {
  readonly method?: string
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type ApiSite = {
  readonly vault: TestVault
  readonly port: number
  readonly refused: readonly RefusedPeer<ChannelRefusal>[]
  as(name: ClientName, path: string, order?: ApiOrder): Promise<ApiAnswer>
  /** Actions, outcomes and resources of the audit record behind the first ones. */
  audit(action: string): Promise<readonly string[]>
}

/** A vault with its API, two merchants and five clients. */
export async function openApi(
  t: Test,
  options: {
    readonly merchants?: readonly MerchantOptions[]
    readonly limits?: Partial<typeof LIMITS>
    readonly nowMs?: () => number
    readonly revoked?: RevocationList
    readonly folder?: string
  } = {},
): Promise<ApiSite> {
  const { merchants, nowMs, revoked, limits } = options
  const vault = await openTestVault(options.folder ?? t.testdir(), {
    ...(merchants === undefined ? {} : { merchants }),
    ...(nowMs === undefined ? {} : { nowMs }),
  })
  const identity: Identity = {
    role: 'vault',
    certificate: vaultLeaf.certificate,
    key: vaultLeaf.key,
    authority: authority.certificate,
    ...(revoked === undefined ? {} : { revoked }),
  }
  const refused: RefusedPeer<ChannelRefusal>[] = []
  const listener = await startApi(
    { host: '127.0.0.1', port: 0, clients: CLIENTS.map((client) => ({ ...client, ...limits })) },
    {
      parts: vault.parts,
      identity,
      logger: createLogger({ role: 'vault', level: 'silent' }),
      refused: countRefusals(vault.metrics),
      record: (peer) => refused.push(peer),
      ...(nowMs === undefined ? {} : { clockMs: nowMs }),
      closeMs: 1_000,
    },
  )
  t.teardown(async () => {
    await listener.close()
    await vault.close()
  })
  return {
    vault,
    port: listener.port,
    refused,
    as: (name, path, order) => call({ port: listener.port, by: certificateOf(name), path, ...order }),
    audit: async (action) =>
      (await vault.store.auditAfter(0, 10_000))
        .filter((record) => record.action === action)
        .map(({ role, outcome, origin, resource }) => [role, outcome, origin, resource].join(' ')),
  }
}

/** One request on a connection of its own. */
export function call(
  options: ApiOrder & { readonly port: number; readonly by: SipCertificate; readonly path: string },
): Promise<ApiAnswer> {
  const { port, by, path, key, body, headers = {} } = options
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
  const settings: RequestOptions = {
    host: '127.0.0.1',
    port,
    path,
    method: options.method ?? (text === null ? 'GET' : 'POST'),
    agent: false,
    ca: authority.certificate,
    cert: by.certificate,
    key: by.key,
    servername: 'vault.tonewall.internal',
    headers: {
      ...(text === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...headers,
    },
  }
  return new Promise((resolve, reject) => {
    const outgoing = ask(settings, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const answer = Buffer.concat(chunks).toString()
        const isJson = /json/.test(incoming.headers['content-type'] ?? '')
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: answer,
          json: isJson ? (JSON.parse(answer) as Readonly<Record<string, unknown>>) : null,
        })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(text ?? undefined)
  })
}
