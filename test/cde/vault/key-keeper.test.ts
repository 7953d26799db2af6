import { randomBytes } from 'node:crypto'
import t from 'tap'
import { KekFailure, type KeyEncryptionKey } from '../../../src/cde/vault/key-encryption-key.ts'
import { openCard } from '../../../src/cde/vault/sealed-card.ts'
import { seal, unseal } from '../../../src/cde/vault/seal.ts'
import { eventually } from '../../fakes/eventually.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { newKey, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'
import { alter } from './test-store.ts'

const DAY_MS = 86_400_000
const SLOW_MS = 30_000

/** One that can go away. */
function fakeKek(id: string, key = randomBytes(32)): KeyEncryptionKey & { isAway: boolean } {
  const kek = {
    id,
    ...({ provider: 'transit', isExtractable: null, isSealed: false } as const),
    isAway: false,
    wrap: (plain: Uint8Array, context: Buffer) =>
      kek.isAway ? Promise.reject(away()) : Promise.resolve(seal(plain, key, context)),
    unwrap: (wrapped: Uint8Array, context: Buffer) =>
      kek.isAway ? Promise.reject(away()) : Promise.resolve(unseal(wrapped, key, context)),
    close: () => undefined,
  }
  return kek
}

const away = () => new KekFailure('kek_unreachable', 'no answer')

async function cardsOf(vault: TestVault, count: number): Promise<readonly string[]> {
  const replies = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      vault.tokenize({ ...testCard(), pan: digits(numberedPan(index)) }, { idempotencyKey: newKey() }),
    ),
  )
  return replies.map(tokenOf)
}

/** The number behind a token, and the key it is sealed with. */
async function read(vault: TestVault, token: string): Promise<{ readonly pan: string; readonly keyId: string }> {
  const row = await vault.store.card({ merchant: 'shop', token })
  if (row === null) throw new Error('no such card')
  const { keyId, key } = await vault.keyRing.keyById(row.keyId)
  const card = openCard(row.sealed, key, { keyId, merchant: 'shop', token })
  return { pan: card?.pan.join('') ?? '', keyId }
}

const isEmpty = async (vault: TestVault, keyId: string): Promise<boolean> => (await vault.store.countCards(keyId)) === 0

t.test('a key whose period is over is rotated, and its cards move to the new one while the vault serves', async (t) => {
  const clock = { nowMs: Date.now() }
  const vault = await openTestVault(t.testdir(), { nowMs: () => clock.nowMs, cryptoperiodDays: 30 })
  const tokens = await cardsOf(vault, 300)
  const before = await vault.keyRing.sealingKey('shop')
  await vault.keeper.look()
  t.equal((await vault.keyRing.sealingKey('shop')).keyId, before.keyId, 'not before')
  clock.nowMs += 30 * DAY_MS
  t.match(
    (await vault.keeper.inventory())
      .filter(({ isOverdue }) => isOverdue)
      .map(({ merchant }) => merchant)
      .toSorted(),
    ['other', 'shop'],
  )
  await vault.keeper.look()
  const after = await vault.keyRing.sealingKey('shop')
  t.not(after.keyId, before.keyId)
  await eventually(() => isEmpty(vault, before.keyId), SLOW_MS)
  await vault.keeper.reencryption.run()
  for (const at of [0, 137, 299]) {
    t.same(await read(vault, tokens[at] ?? ''), { pan: numberedPan(at), keyId: after.keyId })
  }
  t.match(vault.keeper.reencryption.progress, { state: 'idle', moved: 300, broken: 0 })
  const acts = (await vault.store.auditAfter(0, 1_000)).filter(({ action }) => action === 'key_reencrypt')
  t.same(
    acts.map(({ resource }) => resource),
    [`${before.keyId} begun`, `${before.keyId} moved 300`],
  )
  t.match(await vault.metrics.registry.metrics(), /tonewall_vault_keys\{state="retired",role="vault"\} 2/)
  await vault.close()
})

