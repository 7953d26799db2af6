import { ChannelClient } from '../kit/channel.ts'
import { readIdentity, type Identity } from '../kit/identity.ts'
import { parseVaultOrderReply, type VaultOrder, type VaultOrderReply } from '../cde/vault-operator-protocol.ts'
import type { Configuration } from '../wire/configuration.ts'
import { isListening, wait } from './operator-link.ts'

/** A vault that starts on a noisy machine; through a firewall that drops, never. */
const CONNECT_MS_MAX = 5_000
const PROBE_AFTER_MS = 400
/** Cards are counted, and keys wrapped anew by a KMS that may be slow. */
const ANSWER_MS_MAX = 120_000

export type VaultLink = {
  /** A line for people when there is no answer. */
  ask(order: VaultOrder, body?: Uint8Array): Promise<VaultOrderReply | string>
  close(): void
}

/** Connects to the vault that runs, with the operator's certificate; else a line for people. Whoever gets the link closes it. */
export async function openVaultLink(
  configuration: Pick<Configuration, 'certificates' | 'vault'>,
): Promise<VaultLink | string> {
  const { folder, revoked } = configuration.certificates
  const { host, port } = configuration.vault
  let identity: Identity
  try {
    identity = readIdentity({ folder, role: 'operator', revoked })
  } catch {
    return `The operator's certificate cannot be read, or the list of revoked ones: ca.crt, operator.crt and operator.key belong into ${folder}.`
  }
  let opened = (): void => undefined
  const isOpen = new Promise<boolean>((resolve) => {
    opened = () => resolve(true)
  })
  const client = new ChannelClient<VaultOrder, VaultOrderReply>({
    ...{ host, port, identity, peer: 'vault', parse: parseVaultOrderReply, opened },
    message: () => undefined,
  })
  const timer = new AbortController()
  const isQuick = await Promise.race([isOpen, wait(PROBE_AFTER_MS, timer.signal)])
  // Asked only when the connection takes long: a probe that says nothing is written down as a refusal.
  const mayCome = isQuick || (await isListening(host, port))
  const isConnected = mayCome && (await Promise.race([isOpen, wait(CONNECT_MS_MAX, timer.signal)]))
  timer.abort()
  if (!isConnected) {
    client.close()
    return `No vault answers at ${host}:${port}, or it does not take the operator's certificate. Start it, or name its configuration with --config FILE.`
  }
  return {
    ask: async (order, body) => {
      const answer = await client.request(order, { deadlineMs: ANSWER_MS_MAX, ...(body === undefined ? {} : { body }) })
      return answer.kind === 'reply' ? answer.message : 'The vault did not answer: its log says more.'
    },
    close: () => client.close(),
  }
}
