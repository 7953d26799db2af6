import t from 'tap'
import { parseVaultMessage, parseVaultReply, parseVaultRequest } from '../../src/cde/vault-protocol.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const TOKEN = 'tok_abcdefghijklmnopqrst1_1111'
const TOKENIZE = { type: 'tokenize', merchant: 'shop', windowId: 'w-1', idempotencyKey: 'abcdefgh' }
const REPORT = {
  type: 'report',
  event: 'masking_failed',
  cause: 'repeated',
  merchant: 'shop',
  windowId: 'abcdefghijklmnop',
  instance: 'guard-1',
  occurredMs: 1_800_000_000_000,
}
const AUTHORIZE = { ...TOKENIZE, type: 'authorize', token: TOKEN, amountMinor: 1250, currency: 'EUR' }

t.test('requests and replies are read as they are', (t) => {
  t.same(parseVaultRequest(TOKENIZE), TOKENIZE)
  t.same(parseVaultRequest(AUTHORIZE), AUTHORIZE)
  t.same(parseVaultRequest(REPORT), REPORT)
  const replies = [
    { type: 'tokenized', token: TOKEN, lastFour: '1111', brand: 'visa' },
    { type: 'approved', approvalCode: 'A1B2C3' },
    { type: 'declined', declineCode: '05' },
    { type: 'recorded' },
    { type: 'refused', code: 'no_connector' },
  ]
  for (const reply of replies) t.same(parseVaultReply(reply), reply)
  t.end()
})

t.test('a request that is not exactly one is refused', (t) => {
  const bad: unknown[] = [
    null,
    undefined,
    7,
    'tokenize',
    [],
    {},
    { ...TOKENIZE, type: 'detokenize' },
    { ...TOKENIZE, type: undefined },
    { ...TOKENIZE, pan: '4111111111111111' },
    { ...TOKENIZE, merchant: 'Shop' },
    { ...TOKENIZE, merchant: "shop'; DROP TABLE cards" },
    { ...TOKENIZE, merchant: 's'.repeat(64) },
    { ...TOKENIZE, windowId: '' },
    { ...TOKENIZE, windowId: 'a b' },
    { ...TOKENIZE, idempotencyKey: 'short' },
    { ...TOKENIZE, idempotencyKey: 'x'.repeat(65) },
    { ...TOKENIZE, idempotencyKey: 'abcdefgh\n' },
    { ...AUTHORIZE, token: '4111111111111111' },
    { ...AUTHORIZE, amountMinor: 0 },
    { ...AUTHORIZE, amountMinor: 1.5 },
    { ...AUTHORIZE, amountMinor: 1e12 },
    { ...AUTHORIZE, amountMinor: '1250' },
    { ...AUTHORIZE, currency: 'eur' },
    { ...AUTHORIZE, cardCode: '123' },
    { ...REPORT, event: 'anything' },
    { ...REPORT, cause: '4111111111111111' },
    { ...REPORT, instance: '4111111111111111' },
    { ...REPORT, instance: 'guard-1 192.0.2.1' },
    { ...REPORT, instance: 'guard-1 192.0.2.1 x0' },
    { ...REPORT, occurredMs: 1 },
    { ...REPORT, occurredMs: '1800000000000' },
    { ...REPORT, note: 'more' },
  ]
  for (const value of bad) t.equal(parseVaultRequest(value), null)
  t.end()
})

t.test('a rinse is a message and no request', (t) => {
  t.same(parseVaultMessage({ type: 'rinse' }), { type: 'rinse' })
  t.equal(parseVaultRequest({ type: 'rinse' }), null)
  t.equal(parseVaultMessage({ type: 'rinse', merchant: 'shop' }), null)
  t.same(parseVaultMessage(TOKENIZE), TOKENIZE)
  t.end()
})

t.test('a reply that is not exactly one is refused', (t) => {
  const bad: unknown[] = [
    null,
    { type: 'tokenized', token: TOKEN, lastFour: '2222', brand: 'visa' },
    { type: 'tokenized', token: TOKEN, lastFour: '1111', brand: 'gold' },
    { type: 'tokenized', token: TOKEN, lastFour: '1111', brand: 'visa', pan: [] },
    { type: 'approved', approvalCode: '4111111111111111' },
    { type: 'declined', declineCode: '' },
    { type: 'refused', code: 'because' },
    { type: 'refused' },
  ]
  for (const value of bad) t.equal(parseVaultReply(value), null)
  t.end()
})

t.test('no mutation of a message makes a parser throw or let an unknown field through', (t) => {
  const random = seededRandom(7)
  const junk: unknown[] = [
    null,
    undefined,
    0,
    -1,
    NaN,
    1e308,
    '',
    'shop',
    TOKEN,
    [],
    {},
    true,
    { toString: 1 },
    '__proto__',
  ]
  let accepted = 0
  for (let round = 0; round < 20_000; round += 1) {
    const value: Record<string, unknown> = { ...(round % 2 === 0 ? TOKENIZE : AUTHORIZE) }
    const names = [...Object.keys(value), 'extra', 'constructor', 'lastFour']
    for (let change = random.below(3); change > 0; change -= 1) {
      const name = names[random.below(names.length)] ?? 'extra'
      if (random.below(3) === 0) Reflect.deleteProperty(value, name)
      else value[name] = junk[random.below(junk.length)]
    }
    parseVaultReply(value)
    const request = parseVaultRequest(value)
    if (request === null) continue
    accepted += 1
    if (Object.keys(request).some((name) => !(name in AUTHORIZE))) t.fail('an unknown field came through')
  }
  t.ok(accepted > 1_000)
  t.end()
})
