import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { KeyEncryptionKey } from '../../../src/cde/vault/key-encryption-key.ts'
import { fingerprintOf } from '../../../src/cde/vault/fingerprint.ts'
import { KeyRing } from '../../../src/cde/vault/key-ring.ts'
import { seal, unseal } from '../../../src/cde/vault/seal.ts'
import { digits, TEST_PANS } from '../../fakes/test-card.ts'
import { alter, openStoreIn } from './test-store.ts'

const PAN = digits(TEST_PANS.visa)

function fakeKek(key: Buffer, id = 'kek-1'): KeyEncryptionKey & { wraps: number } {
  const kek = {
    id,
    ...({ provider: 'file', isExtractable: true, isSealed: false } as const),
    wraps: 0,
    wrap: (plain: Uint8Array, context: Buffer) => {
      kek.wraps += 1
      return Promise.resolve(seal(plain, key, context))
    },
    unwrap: (wrapped: Uint8Array, context: Buffer) => Promise.resolve(unseal(wrapped, key, context)),
    close: () => undefined,
  }
  return kek
}

/** Under today's key first, then under those before it. */
async function fingerprints(ring: KeyRing, merchant: string, pan: Uint8Array): Promise<readonly Buffer[]> {
  const keys = await ring.fingerprintKeys(merchant, await ring.sealingKey(merchant))
  return keys === null ? [] : [keys.current, ...keys.former].map((key) => fingerprintOf(pan, key))
}

t.test('a merchant has one sealing key and one fingerprint key, also after a restart', async (t) => {
  const folder = t.testdir()
  const kekKey = randomBytes(32)
  const store = await openStoreIn(folder)
  const kek = fakeKek(kekKey)
  const ring = new KeyRing({ kek, store, nowMs: Date.now })
  const [one, two] = await Promise.all([ring.sealingKey('shop'), ring.sealingKey('shop')])
  t.equal(one.keyId, two.keyId)
  const [fingerprint] = await fingerprints(ring, 'shop', PAN)
  t.equal(kek.wraps, 2)
  const key = Buffer.from(one.key)
  ring.close()
  ring.close()
  t.ok(
    one.key.every((byte) => byte === 0),
    'a closed ring has wiped its keys',
  )
  await t.rejects(ring.sealingKey('shop'), { name: 'KeyFailure' })

  const again = new KeyRing({ kek: fakeKek(kekKey), store, nowMs: Date.now })
  t.same(Buffer.from((await again.sealingKey('shop')).key), key)
  t.same(await fingerprints(again, 'shop', PAN), [fingerprint])
  await store.close()
})

t.test('fingerprints differ by merchant and by card', async (t) => {
  const store = await openStoreIn(t.testdir())
  const ring = new KeyRing({ kek: fakeKek(randomBytes(32)), store, nowMs: Date.now })
  const [fingerprint] = await fingerprints(ring, 'shop', PAN)
  t.equal(fingerprint?.length, 32)
  t.notSame(await fingerprints(ring, 'other', PAN), [fingerprint])
  t.notSame(await fingerprints(ring, 'shop', digits(TEST_PANS.jcb)), [fingerprint])
  await store.close()
})

t.test('two rings on one store agree on the key that was first', async (t) => {
  const folder = t.testdir()
  const key = randomBytes(32)
  const stores = [await openStoreIn(folder), await openStoreIn(folder)]
  const rings = stores.map((store) => new KeyRing({ kek: fakeKek(key), store, nowMs: Date.now }))
  const keys = await Promise.all(rings.map((ring) => ring.sealingKey('shop')))
  t.equal(keys[0]?.keyId, keys[1]?.keyId)
  t.same(keys[0]?.key, keys[1]?.key)
  for (const store of stores) await store.close()
})

t.test('after a rotation new cards get the new key and the old key still opens', async (t) => {
  const folder = t.testdir()
  const kekKey = randomBytes(32)
  const store = await openStoreIn(folder)
  const ring = new KeyRing({ kek: fakeKek(kekKey), store, nowMs: Date.now })
  const old = await ring.sealingKey('shop')
  const [fingerprint] = await fingerprints(ring, 'shop', PAN)
  const keyId = await ring.rotateSealingKey('shop')
  t.not(keyId, old.keyId)
  t.equal((await ring.sealingKey('shop')).keyId, keyId)
  t.same((await ring.keyById(old.keyId)).key, old.key)
  t.same(await fingerprints(ring, 'shop', PAN), [fingerprint], 'the same card keeps its token')
  const oldKey = Buffer.from(old.key)
  const restarted = new KeyRing({ kek: fakeKek(kekKey), store, nowMs: Date.now })
  t.equal((await restarted.sealingKey('shop')).keyId, keyId)
  t.same(Buffer.from((await restarted.keyById(old.keyId)).key), oldKey)
  const actions = (await store.auditAfter(0, 100)).map((record) => record.action)
  t.same(actions, ['key_create', 'key_create', 'key_rotate', 'key_unwrap', 'key_unwrap'])
  await store.close()
})

t.test('a wrong key-encryption key, an unknown key, and exchanged rows open nothing', async (t) => {
  const folder = t.testdir()
  const kekKey = randomBytes(32)
  const store = await openStoreIn(folder)
  const ring = new KeyRing({ kek: fakeKek(kekKey), store, nowMs: Date.now })
  await ring.sealingKey('shop')
  await ring.sealingKey('other')
  const fresh = (kek: KeyEncryptionKey) => new KeyRing({ kek, store, nowMs: Date.now })
  await t.rejects(fresh(fakeKek(randomBytes(32))).sealingKey('shop'), { name: 'KeyFailure' })
  await t.rejects(fresh(fakeKek(kekKey, 'kek-2')).sealingKey('shop'), { name: 'KeyFailure' })
  await t.rejects(ring.keyById('key_none'), { name: 'KeyFailure' })

  await alter(
    folder,
    "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE merchant = 'other' AND purpose = 'card') WHERE merchant = 'shop'",
  )
  await t.rejects(fresh(fakeKek(kekKey)).sealingKey('shop'), { name: 'KeyFailure' })
  await store.close()
})
