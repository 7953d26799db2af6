import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { KeyRecord } from '../../../src/cde/vault/store.ts'
import { FINGERPRINT_PERIOD_DAYS } from '../../../src/cde/vault/key-inventory.ts'
import { prepareDatabase } from '../../../src/cde/vault/store-administration.ts'
import { eventually } from '../../fakes/eventually.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { newKey, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'
import { alter, postgresOf } from './test-store.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SLOW_MS = 60_000

/** The token that a vault gives to a numbered card. */
async function ask(vault: TestVault, index: number, idempotencyKey = newKey()): Promise<string> {
  return tokenOf(await vault.tokenize({ ...testCard(), pan: digits(numberedPan(index)) }, { idempotencyKey }))
}

async function keysOf(vault: TestVault, purpose: KeyRecord['purpose'] = 'fingerprint'): Promise<readonly KeyRecord[]> {
  return (await vault.store.keys()).filter((row) => row.purpose === purpose && row.merchant === 'shop')
}

const statesOf = async (vault: TestVault) => (await keysOf(vault)).map(({ state }) => state).toSorted()

t.test('its period over, a key of fingerprints is rotated, and destroyed when nothing needs it', async (t) => {
  const folder = t.testdir()
  const clock = { nowMs: Date.now() }
  const vault = await openTestVault(folder, { nowMs: () => clock.nowMs, cryptoperiodDays: 10_000 })
  clock.nowMs += FINGERPRINT_PERIOD_DAYS * DAY_MS - HOUR_MS
  const tokens = [await ask(vault, 0, 'request-0000'), await ask(vault, 1, 'request-0001')]
  await vault.keeper.look()
  t.same(await statesOf(vault), ['active'], 'not before')
  clock.nowMs += HOUR_MS
  const [before] = await keysOf(vault)
  const old = await vault.keyRing.sealingKey('shop')
  await vault.keeper.look()
  t.same(await statesOf(vault), ['active', 'retired'])
  t.match(await keysOf(vault, 'card'), [{ state: 'retired' }, { state: 'active' }], 'with the key that names it')
  t.equal(await ask(vault, 0), tokens[0])
  t.equal(await ask(vault, 0, 'request-0000'), tokens[0], 'the same request has the same answer')
  await vault.keeper.reencryption.run()
  t.equal(await vault.store.countCards(old.keyId), 0)
  t.equal(await ask(vault, 1), tokens[1])
  t.equal(await ask(vault, 1, 'request-0001'), tokens[1], 'also when its card has moved')
  t.match(await vault.tokenize(testCard(), { idempotencyKey: 'request-0001' }), { code: 'idempotency_conflict' })
  await vault.keeper.goOn()
  t.same(await statesOf(vault), ['active', 'retired'], 'answers are kept for a day')

  clock.nowMs += 2 * HOUR_MS
  await vault.keeper.goOn()
  t.same(await statesOf(vault), ['active', 'retired'])
  clock.nowMs += DAY_MS
  await vault.store.forgetRequests({ createdBeforeMs: clock.nowMs - DAY_MS, limit: 1_000 })
  const { key } = await vault.keyRing.keyById(before?.keyId ?? '')
  await vault.keeper.goOn()
  t.same(await statesOf(vault), ['active', 'shredded'])
  t.equal((await vault.store.keyById(before?.keyId ?? ''))?.wrapped.length, 0)
  t.ok(
    key.every((byte) => byte === 0),
    'nor is it in memory',
  )
  t.equal(await ask(vault, 0), tokens[0])
  const acts = (await vault.store.auditAfter(0, 1_000)).filter(({ resource }) => resource === before?.keyId)
  t.same(
    acts.map(({ role, action, outcome }) => [role, action, outcome].join(' ')),
    ['vault key_create done', 'vault key_shred done'],
  )
  t.match(
    (await vault.keeper.inventory()).filter(
      ({ merchant, purpose }) => merchant === 'shop' && purpose === 'fingerprint',
    ),
    [
      { state: 'shredded', cards: 0, isOverdue: false },
      { state: 'active', cards: 2, isOverdue: false },
    ],
  )
  await vault.close()
})

t.test('a card that cannot be opened keeps its key of fingerprints; one that was shredded does not', async (t) => {
  const folder = t.testdir()
  const clock = { nowMs: Date.now() }
  const vault = await openTestVault(folder, { nowMs: () => clock.nowMs })
  const [broken, good] = [await ask(vault, 0), await ask(vault, 1)]
  const { keyId } = await vault.keyRing.sealingKey('shop')
  await alter(
    folder,
    `UPDATE cards SET sealed = (SELECT sealed FROM cards WHERE token = '${good}') WHERE token = '${broken}'`,
  )
  await vault.keyRing.rotateFingerprintKey('shop')
  clock.nowMs += 2 * DAY_MS
  await vault.store.forgetRequests({ createdBeforeMs: clock.nowMs, limit: 1_000 })
  await vault.keeper.reencryption.run()
  t.same(await statesOf(vault), ['active', 'retired'])
  t.notOk(vault.keeper.reencryption.isDue(await vault.store.keys()), 'and it is not tried again and again')
  t.match(
    (await vault.keeper.inventory()).find((key) => key.purpose === 'fingerprint' && key.state === 'retired'),
    {
      cards: 1,
    },
  )
  t.equal(await ask(vault, 1), good)
  await vault.keyRing.shred(
    (await vault.store.keys()).filter((row) => row.keyId === keyId),
    [],
  )
  await vault.store.forgetRequests({ createdBeforeMs: clock.nowMs + 1, limit: 1_000 })
  await vault.keeper.reencryption.run()
  t.same(await statesOf(vault), ['active', 'shredded'])
  t.not(await ask(vault, 0), broken)
  await vault.close()
})