t.test('what is left to move is found after a restart, and a card that was changed stays as it is', async (t) => {
  const folder = t.testdir()
  const kek = fakeKek('kek')
  const vault = await openTestVault(folder, { kek })
  const tokens = await cardsOf(vault, 5)
  const before = await vault.keyRing.sealingKey('shop')
  await vault.keyRing.rotateSealingKey('shop')
  await vault.close()
  await alter(
    folder,
    `UPDATE cards SET sealed = (SELECT sealed FROM cards WHERE token = '${tokens[1] ?? ''}')
    WHERE token = '${tokens[0] ?? ''}'`,
  )
  const again = await openTestVault(folder, { kek })
  await eventually(async () => (await again.store.countCards(before.keyId)) === 1, SLOW_MS)
  await again.keeper.reencryption.run()
  t.ok(again.keeper.reencryption.progress.broken > 0)
  t.match(again.lines.join(''), /a card does not open with its key/)
  t.equal((await read(again, tokens[1] ?? '')).pan, numberedPan(1))
  t.equal((await again.store.card({ merchant: 'shop', token: tokens[0] ?? '' }))?.keyId, before.keyId)
  await again.close()
})

t.test('a rotation and a shredding by one vault are noticed by another on the same database', async (t) => {
  const folder = t.testdir()
  const kek = fakeKek('kek')
  const [one, two] = [await openTestVault(folder, { kek }), await openTestVault(folder, { kek })]
  const token = (await cardsOf(two, 1))[0] ?? ''
  await one.keyRing.rotateSealingKey('shop')
  const rotated = (await one.keyRing.sealingKey('shop')).keyId
  const other = tokenOf(await two.tokenize({ ...testCard(), pan: digits(numberedPan(9)) }))
  t.equal((await read(two, other)).keyId, rotated, 'at once, in the transaction of the card')
  await one.keeper.reencryption.run()

  const rows = (await one.store.keys()).filter(({ keyId }) => keyId === rotated)
  const { key } = await two.keyRing.keyById(rotated)
  await one.keyRing.shred(rows, [])
  t.equal((await two.store.card({ merchant: 'shop', token }))?.isShredded, true)
  await two.keeper.look()
  t.ok(
    key.every((byte) => byte === 0),
    'and forgotten in its memory',
  )
  await t.rejects(two.keyRing.keyById(rotated), { name: 'KeyFailure', code: 'shredded' })
  const again = tokenOf(await two.tokenize({ ...testCard(), pan: digits(numberedPan(0)) }))
  t.equal(again, token, 'the same card, taken again, keeps its token')
  t.equal((await read(one, token)).pan, numberedPan(0))
  await one.close()
  await two.close()
})

t.test('an HSM or KMS that goes away is said, and the vault serves on; without it no vault starts', async (t) => {
  const folder = t.testdir()
  const kek = fakeKek('kek')
  const vault = await openTestVault(folder, { kek })
  await cardsOf(vault, 1)
  kek.isAway = true
  t.equal(await vault.keeper.probe(), false)
  t.match(await vault.metrics.registry.metrics(), 'tonewall_vault_kek_reachable{role="vault"} 0')
  t.match(vault.lines.join(''), /"state":"no answer".*serves on with the keys that are open/)
  t.match(await vault.tokenize(testCard()), { type: 'tokenized' })
  await t.rejects(vault.keyRing.rotateSealingKey('shop'), { code: 'unavailable' })
  await t.rejects(openTestVault(folder, { kek }), { name: 'KeyFailure', code: 'unavailable' })
  kek.isAway = false
  t.equal(await vault.keeper.probe(), true)
  t.match(await vault.metrics.registry.metrics(), 'tonewall_vault_kek_reachable{role="vault"} 1')
  await vault.close()
})

t.test('a new key-encryption key takes over from a former one at the start', async (t) => {
  const folder = t.testdir()
  const [former, kek] = [fakeKek('former'), fakeKek('kek')]
  const vault = await openTestVault(folder, { kek: former })
  const token = (await cardsOf(vault, 1))[0] ?? ''
  await vault.close()
  await t.rejects(openTestVault(folder, { kek }), { code: 'wrong_key' }, 'it opens nothing of another key')
  const both = await openTestVault(folder, { kek, formerKeks: [former] })
  t.equal((await read(both, token)).pan, numberedPan(0))
  await both.close()
  const alone = await openTestVault(folder, { kek })
  t.equal((await read(alone, token)).pan, numberedPan(0))
  t.equal(await alone.keyRing.renew(), 4)
  const actions = (await alone.store.auditAfter(0, 1_000)).map(({ action }) => action)
  t.equal(actions.filter((action) => action === 'key_rewrap').length, 8)
  await alone.close()
})
