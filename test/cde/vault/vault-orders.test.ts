import { randomBytes } from 'node:crypto'
import t from 'tap'
import { writeShare } from '../../../src/cde/vault/custodian-share.ts'
import { makeCustody } from '../../../src/cde/vault/custody.ts'
import {
  parseVaultOrder,
  parseVaultOrderReply,
  type VaultOrder,
  type VaultOrderReply,
} from '../../../src/cde/vault-operator-protocol.ts'
import type { ReportRequest } from '../../../src/cde/vault-protocol.ts'
import type { AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import { eventually } from '../../fakes/eventually.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { GUARD, newKey, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'
import { openStoreIn } from './test-store.ts'

const OPERATOR = { role: 'operator', origin: 'operator.test' } as const
const SLOW_MS = 30_000
const ENTRY: AuditEntry = {
  role: 'operator',
  action: 'custodians_create',
  outcome: 'done',
  origin: 'local',
  merchant: '',
  resource: '',
  windowId: '',
}

type Order = VaultOrder extends infer One ? (One extends VaultOrder ? Omit<One, 'type'> : never) : never

function ask(vault: TestVault, order: Order, body: Buffer = Buffer.alloc(0)): Promise<VaultOrderReply> {
  return vault.orders.handle({ type: 'operator', ...order }, body, OPERATOR)
}

async function actsOf(vault: TestVault): Promise<readonly string[]> {
  const records = await vault.store.auditAfter(0, 1_000)
  return records
    .filter(({ role }) => role === 'operator')
    .map(({ action, outcome, merchant }) => [action, outcome, merchant].join(' ').trim())
}

t.test('keys are listed, rotated and shredded by order, the last one in two steps', async (t) => {
  const vault = await openTestVault(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard()))
  t.match(await ask(vault, { order: 'keys' }), {
    kind: 'keys',
    keys: [
      { purpose: 'key-encryption', provider: 'file', isExtractable: true },
      { merchant: 'shop', cards: 1 },
      {},
      {},
      {},
    ],
  })
  t.match(await ask(vault, { order: 'rotate', merchant: 'nobody', purpose: 'card' }), {
    kind: 'refused',
    code: 'unknown_merchant',
  })
  const old = (await vault.keyRing.sealingKey('shop')).keyId
  t.match(await ask(vault, { order: 'rotate', merchant: 'shop', purpose: 'card' }), { kind: 'keys' })
  await eventually(async () => (await vault.store.countCards(old)) === 0, SLOW_MS)
  t.match(await ask(vault, { order: 'reencrypt' }), { kind: 'keys' })
  t.match(await ask(vault, { order: 'rewrap' }), { kind: 'done', count: 5 })

  const shred = { order: 'shred', merchant: 'shop', keyId: null, confirmation: null } as const
  t.match(await ask(vault, { ...shred, merchant: 'nobody' }), { code: 'unknown_merchant' })
  t.match(await ask(vault, { ...shred, keyId: 'key_aaaaaaaaaaaaaaaa' }), { code: 'unknown_key' })
  t.match(await ask(vault, { ...shred, confirmation: 'abcdefgh' }), { code: 'confirmation_wrong' }, 'not in one step')
  const asked = await ask(vault, shred)
  t.match(asked, { kind: 'confirm', keys: 3, cards: 1 })
  if (asked.kind !== 'confirm') throw new Error('it must ask')
  const { confirmation } = asked
  t.match(
    await ask(vault, { ...shred, keyId: old, confirmation }),
    { code: 'confirmation_wrong' },
    'not for other keys',
  )
  t.match(await ask(vault, { ...shred, confirmation }), { code: 'confirmation_wrong' }, 'and then not at all')
  const second = await ask(vault, shred)
  if (second.kind !== 'confirm') throw new Error('it must ask')
  t.match(await ask(vault, { ...shred, confirmation: second.confirmation }), { kind: 'done', count: 3 })
  t.match(await ask(vault, shred), { code: 'nothing_to_shred' })

  t.match(await vault.store.card({ merchant: 'shop', token }), { isShredded: true })
  const next = tokenOf(await vault.tokenize(testCard()))
  t.not(next, token, 'its fingerprint key is gone, so that nobody knows the card any more')
  t.same((await actsOf(vault)).slice(0, 3), [
    'key_list done',
    'key_rotate unknown_merchant nobody',
    'key_rotate done shop',
  ])
  t.equal((await actsOf(vault)).filter((act) => act === 'key_shred done shop').length, 3)
  await vault.close()
})

