import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { HttpsJsonConnector, parseReply } from '../../../../src/cde/vault/connectors/https-json-connector.ts'
import { seededRandom } from '../../../fakes/seeded-random.ts'
import { Acquirer, declines, json, type AcquirerAnswer } from '../../../fakes/acquirer.ts'
import { digits, TEST_PANS } from '../../../fakes/test-card.ts'

function order(reference = 'charge-1') {
  return {
    merchant: 'shop',
    reference,
    amountMinor: 1250,
    currency: 'EUR',
    pan: digits(TEST_PANS.visa),
    expiry: digits('0930'),
    cardCode: digits('123'),
  }
}

const acquirer = await Acquirer.start()
t.teardown(() => acquirer.close())
const { url, authority } = acquirer

t.test('an order reaches the acquirer over verified TLS, under its reference', async (t) => {
  const connector = new HttpsJsonConnector({ url, authority, credential: 'secret' })
  t.same(await connector.authorize(order()), { type: 'approved', approvalCode: 'A1B2C3' })
  t.equal(acquirer.orders[0]?.reference, 'charge-1')
  t.match(JSON.parse(acquirer.orders[0]?.body ?? ''), { card: { number: TEST_PANS.visa, code: '123' } })
  acquirer.answer = declines
  t.same(await connector.authorize(order()), { type: 'declined', declineCode: '05' })
  connector.close()
  connector.close()
  t.same(await connector.authorize(order()), { type: 'unavailable', code: 'connection_failed' })
})

t.test('a certificate of an unknown authority gets no order', async (t) => {
  const before = acquirer.orders.length
  const connector = new HttpsJsonConnector({ url })
  t.same(await connector.authorize(order()), { type: 'unavailable', code: 'connection_failed' })
  t.equal(acquirer.orders.length, before)
  connector.close()
})

t.test('a certificate of another name gets no order', async (t) => {
  const before = acquirer.orders.length
  const connector = new HttpsJsonConnector({ url: url.replace('localhost', '127.0.0.1'), authority })
  t.same(await connector.authorize(order()), { type: 'unavailable', code: 'connection_failed' })
  t.equal(acquirer.orders.length, before)
  connector.close()
})

t.test('an address that is not https is not taken', (t) => {
  t.throws(() => new HttpsJsonConnector({ url: 'http://localhost/orders' }), TypeError)
  t.end()
})

t.test('an answer that cannot be trusted leaves the outcome unknown', async (t) => {
  const connector = new HttpsJsonConnector({ url, authority, deadlineMs: 5_000 })
  const answers: readonly [string, AcquirerAnswer][] = [
    ['bad_status', (_order, response) => response.writeHead(500).end('{"outcome":"approved","approvalCode":"1"}')],
    ['bad_status', (_order, response) => response.writeHead(307, { location: '/elsewhere' }).end()],
    ['bad_reply', (_order, response) => response.end('approved')],
    ['bad_reply', (_order, response) => json(response, { outcome: 'approved', approvalCode: TEST_PANS.visa })],
    ['bad_reply', (_order, response) => json(response, { outcome: 'declined' })],
    ['reply_too_large', (_order, response) => response.end(' '.repeat(20_000))],
    ['connection_failed', (_order, response) => response.destroy()],
    [
      'connection_failed',
      (_order, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('{', () => response.destroy())
      },
    ],
  ]
  for (const [code, answer] of answers) {
    acquirer.answer = answer
    t.same(await connector.authorize(order()), { type: 'unavailable', code })
  }
  connector.close()
})

t.test('silence ends at the deadline, before and after the handshake', async (t) => {
  acquirer.answer = () => undefined
  const connector = new HttpsJsonConnector({ url, authority, deadlineMs: 150 })
  t.same(await connector.authorize(order()), { type: 'unavailable', code: 'deadline' })
  connector.close()
  const mute = createServer(() => undefined)
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  const muteUrl = `https://127.0.0.1:${(mute.address() as AddressInfo).port}/`
  const other = new HttpsJsonConnector({ url: muteUrl, authority, deadlineMs: 150 })
  t.same(await other.authorize(order()), { type: 'unavailable', code: 'deadline' })
  other.close()
  mute.close()
})

t.test('more orders at once than the limit are refused, and closing ends the others', async (t) => {
  acquirer.answer = () => undefined
  const connector = new HttpsJsonConnector({ url, authority, deadlineMs: 20_000 })
  const orders = Array.from({ length: 64 }, (_, index) => connector.authorize(order(`charge-${index}`)))
  t.same(await connector.authorize(order()), { type: 'unavailable', code: 'busy' })
  connector.close()
  const outcomes = await Promise.all(orders)
  t.ok(outcomes.every((outcome) => outcome.type === 'unavailable' && outcome.code === 'connection_failed'))
})

t.test('no reply, however strange, makes the parser throw', (t) => {
  const random = seededRandom(3)
  const good = Buffer.from('{"outcome":"approved","approvalCode":"A1B2C3"}')
  let approved = 0
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = Buffer.from(good)
    for (let change = random.below(3); change > 0; change -= 1) bytes[random.below(bytes.length)] = random.below(256)
    if (
      parseReply(bytes.subarray(0, random.below(8) === 0 ? random.below(good.length) : good.length)).type === 'approved'
    )
      approved += 1
  }
  t.ok(approved > 1_000 && approved < 9_000)
  t.same(parseReply(Buffer.from('null')), { type: 'unavailable', code: 'bad_reply' })
  t.end()
})
