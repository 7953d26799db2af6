import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { KekFailure, type KekFailureCode, type KeyEncryptionKey } from '../cde/vault/key-encryption-key.ts'
import { openKeyFile } from '../cde/vault/key-file.ts'
import type { Logger } from '../kit/log.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { KekConfiguration } from '../wire/key-configuration.ts'
import { openHsmKey } from './hsm-link.ts'

const TRIAL_BYTES = 32
const TRIAL_CONTEXT = Buffer.from('tonewall-vault trial')

export type OpenedKeys = {
  readonly kek: KeyEncryptionKey | 'custodians'
  readonly formerKeks: readonly KeyEncryptionKey[]
}

/**
 * Opens the vault's key-encryption keys, today's and former ones; those of custodians are opened later, by themselves. Rejects with
 * KekFailure or KeyFileFailure, after a line in the log that says what to do; then none stays open.
 */
export async function openKeys({ keys, folder }: Configuration['vault'], logger: Logger): Promise<OpenedKeys> {
  const opened: KeyEncryptionKey[] = []
  const open = async (kek: KekConfiguration): Promise<KeyEncryptionKey | 'custodians'> => {
    if (kek.provider === 'custodians') return kek.provider
    const one = await openKek(kek, { folder, logger })
    opened.push(one)
    return one
  }
  try {
    const kek = await open(keys.kek)
    const formerKeks: KeyEncryptionKey[] = []
    for (const former of keys.former) {
      const one = await open(former)
      if (one !== 'custodians') formerKeks.push(one)
    }
    return { kek, formerKeks }
  } catch (error) {
    for (const one of opened) one.close()
    if (error instanceof KekFailure) {
      logger.error({ code: error.code, state: error.detail }, KEK_ADVICE[error.code])
    }
    throw error
  }
}

/** For people: what to do about a key-encryption key that cannot be used. */
export const KEK_ADVICE: Readonly<Record<KekFailureCode, string>> = {
  kek_sealed: 'too few custodians have given their shares: tonewall vault unseal',
  kek_unreachable:
    'the HSM or KMS that holds the key-encryption key does not answer: bring it back or correct its address in vault.keys, then start again; nothing is lost meanwhile',
  kek_refused:
    'the HSM or KMS answers, and does not let the vault use the key: correct the PIN, the token, the credentials or the policy named in vault.keys',
  kek_missing:
    'there is no such key-encryption key: correct its name in vault.keys, or have it made (tonewall vault keys make, tonewall vault custodians create)',
  kek_unusable:
    'the key-encryption key cannot be used as vault.keys describes it: correct the library, the label or the file that it names',
}

async function openKek(
  kek: Exclude<KekConfiguration, { readonly provider: 'custodians' }>,
  { folder, logger }: { readonly folder: string; readonly logger: Logger },
): Promise<KeyEncryptionKey> {
  switch (kek.provider) {
    case 'file':
      return openKeyFile({ file: kek.file ?? join(folder, 'key-encryption-key'), logger })
    case 'pkcs11':
      return openHsmKey(kek)
    case 'aws-kms': {
      const { AwsKmsKey } = await import('../cde/vault/aws-kms-key.ts')
      return tried(new AwsKmsKey({ ...kek, authority: authorityOf(kek.authority) }))
    }
    case 'transit': {
      const { TransitKey } = await import('../cde/vault/transit-key.ts')
      return tried(new TransitKey({ ...kek, authority: authorityOf(kek.authority) }))
    }
  }
}

/** A KMS is known only when it is asked: better now than with the first customer. */
async function tried(kek: KeyEncryptionKey): Promise<KeyEncryptionKey> {
  const key = randomBytes(TRIAL_BYTES)
  try {
    const opened = await kek.unwrap(await kek.wrap(key, TRIAL_CONTEXT), TRIAL_CONTEXT)
    if (opened?.equals(key) !== true) throw new KekFailure('kek_unusable', 'it opens something else')
    return kek
  } catch (error) {
    kek.close()
    throw error
  }
}

function authorityOf(file: string | null): Buffer | null {
  return file === null ? null : readFileSync(file)
}
