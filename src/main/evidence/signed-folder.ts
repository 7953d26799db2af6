import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FORMAT, LIST, SIGNATURE } from '../../evidence-verify.mjs'
import type { CheckpointSigner } from '../../cde/vault/audit-checkpoint.ts'

/** Evidence tells an attacker where to begin. */
const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700

/**
 * Writes files into a new or empty folder, with their hashes in SHA256SUMS and its signature beside it (src/evidence-verify.mjs has
 * the form). `files`: contents by path. Returns false, and writes nothing, when there is something in the folder already. Throws
 * the system's error when it cannot be written.
 */
export async function writeSignedFolder(options: {
  readonly folder: string
  readonly files: ReadonlyMap<string, string>
  readonly signer: Pick<CheckpointSigner, 'keyId' | 'publicKey' | 'sign'>
  readonly at: Date
}): Promise<boolean> {
  const { folder, signer, at } = options
  const files = new Map([...options.files, ['public-key.pem', signer.publicKey]])
  const lines = [...files]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, text]) => `${sha256(text)}  ${path}`)
  const list = `${[`# ${FORMAT} ${at.toISOString()} ${signer.keyId}`, ...lines].join('\n')}\n`
  const signature = await signer.sign(Buffer.from(list))
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
  if (readdirSync(folder).length > 0) return false
  const write = (path: string, bytes: string | Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true, mode: OWNER_ONLY_FOLDER })
    // Never over a file that is there: somebody else may write here, too.
    writeFileSync(join(folder, path), bytes, { flag: 'wx', mode: OWNER_ONLY })
  }
  for (const [path, text] of files) write(path, text)
  write(LIST, list)
  write(SIGNATURE, signature)
  return true
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
