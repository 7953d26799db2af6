import { chmodSync, chownSync, lchownSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { AccountName, Configuration } from '../wire/configuration.ts'
import { isBelow } from './configuration-check.ts'
import { UNNAMED, type Account } from './account.ts'

/** Entering a folder, without listing it. */
const ENTER = 0o011
const ALL_READ = 0o044
const OWNER_ONLY_FOLDER = 0o700
const OWNER_AND_GROUP = 0o640
const MAKERS: readonly number[] = [0, ...Object.values(UNNAMED)]

type AccountOf = Readonly<Record<AccountName, Account>>

/**
 * Gives the vault and the sbc the folders below the data folder that they write, and what root put there. Done as root before they
 * run, and by that for what root or an account without a name made alone: nothing outside changes, and no link is followed.
 */
export function giveFolders({ dataFolder, vault, audit, callRecords }: Configuration, accounts: AccountOf): void {
  mkdirSync(dataFolder, { recursive: true, mode: OWNER_ONLY_FOLDER })
  open(dataFolder, ENTER)
  const folders = [[vault.folder, 'vault'] as const, [audit.folder, 'vault'] as const, [callRecords, 'sbc'] as const]
  for (const [folder, to] of folders)
    if (folder !== null && isBelow(dataFolder, folder)) giveFolder(folder, accounts[to])
}

/** Gives the secrets below the data folder, and the keys of development certificates, to those who read them. */
export function giveSecrets({ dataFolder, certificates, sip, desk }: Configuration, accounts: AccountOf): void {
  const secret = (file: string, owner: Account, group: Account): void => {
    if (!isBelow(dataFolder, file) || !isOurs(file)) return
    open(dirname(file), ENTER)
    chownSync(file, owner.uid, group.gid)
    if (group !== owner) chmodSync(file, OWNER_AND_GROUP)
  }
  secret(sip.secretFile, accounts.sipd, accounts.sbc)
  for (const { tokenFile } of desk.agents) secret(tokenFile, accounts.desk, accounts.desk)
  if (!certificates.development) return
  open(certificates.folder, ENTER)
  for (const name of readdirSync(certificates.folder)) {
    const file = join(certificates.folder, name)
    if (!isOurs(file)) continue
    if (name.endsWith('.crt')) open(file, ALL_READ)
    const role = /^(sipd|sbc|guard|vault|desk)\.key$/.exec(name)?.[1] as AccountName | undefined
    if (role !== undefined) chownSync(file, accounts[role].uid, accounts[role].gid)
  }
}

function giveFolder(folder: string, { uid, gid }: Account): void {
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
  const inside = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  for (const name of [folder, ...inside]) if (isOurs(name)) lchownSync(name, uid, gid)
}

/** A file with a second name may be somebody else's: an account could have put it into its folder. */
function isOurs(name: string): boolean {
  const status = lstatSync(name, { throwIfNoEntry: false })
  if (status === undefined || !MAKERS.includes(status.uid)) return false
  return status.isDirectory() || (status.isFile() && status.nlink === 1)
}

function open(name: string, bits: number): void {
  const { mode, uid } = statSync(name)
  if (uid === 0 && (mode & bits) !== bits) chmodSync(name, (mode & 0o7777) | bits)
}
