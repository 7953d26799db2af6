import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { isBelow } from './configuration-check.ts'

/** 256 bits, in letters that fit a header and a drachtio authentication line. */
const SECRET_BYTES = 32
/** Anything by others, or writing by the group: sipd and sbc read one secret as two users, by a group that both are in. */
const OPEN_TO_OTHERS = 0o037
const FIRST_LINE = /^[\x21-\x7e]{16,512}$/

export type SecretProblem = { readonly file: string; readonly problem: string }

/**
 * Makes the SIP control secret and the agents' tokens that are missing below the data folder, mode 0600. Returns what
 * is wrong with the ones that exist: a secret that others can read is none.
 */
export function ensureDevelopmentSecrets(configuration: Configuration): readonly SecretProblem[] {
  const files = [configuration.sip.secretFile, ...configuration.desk.agents.map((agent) => agent.tokenFile)]
  return [...new Set(files)].flatMap((file) => {
    const problem = ensureSecret(file, isBelow(configuration.dataFolder, file))
    return problem === null ? [] : [{ file, problem }]
  })
}

/** The first line of a secret file. Throws the system's error when it cannot be read. */
export function readSecret(file: string): string {
  return (readFileSync(file, 'utf8').split('\n')[0] ?? '').trim()
}

function ensureSecret(file: string, mayMake: boolean): string | null {
  if (!existsSync(file)) {
    if (!mayMake) return 'is missing'
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
    return null
  }
  if ((statSync(file).mode & OPEN_TO_OTHERS) !== 0) return 'can be read by others: chmod 600'
  return FIRST_LINE.test(readSecret(file)) ? null : 'has no secret of 16 characters or more on its first line'
}