t.test('a key of fingerprints is rotated by order, and goes with the others of its merchant', async (t) => {
  const vault = await openTestVault(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard()))
  const { keyId } = await vault.keyRing.sealingKey('shop')
  const rotate = { order: 'rotate', merchant: 'shop', purpose: 'fingerprint' } as const
  t.match(await ask(vault, { ...rotate, merchant: 'nobody' }), { kind: 'refused', code: 'unknown_merchant' })
  t.match(await ask(vault, rotate), { kind: 'keys' })
  t.match(await actsOf(vault), ['key_rotate unknown_merchant nobody', 'key_rotate done shop'])
  await eventually(async () => (await vault.store.countCards(keyId)) === 0, SLOW_MS)
  t.equal(tokenOf(await vault.tokenize(testCard())), token)
  const shred = { order: 'shred', merchant: 'shop', keyId: null, confirmation: null } as const
  const asked = await ask(vault, shred)
  if (asked.kind !== 'confirm') throw new Error('it must ask')
  t.match(asked, { keys: 4, cards: 1 })
  t.match(await ask(vault, { ...shred, confirmation: asked.confirmation }), { kind: 'done', count: 4 })
  t.not(tokenOf(await vault.tokenize(testCard())), token, 'no key is left that knows the card')
  t.match(await vault.store.card({ merchant: 'shop', token }), { isShredded: true })
  await vault.close()
})

t.test('one period is shredded: its cards are lost, the others are not', async (t) => {
  const vault = await openTestVault(t.testdir())
  const first = tokenOf(await vault.tokenize({ ...testCard(), pan: digits(numberedPan(1)) }))
  const { keyId } = await vault.keyRing.sealingKey('shop')
  const shred = { order: 'shred', merchant: 'shop', keyId, confirmation: null } as const
  const asked = await ask(vault, shred)
  if (asked.kind !== 'confirm') throw new Error('it must ask')
  t.match(asked, { keys: 1, cards: 1 })
  await ask(vault, { ...shred, confirmation: asked.confirmation })
  const second = tokenOf(await vault.tokenize({ ...testCard(), pan: digits(numberedPan(2)) }))
  t.match(await vault.store.card({ merchant: 'shop', token: first }), { isShredded: true })
  t.match(await vault.store.card({ merchant: 'shop', token: second }), { isShredded: false })
  const fingerprint = (await vault.store.keys()).find((row) => row.purpose === 'fingerprint' && row.merchant === 'shop')
  const alone = await ask(vault, { ...shred, keyId: fingerprint?.keyId ?? '' })
  t.match(alone, { code: 'unknown_key' }, 'a fingerprint key is not shredded alone')
  await vault.close()
})

t.test('a vault of custodians is sealed until enough of them have given their shares', async (t) => {
  const folder = t.testdir()
  await t.rejects(openTestVault(folder, { kek: 'custodians' }), { code: 'kek_missing' })
  const { rows, shares } = await makeCustody({ shares: 3, threshold: 2, nowMs: Date.now() })
  const store = await openStoreIn(folder)
  await store.addCustodians(rows, ENTRY)
  await store.close()
  const texts = shares.map((share) => writeShare(share))
  const give = (vault: TestVault, at: number) => ask(vault, { order: 'unseal' }, Buffer.from(texts[at] ?? ''))

  const vault = await openTestVault(folder, { kek: 'custodians' })
  t.match(vault.lines.join(''), /the vault is sealed/)
  t.same(await vault.tokenize(testCard()), { type: 'refused', code: 'sealed' })
  const window: ReportRequest = {
    type: 'report',
    event: 'window_opened',
    cause: 'capture',
    merchant: 'shop',
    windowId: 'w1',
    instance: 'guard-1',
    occurredMs: Date.now(),
  }
  t.same(await vault.service.handle(window, Buffer.alloc(0), GUARD), { type: 'refused', code: 'sealed' })
  const closed: ReportRequest = { ...window, event: 'window_closed' }
  t.same(
    await vault.service.handle(closed, Buffer.alloc(0), GUARD),
    { type: 'recorded' },
    'what is no capture is recorded',
  )
  t.match(await ask(vault, { order: 'rotate', merchant: 'shop', purpose: 'card' }), { kind: 'refused', code: 'sealed' })
  t.match(await ask(vault, { order: 'seal_state' }), { isSealed: true, given: 0, threshold: 2 })
  t.match(await ask(vault, { order: 'unseal' }, randomBytes(20)), { code: 'share_wrong' })
  t.match(await ask(vault, { order: 'unseal' }, writeShare(randomBytes(33))), { code: 'share_wrong' })
  t.match(await give(vault, 2), { isSealed: true, given: 1 })
  t.match(await give(vault, 2), { code: 'share_repeated' })
  t.match(await give(vault, 0), { kind: 'seal_state', isSealed: false })
  t.match(await give(vault, 1), { code: 'not_sealed' })
  const token = tokenOf(await vault.tokenize(testCard(), { idempotencyKey: newKey() }))
  t.same(
    await actsOf(vault),
    [
      'custodians_create done',
      ...['share_wrong', 'share_wrong', 'done', 'share_repeated', 'done'].map(
        (outcome) => `custodian_share ${outcome}`,
      ),
      'vault_unseal done',
      'custodian_share not_sealed',
    ].filter((act) => act !== 'key_rotate sealed shop'),
  )
  for (const text of texts) t.notOk(vault.lines.join('').includes(text.toString()))
  await vault.close()

  const again = await openTestVault(folder, { kek: 'custodians' })
  await give(again, 1)
  await give(again, 0)
  t.equal(tokenOf(await again.tokenize(testCard())), token)
  await again.close()
})

