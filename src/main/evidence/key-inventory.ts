import { parseVaultOrderReply, type VaultOrder, type VaultOrderReply } from '../../cde/vault-operator-protocol.ts'
import type { KeyEntry } from '../../cde/vault/key-inventory.ts'
import { ChannelClient } from '../../kit/channel.ts'
import { readIdentity, type Identity } from '../../kit/identity.ts'
import type { Configuration } from '../../wire/configuration.ts'

/** A key of the vault, without the key. Times are ISO 8601. `expiresAt`: from then on it seals nothing new. */
export type KeyInventoryRow = Pick<
  KeyEntry,
  'keyId' | 'purpose' | 'algorithm' | 'provider' | 'kekId' | 'merchant' | 'state' | 'cards' | 'isOverdue'
> & { readonly createdAt: string | null; readonly expiresAt: string | null; readonly endedAt: string | null }

export type KeyInventory =
  | { readonly kind: 'read'; readonly keys: readonly KeyInventoryRow[] }
  /** For people: why not, and what to do. */
  | { readonly kind: 'unread'; readonly text: string }

/** A handshake on a busy machine. */
const CONNECT_MS_MAX = 3_000
/** It counts the cards of each key. */
const ANSWER_MS_MAX = 30_000

/** Asks the vault that runs, with the operator's certificate; the vault records that it was asked. Never rejects. */
export async function keyInventory({
  certificates,
  vault,
}: Pick<Configuration, 'certificates' | 'vault'>): Promise<KeyInventory> {
  let identity: Identity
  try {
    identity = readIdentity({ folder: certificates.folder, role: 'operator', revoked: certificates.revoked })
  } catch {
    return unread(
      'The operator’s certificate cannot be read: run this as a user that may read operator.crt and operator.key.',
    )
  }
  let opened = (): void => undefined
  const isOpen = new Promise<true>((resolve) => (opened = () => resolve(true)))
  const client = new ChannelClient<VaultOrder, VaultOrderReply>({
    host: vault.host,
    port: vault.port,
    identity,
    peer: 'vault',
    parse: parseVaultOrderReply,
    message: () => undefined,
    opened,
  })
  const gaveUp = Promise.withResolvers<false>()
  const timer = setTimeout(() => gaveUp.resolve(false), CONNECT_MS_MAX)
  try {
    if (!(await Promise.race([isOpen, gaveUp.promise]))) {
      return unread('No vault answers: run this where the vault can be reached, while it runs.')
    }
    const answer = await client.request({ type: 'operator', order: 'keys' }, { deadlineMs: ANSWER_MS_MAX })
    if (answer.kind !== 'reply' || answer.message.kind !== 'keys')
      return unread('The vault does not tell its keys: look at its log.')
    return { kind: 'read', keys: answer.message.keys.map(rowOf) }
  } finally {
    clearTimeout(timer)
    client.close()
  }
}

function rowOf(entry: KeyEntry): KeyInventoryRow {
  const { keyId, purpose, algorithm, provider, kekId, merchant, state, cards, isOverdue } = entry
  return {
    keyId,
    purpose,
    algorithm,
    provider,
    kekId,
    merchant,
    state,
    cards,
    isOverdue,
    createdAt: dateOf(entry.createdAtMs),
    // What is not in use any more has no end to wait for.
    expiresAt: state === 'active' ? dateOf(entry.periodEndsAtMs) : null,
    endedAt: dateOf(entry.shreddedAtMs ?? entry.retiredAtMs),
  }
}

function dateOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

function unread(text: string): KeyInventory {
  return { kind: 'unread', text }
}
