import { mkdirSync, rmdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { readIdentity, type Identity, type Role } from '../../src/kit/identity.ts'

const LOCK_EVERY_MS = 50
const LOCK_TRIES_MAX = 600

/** Real certificates of one development authority, made once for all test files of this user, since keys take seconds. */
export async function testIdentity(role: Role): Promise<Identity> {
  const folder = join(tmpdir(), `tonewall-test-certs-${userInfo().uid}`)
  const lock = `${folder}.lock`
  await take(lock)
  try {
    makeDevelopmentAuthority(folder)
  } finally {
    rmdirSync(lock)
  }
  return readIdentity({ folder, role })
}

/** A folder is made by one process only. One that was left behind by a killed test run is taken over. */
async function take(lock: string): Promise<void> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries += 1) {
    try {
      mkdirSync(lock)
      return
    } catch {
      await delay(LOCK_EVERY_MS)
    }
  }
  mkdirSync(lock, { recursive: true })
}