t.test('custodians take over from a file, and new custodians from old ones, when both have opened', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const token = tokenOf(await vault.tokenize(testCard()))
  const former = vault.keyRing.kek
  const hold = { ...former, wrap: former.wrap.bind(former), unwrap: former.unwrap.bind(former), close: () => undefined }
  const made = [
    await makeCustody({ shares: 2, threshold: 2, nowMs: 1 }),
    await makeCustody({ shares: 3, threshold: 2, nowMs: 2 }),
  ]
  const give = (of: TestVault, custody: number, at: number) =>
    ask(of, { order: 'unseal' }, writeShare(made[custody]?.shares[at] ?? Buffer.alloc(0)))
  await vault.store.addCustodians(made[0]?.rows ?? [], ENTRY)
  const taken = await openTestVault(folder, { kek: 'custodians', formerKeks: [hold] })
  await give(taken, 0, 0)
  t.match(await give(taken, 0, 1), { isSealed: false })
  t.equal(tokenOf(await taken.tokenize(testCard())), token)
  await taken.store.addCustodians(made[1]?.rows ?? [], ENTRY)
  await taken.close()
  await vault.close()

  const changed = await openTestVault(folder, { kek: 'custodians' })
  t.match(await ask(changed, { order: 'seal_state' }), { isSealed: true, threshold: 4 }, 'of both keys')
  await give(changed, 0, 0)
  await give(changed, 1, 0)
  t.match(await give(changed, 1, 2), { isSealed: true })
  t.match(await give(changed, 0, 1), { isSealed: false })
  t.equal(tokenOf(await changed.tokenize(testCard())), token)
  await changed.close()
  const last = await openTestVault(folder, { kek: 'custodians' })
  t.match(
    await ask(last, { order: 'seal_state' }),
    { isSealed: true, threshold: 2 },
    'the old ones are not needed any more',
  )
  await last.close()
})

t.test('orders are taken as they are written down, and no others', async (t) => {
  t.same(parseVaultOrder({ type: 'operator', order: 'keys' }), { type: 'operator', order: 'keys' })
  const shred = { type: 'operator', order: 'shred', merchant: 'shop', keyId: null, confirmation: null }
  t.same(parseVaultOrder(shred), shred)
  for (const bad of [
    ...[null, 'keys', {}, { type: 'operator' }, { type: 'operator', order: 'open' }, { order: 'keys' }],
    ...[
      { type: 'operator', order: 'keys', more: 1 },
      { type: 'operator', order: 'rotate' },
      { type: 'operator', order: 'rotate', merchant: 'shop' },
      { type: 'operator', order: 'rotate', merchant: 'shop', purpose: 'key-encryption' },
    ],
    ...[
      { type: 'operator', order: 'rotate', merchant: "'; DROP TABLE keys", purpose: 'card' },
      { ...shred, keyId: 'x' },
    ],
    ...[
      { ...shred, confirmation: 'ABCDEFGH' },
      { ...shred, extra: 1 },
    ],
  ]) {
    t.equal(parseVaultOrder(bad), null)
  }
  t.equal(parseVaultOrderReply({ type: 'operator', kind: 'x' }), null)
  t.equal(parseVaultOrderReply(null), null)
  t.match(parseVaultOrderReply({ type: 'operator', kind: 'done', count: 1 }), { count: 1 })
  const vault = await openTestVault(t.testdir())
  t.match(await vault.orders.handle(null, Buffer.alloc(3), OPERATOR), { code: 'malformed' })
  t.match(await ask(vault, { order: 'keys' }, Buffer.alloc(3)), { code: 'malformed' })
  await vault.close()
})
