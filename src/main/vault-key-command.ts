import type { OrderRefusal, VaultOrder, VaultOrderReply } from '../cde/vault-operator-protocol.ts'
import type { KeyEntry } from '../cde/vault/key-inventory.ts'
import { KekFailure } from '../cde/vault/key-encryption-key.ts'
import type { Configuration } from '../wire/configuration.ts'
import { textTable } from './text-table.ts'
import type { VaultKeyCommand } from './vault-key-options.ts'
import { openVaultLink } from './vault-link.ts'

export type KeyCommandOutput = {
  /** A line for people. */
  readonly say: (line: string) => void
  readonly write: (text: string) => void
}

type KeyCommand = Exclude<VaultKeyCommand, { readonly act: 'custodians' | 'unseal' }>

/** `tonewall vault keys`: asks the vault that runs. Resolves to the exit code. */
export async function runVaultKeyCommand(
  command: KeyCommand,
  configuration: Pick<Configuration, 'certificates' | 'vault'>,
  output: KeyCommandOutput,
): Promise<number> {
  if (command.act === 'make') return makeKey(configuration.vault, output)
  const link = await openVaultLink(configuration)
  if (typeof link === 'string') {
    output.say(link)
    return 1
  }
  try {
    const reply = await link.ask(orderOf(command))
    if (typeof reply !== 'string') return show(reply, command, output)
    output.say(reply)
    return 1
  } finally {
    link.close()
  }
}

function orderOf(command: Exclude<KeyCommand, { readonly act: 'make' }>): VaultOrder {
  const type = 'operator'
  switch (command.act) {
    case 'list':
      return { type, order: 'keys' }
    case 'rotate':
      return { type, order: command.act, merchant: command.merchant, purpose: command.purpose }
    case 'reencrypt':
    case 'rewrap':
      return { type, order: command.act }
    case 'shred': {
      const { merchant, keyId, confirmation } = command
      return { type, order: command.act, merchant, keyId, confirmation }
    }
  }
}

function show(reply: VaultOrderReply, command: KeyCommand, { say, write }: KeyCommandOutput): number {
  switch (reply.kind) {
    case 'refused':
      say(REFUSALS[reply.code])
      return 1
    case 'keys': {
      if (command.act === 'list' && command.json) {
        write(`${JSON.stringify({ keys: reply.keys, reencryption: reply.reencryption })}\n`)
        return 0
      }
      for (const line of keyTable(reply.keys)) say(line)
      const retired = reply.keys.filter(({ purpose, state }) => purpose === 'card' && state === 'retired')
      const left = retired.reduce((sum, { cards }) => sum + (cards ?? 0), 0)
      const { state, moved, broken } = reply.reencryption
      say(`Cards under retired keys: ${left}. Moved since the vault started: ${moved} (${state}).`)
      if (broken > 0) say(`${broken} cards do not open with their key: somebody has changed their rows.`)
      if (reply.keys.some(({ provider }) => provider === 'file')) {
        say('The key-encryption key lies in a FILE beside what it protects: for development only.')
      }
      return 0
    }
    case 'confirm':
      say(`This loses ${reply.cards} cards under ${reply.keys} keys, for ever: nobody will read them again.`)
      say(`If that is what you want, say it again within five minutes, with --confirm ${reply.confirmation}`)
      return 0
    case 'done':
      say(`${reply.count} keys: done.`)
      if (command.act === 'shred')
        say('Copies of the database from before still hold the wrapped keys: destroy them too.')
      return 0
    case 'seal_state':
      return 0
  }
}

/** Times as dates: a period is counted in days. */
export function keyTable(keys: readonly KeyEntry[]): readonly string[] {
  const date = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString().slice(0, 10))
  return textTable([
    ['KEY', 'PURPOSE', 'ALGORITHM', 'WRAPPED BY', 'MERCHANT', 'STATE', 'CREATED', 'PERIOD ENDS', 'CARDS', ''],
    ...keys.map((key) => [
      key.keyId,
      key.purpose,
      key.algorithm,
      key.purpose === 'key-encryption' ? key.provider : key.kekId,
      key.merchant,
      key.state,
      date(key.createdAtMs),
      date(key.periodEndsAtMs),
      key.cards === null ? '' : String(key.cards),
      key.isOverdue ? 'OVERDUE' : '',
    ]),
  ])
}

async function makeKey({ keys }: Configuration['vault'], { say }: KeyCommandOutput): Promise<number> {
  if (keys.kek.provider !== 'pkcs11') {
    say('vault.keys names no HSM: only an HSM makes its key by this command.')
    return 1
  }
  const { makeHsmKey } = await import('./hsm-link.ts')
  const { KEK_ADVICE } = await import('./vault-keys.ts')
  try {
    await makeHsmKey(keys.kek)
    say(
      'The HSM has made an AES-256 key that it does not give away. Have it copied by the means of its maker before cards depend on it.',
    )
    return 0
  } catch (error) {
    if (!(error instanceof KekFailure)) throw error
    say(error.detail === 'key_exists' ? 'The HSM has this key already.' : `${error.detail}: ${KEK_ADVICE[error.code]}`)
    return 1
  }
}

export const REFUSALS: Readonly<Record<OrderRefusal, string>> = {
  malformed: 'The vault does not understand this order: is it of this release?',
  unknown_merchant: 'The vault knows no such merchant.',
  unknown_key: 'The merchant has no such key for cards: see tonewall vault keys list.',
  nothing_to_shred: 'These keys were shredded before.',
  confirmation_wrong: 'This confirmation is wrong, too old, or of other keys: ask again without --confirm.',
  sealed: 'The vault is sealed: custodians give their shares by tonewall vault unseal.',
  not_sealed: 'The vault is open already; the share was not needed.',
  share_wrong: 'This is no share of the key, or it was mistyped.',
  share_repeated: 'This share was given before.',
  key_failed: 'A key could not be used: see the log of the vault.',
  store_failed: 'The database could not do it; nothing was changed.',
}