t.test('what one vault does to keys of fingerprints, another knows in the transaction of the next card', async (t) => {
  const folder = t.testdir()
  const [one, two] = [await openTestVault(folder), await openTestVault(folder)]
  const token = await ask(two, 0, 'request-0000')
  const [old] = await keysOf(one)
  const { key } = await two.keyRing.keyById(old?.keyId ?? '')
  await one.keyRing.rotateFingerprintKey('shop')
  t.equal(await ask(two, 0, 'request-0000'), token)
  t.equal(await ask(two, 0), token)
  const [fresh, again] = await Promise.all([ask(one, 1), ask(two, 1)])
  t.equal(fresh, again)
  const raced = await Promise.all([one, two].map((vault) => vault.keyRing.rotateFingerprintKey('shop')))
  t.equal(raced.length, 2)
  for (const vault of [one, two]) t.equal(await ask(vault, 0), token, 'three keys, one token')
  await one.keeper.reencryption.run()
  const retired = (await keysOf(one)).filter(({ state }) => state === 'retired')
  await one.keyRing.shred(retired, [])
  await two.keeper.look()
  t.ok(
    key.every((byte) => byte === 0),
    'and it is forgotten in the other’s memory',
  )
  t.same([await ask(one, 0), await ask(two, 0)], [token, token])
  await one.close()
  await two.close()
})

/** A second vault on the folder's database, in a process of its own where the database can be shared. It takes the same cards from 0 on. */
async function otherVault(folder: string): Promise<{ tokens(): ReadonlyMap<number, string>; end(): Promise<void> }> {
  const tokens = new Map<number, string>()
  const database = await postgresOf(folder)
  if (database === null) {
    const vault = await openTestVault(folder)
    const asks = { isOver: false }
    const asking = (async () => {
      for (let index = 0; !asks.isOver; index += 1) tokens.set(index, await ask(vault, index, `request-${index}`))
    })()
    const end = async () => {
      asks.isOver = true
      await asking
      await vault.close()
    }
    return { tokens: () => tokens, end }
  }
  const given = [join(import.meta.dirname, 'tokenizing-child.ts'), folder, '0', JSON.stringify(database)]
  const child = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) tokens.set(Number(line.split(' ')[0]), line.split(' ')[1] ?? '')
  })
  const end = async () => {
    child.kill('SIGKILL')
    await closed
  }
  return { tokens: () => tokens, end }
}

t.test('two vaults that take the same cards while keys change give each card one token', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const other = await otherVault(folder)
  const mine = new Map<number, string>()
  let rotations = 0
  try {
    await eventually(() => other.tokens().size > 0, SLOW_MS)
    while (rotations < 4) {
      // Those that the other is at, and those that it has not come to.
      const from = other.tokens().size
      const asked = Array.from({ length: 24 }, (_, at) => from + at)
      const rotating = vault.keyRing.rotateFingerprintKey('shop')
      void vault.keeper.reencryption.run()
      const taken = await Promise.all(asked.map(async (index) => [index, await ask(vault, index)] as const))
      for (const [index, token] of taken) mine.set(index, token)
      await rotating
      rotations += 1
      await eventually(() => other.tokens().size >= from + 24, SLOW_MS)
    }
  } finally {
    await other.end()
  }
  await vault.keeper.reencryption.run()
  const both = [...mine].filter(([index]) => other.tokens().has(index))
  t.ok(both.length >= 48)
  for (const [index, token] of both) if (other.tokens().get(index) !== token) t.fail('a card has two tokens')
  for (const [index, token] of [...other.tokens()].slice(0, 40)) {
    if ((await ask(vault, index, `request-${index}`)) !== token) t.fail('a request has another answer')
  }
  await vault.close()
})

t.test('cards of the former schema belong to the merchant’s only key of fingerprints', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const tokens = [await ask(vault, 0, 'request-0000'), await ask(vault, 1)]
  const [only] = await keysOf(vault)
  await vault.close()
  await alter(folder, 'ALTER TABLE keys DROP COLUMN fingerprint_key_id; DELETE FROM migrations WHERE version >= 5')
  const database = await postgresOf(folder)
  if (database !== null) {
    await t.rejects(openTestVault(folder), { code: 'NOT_MIGRATED' })
    t.match(await prepareDatabase({ owner: { ...database, user: 'vault_owner' }, role: 'vault', nowMs: Date.now }), [
      { version: 5 },
    ])
  }
  const again = await openTestVault(folder)
  t.match(await keysOf(again, 'card'), [{ state: 'active', fingerprintKeyId: only?.keyId }])
  await again.keyRing.rotateFingerprintKey('shop')
  t.equal(await ask(again, 0, 'request-0000'), tokens[0])
  await again.keeper.reencryption.run()
  t.same([await ask(again, 0), await ask(again, 1)], tokens)
  await again.close()

  // As a vault of the former release makes one that still runs on a database of this one.
  await alter(folder, "UPDATE keys SET fingerprint_key_id = '' WHERE purpose = 'card'")
  const last = await openTestVault(folder)
  t.same([await ask(last, 0), await ask(last, 1)], tokens)
  const active = (await keysOf(last, 'card')).find(({ state }) => state === 'active')
  t.equal(active?.fingerprintKeyId, (await keysOf(last)).find(({ state }) => state === 'active')?.keyId)
  await last.close()
})
