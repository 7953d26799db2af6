import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeShare } from '../cde/vault/custodian-share.ts'
import { makeCustody } from '../cde/vault/custody.ts'
import { openPostgresStore } from '../cde/vault/store-postgres.ts'
import { openSqliteStore } from '../cde/vault/store-sqlite.ts'
import type { Store } from '../cde/vault/store.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { HiddenInput } from './hidden-input.ts'
import { REFUSALS } from './vault-key-command.ts'
import type { VaultKeyCommand } from './vault-key-options.ts'
import { openVaultLink } from './vault-link.ts'
import { postgresOptions } from './vault-store.ts'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
/** Clears the screen and what was scrolled out of it (ECMA-48, and xterm's 3). */
const CLEAR = '\u001b[2J\u001b[3J\u001b[H'

export type CustodianTerminal = HiddenInput & {
  readonly say: (line: string) => void
  /** Shown to one person; bytes, since a text cannot be overwritten. */
  readonly show: (text: Uint8Array) => void
}

/**
 * `tonewall vault custodians create`, as the vault's own user: a new key-encryption key that nobody has, and a share for each custodian. It
 * takes over once they have opened the vault with it. Resolves to the exit code.
 */
export async function runCustodians(
  command: Extract<VaultKeyCommand, { readonly act: 'custodians' }>,
  configuration: Configuration,
  terminal: CustodianTerminal,
): Promise<number> {
  const { folder, shares: count, threshold } = command
  if (folder === null && !terminal.isTerminal) {
    terminal.say('This is no terminal: name with --folder where each share is to be written.')
    return 1
  }
  let store: Store
  try {
    if (folder !== null) mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
    store = await openStore(configuration)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
    terminal.say(`It did not work: ${code}. Does this user own the vault's folder, and can it write to the other?`)
    return 1
  }
  const { rows, shares } = await makeCustody({ shares: count, threshold, nowMs: Date.now() })
  try {
    for (const [index, share] of shares.entries()) {
      if (!(await handOver(share, { index, count, folder }, terminal))) return 1
    }
    // Only now does the vault know of them: what was broken off before has changed nothing.
    const entry = { role: 'operator', action: 'custodians_create', outcome: 'done', origin: 'local' } as const
    await store.addCustodians(rows, { ...entry, merchant: '', resource: rows[0]?.kekId ?? '', windowId: '' })
  } finally {
    for (const share of shares) share.fill(0)
    await store.close()
  }
  terminal.say(`Any ${threshold} of these ${count} custodians open the vault; fewer cannot, and nobody else can.`)
  terminal.say(
    'Write vault.keys: { provider: custodians }, with what held the key until now under former, and start the vault.',
  )
  terminal.say(`It is sealed then: ${threshold} custodians give their shares by tonewall vault unseal, at every start.`)
  return 0
}

/** `tonewall vault unseal`: gives one share to the vault that runs. Resolves to the exit code. */
export async function runUnseal(
  command: Extract<VaultKeyCommand, { readonly act: 'unseal' }>,
  configuration: Pick<Configuration, 'certificates' | 'vault'>,
  terminal: CustodianTerminal,
): Promise<number> {
  const { say } = terminal
  const link = await openVaultLink(configuration)
  if (typeof link === 'string') {
    say(link)
    return 1
  }
  const share = readShareOf(command.shareFile, terminal)
  const text = await share
  try {
    if (text === null) {
      say('There is no share to be read.')
      return 1
    }
    const reply = await link.ask({ type: 'operator', order: 'unseal' }, text)
    if (typeof reply === 'string' || reply.kind !== 'seal_state') {
      say(typeof reply === 'string' ? reply : reply.kind === 'refused' ? REFUSALS[reply.code] : REFUSALS.malformed)
      return 1
    }
    say(
      reply.isSealed ? `Taken: ${reply.given} of ${reply.threshold}. The vault is still sealed.` : 'The vault is open.',
    )
    return 0
  } finally {
    text?.fill(0)
    link.close()
  }
}

async function readShareOf(file: string | null, terminal: CustodianTerminal): Promise<Buffer | null> {
  if (file === null) return terminal.readHidden('Your share: ')
  try {
    return readFileSync(file)
  } catch {
    return null
  }
}

/** False when the custodian did not take it. */
async function handOver(
  share: Buffer,
  of: { readonly index: number; readonly count: number; readonly folder: string | null },
  { say, show, readHidden }: CustodianTerminal,
): Promise<boolean> {
  const text = writeShare(share)
  const name = `share-${of.index + 1}`
  try {
    if (of.folder !== null) {
      // Never over one that is there: it may be somebody's only copy.
      writeFileSync(join(of.folder, name), text, { mode: OWNER_ONLY, flag: 'wx' })
      say(`${join(of.folder, name)}: for custodian ${of.index + 1} alone. Take it away from here.`)
      return true
    }
    if ((await readHidden(`Custodian ${of.index + 1} of ${of.count}, alone at the screen: press Enter. `)) === null)
      return false
    show(text)
    const isTaken = (await readHidden('\nWrite it down, and press Enter: it will not be shown again. ')) !== null
    show(Buffer.from(CLEAR))
    return isTaken
  } catch {
    say(`${name} cannot be written: is there one already? Nothing was changed in the vault.`)
    return false
  } finally {
    text.fill(0)
  }
}

async function openStore(configuration: Configuration): Promise<Store> {
  const { folder, store, postgresql } = configuration.vault
  if (store === 'postgresql' && postgresql !== null) {
    return openPostgresStore({ ...postgresOptions(postgresql), nowMs: Date.now })
  }
  return openSqliteStore({ file: join(folder, 'vault.sqlite'), nowMs: Date.now })
}
