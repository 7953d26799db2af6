import t from 'tap'
import { TOKEN_PATTERN } from '../../../src/cde/vault/token.ts'
import { openCard } from '../../../src/cde/vault/sealed-card.ts'
import { TEST_PANS, testCard } from '../../fakes/test-card.ts'
import { openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'

async function storedCard(vault: TestVault, token: string): Promise<{ pan: string; expiry: string; keyId: string }> {
  const row = await vault.store.card({ merchant: 'shop', token })
  if (row === null) throw new Error('no such card')
  const { keyId, key } = await vault.keyRing.keyById(row.keyId)
  const card = openCard(row.sealed, key, { keyId, merchant: 'shop', token })
  return { pan: card?.pan.join('') ?? '', expiry: card?.expiry.join('') ?? '', keyId }
}

t.test('a card gets a token that tells its last four and its brand', async (t) => {
  const vault = await openTestVault(t.testdir())
  for (const [brand, pan] of Object.entries(TEST_PANS)) {
    const reply = await vault.tokenize(testCard({ pan }))
    t.match(reply, { type: 'tokenized', token: TOKEN_PATTERN, lastFour: pan.slice(-4), brand })
    t.equal((await storedCard(vault, tokenOf(reply))).pan, pan)
  }
  await vault.close()
})

t.test(
  'the same card under the same merchant has one token, also after a restart; another merchant has another',
  async (t) => {
    const folder = t.testdir()
    const vault = await openTestVault(folder)
    const token = tokenOf(await vault.tokenize(testCard()))
    t.equal(tokenOf(await vault.tokenize(testCard())), token)
    const other = tokenOf(await vault.tokenize(testCard(), { merchant: 'other' }))
    t.not(other, token)
    await vault.close()
    const again = await openTestVault(folder)
    t.equal(tokenOf(await again.tokenize(testCard())), token)
    t.equal(tokenOf(await again.tokenize(testCard(), { merchant: 'other' })), other)
    await again.close()
  },
)

t.test('the same card asked for many times at once has one token', async (t) => {
  const vault = await openTestVault(t.testdir())
  const replies = await Promise.all(Array.from({ length: 50 }, () => vault.tokenize(testCard())))
  t.equal(new Set(replies.map(tokenOf)).size, 1)
  await vault.close()
})

t.test('a new expiry replaces the old one, and none leaves it', async (t) => {
  const vault = await openTestVault(t.testdir(), { nowMs: () => Date.UTC(2026, 7, 1) })
  const token = tokenOf(await vault.tokenize(testCard({ expiry: '0927' })))
  await vault.tokenize(testCard({ expiry: '0231' }))
  t.match(await storedCard(vault, token), { pan: TEST_PANS.visa, expiry: '0231' })
  await vault.tokenize(testCard({ expiry: '' }))
  t.match(await storedCard(vault, token), { expiry: '0231' })
  await vault.close()
})

t.test('a repeated key gets the same answer, and a conflict when it comes with another card', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const options = { idempotencyKey: 'window-7-card' }
  const reply = await vault.tokenize(testCard(), options)
  t.same(await vault.tokenize(testCard(), options), reply)
  t.same(await vault.tokenize(testCard({ pan: TEST_PANS.jcb }), options), {
    type: 'refused',
    code: 'idempotency_conflict',
  })
  t.match(await vault.tokenize(testCard(), { ...options, merchant: 'other' }), { type: 'tokenized' })
  await vault.close()
  const again = await openTestVault(folder)
  t.same(await again.tokenize(testCard(), options), reply, 'after a restart too')
  await again.close()
})

t.test('after a rotation a known card keeps its token and moves to the new key', async (t) => {
  const vault = await openTestVault(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard()))
  const jcb = tokenOf(await vault.tokenize(testCard({ pan: TEST_PANS.jcb })))
  const before = await storedCard(vault, token)
  const keyId = await vault.keyRing.rotateSealingKey('shop')
  t.equal(tokenOf(await vault.tokenize(testCard())), token)
  t.match(await storedCard(vault, token), { pan: TEST_PANS.visa, keyId })
  t.match(await storedCard(vault, jcb), { pan: TEST_PANS.jcb, keyId: before.keyId })
  await vault.close()
})
