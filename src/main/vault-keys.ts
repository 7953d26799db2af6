import { join } from 'node:path'
import type { KekConfiguration } from '../wire/key-configuration.ts'
import { KekFailure, type KeyEncryptionKey } from '../cde/vault/key-encryption-key.ts'
import { openKeyFile } from '../cde/vault/key-file.ts'
import type { Logger } from '../kit/log.ts'
import type { Configuration } from '../wire/configuration.ts'
import { openHsmKey } from './hsm-link.ts'

/** Opens the vault's key-encryption keys, today's and former ones. Rejects with KekFailure or KeyFileFailure; then none stays open. */
export async function openKeys(
  { keys, folder }: Configuration['vault'],
  logger: Logger,
): Promise<{ readonly kek: KeyEncryptionKey; readonly formerKeks: readonly KeyEncryptionKey[] }> {
  const opened: KeyEncryptionKey[] = []
  try {
    const kek = await openKek(keys.kek, { folder, logger })
    opened.push(kek)
    const formerKeks: KeyEncryptionKey[] = []
    for (const former of keys.former) {
      const one = await openKek(former, { folder, logger })
      formerKeks.push(one)
      opened.push(one)
    }
    return { kek, formerKeks }
  } catch (error) {
    for (const one of opened) one.close()
    throw error
  }
}

async function openKek(
  kek: KekConfiguration,
  { folder, logger }: { readonly folder: string; readonly logger: Logger },
): Promise<KeyEncryptionKey> {
  switch (kek.provider) {
    case 'file':
      return openKeyFile({ file: kek.file ?? join(folder, 'key-encryption-key'), logger })
    case 'pkcs11':
      return openHsmKey(kek)
    case 'aws-kms':
    case 'transit':
    case 'custodians':
      throw new KekFailure('kek_unusable', 'this provider is not built in yet')
  }
}
