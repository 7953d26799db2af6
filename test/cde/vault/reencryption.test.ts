import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { openCard } from '../../../src/cde/vault/sealed-card.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { newKey, openTestVault, tokenOf } from './open-test-vault.ts'
import { postgresOf } from './test-store.ts'

/** Five steps of the re-encryption, so that it is killed in their midst. */
const CARDS = 640

/** Lets the child move some cards, kills it with SIGKILL, and returns how many it said it had moved. */
async function killedWhileMoving(folder: string): Promise<number> {
  const database = await postgresOf(folder)
  const program = join(import.meta.dirname, 'reencrypting-child.ts')
  const given = [program, folder, ...(database === null ? [] : [JSON.stringify(database)])]
  const child = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'inherit'] })
  let moved = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    moved = Math.max(moved, ...chunk.split('\n').map(Number))
    if (moved > 0) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return moved
}

t.test('a vault that is killed while it moves cards to a new key loses none, and the next one goes on', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const card = (index: number) => ({ ...testCard(), pan: digits(numberedPan(index)) })
  const replies = await Promise.all(
    Array.from({ length: CARDS }, (_, index) => vault.tokenize(card(index), { idempotencyKey: newKey() })),
  )
  const tokens = replies.map(tokenOf)
  const { keyId: old, fingerprintKeyId } = await vault.keyRing.sealingKey('shop')
  await vault.keyRing.rotateFingerprintKey('shop')
  await vault.close()

  const moved = await killedWhileMoving(folder)
  const again = await openTestVault(folder)
  await again.keeper.reencryption.run()
  const { keyId, key } = await again.keyRing.sealingKey('shop')
  t.equal(await again.store.countCards(old), 0)
  t.equal(await again.store.countCards(keyId), CARDS)
  t.ok(moved > 0 && moved + again.keeper.reencryption.progress.moved <= CARDS, 'what was moved is not moved twice')
  for (const [index, token] of tokens.entries()) {
    const row = await again.store.card({ merchant: 'shop', token })
    const opened = row === null ? null : openCard(row.sealed, key, { keyId, merchant: 'shop', token })
    if (opened?.pan.join('') !== numberedPan(index)) t.fail('a card was lost')
  }
  const recognizing = (await again.store.keys()).filter((row) => row.keyId === fingerprintKeyId)
  await again.keyRing.shred(recognizing, [])
  for (const [index, token] of tokens.entries()) {
    if (index % 40 === 7) t.equal(tokenOf(await again.tokenize(card(index))), token, 'known by its new fingerprint')
  }
  await again.close()
})
