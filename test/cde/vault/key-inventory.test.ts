import t from 'tap'
import { FINGERPRINT_PERIOD_DAYS, keyInventory } from '../../../src/cde/vault/key-inventory.ts'
import type { KeyRecord } from '../../../src/cde/vault/store.ts'

const DAY_MS = 86_400_000
const KEK = { id: 'kek', provider: 'pkcs11', isExtractable: false, isSealed: false } as const

function row(change: Partial<KeyRecord>): KeyRecord {
  const times = { createdAtMs: 0, retiredAtMs: 0, shreddedAtMs: 0 }
  const names = { keyId: 'key_a', merchant: 'shop', purpose: 'card', fingerprintKeyId: '', kekId: 'kek' } as const
  return { ...names, wrapped: Buffer.alloc(61), state: 'active', ...times, ...change }
}

t.test('each key has its line: where it lies, how long it serves, what it seals', (t) => {
  const rows = [
    row({ keyId: 'key_old', state: 'retired', retiredAtMs: 90 * DAY_MS, kekId: 'former' }),
    row({ keyId: 'key_new', createdAtMs: 90 * DAY_MS, fingerprintKeyId: 'key_f' }),
    row({ keyId: 'key_gone', state: 'shredded', retiredAtMs: 5, shreddedAtMs: 6, fingerprintKeyId: 'key_f' }),
    row({ keyId: 'key_f', purpose: 'fingerprint' }),
  ]
  const cards = new Map([
    ['key_old', 7],
    ['key_new', 3],
    ['key_gone', 9],
  ])
  const keys = keyInventory(rows, { kek: KEK, cryptoperiodDays: 90, cards, nowMs: 91 * DAY_MS })
  t.match(keys, [
    { keyId: 'kek', purpose: 'key-encryption', provider: 'pkcs11', isExtractable: false, cards: null },
    { keyId: 'key_old', provider: 'unknown', cards: 7, isOverdue: true, algorithm: 'AES-256-GCM' },
    { keyId: 'key_new', provider: 'pkcs11', cards: 3, isOverdue: false, periodEndsAtMs: 180 * DAY_MS },
    { keyId: 'key_gone', state: 'shredded', cards: 9, isOverdue: false, shreddedAtMs: 6 },
    { keyId: 'key_f', algorithm: 'HMAC-SHA-256', cards: 3, periodEndsAtMs: FINGERPRINT_PERIOD_DAYS * DAY_MS },
  ])
  t.notOk(JSON.stringify(keys).includes('wrapped'))
  t.end()
})

t.test('a retired key that seals nothing is not overdue; an active one is from its last day on', (t) => {
  const overdue = (record: KeyRecord, nowMs: number, cards = 0): boolean | undefined =>
    keyInventory([record], { kek: KEK, cryptoperiodDays: 1, cards: new Map([[record.keyId, cards]]), nowMs })[1]
      ?.isOverdue
  t.equal(overdue(row({ state: 'retired' }), 2 * DAY_MS), false)
  t.equal(overdue(row({ state: 'retired' }), 2 * DAY_MS, 1), true)
  t.equal(overdue(row({}), DAY_MS - 1), false)
  t.equal(overdue(row({}), DAY_MS), true)
  t.end()
})
