import t from 'tap'
import { CARD_BODY_BYTES_MAX, composeCardBody, parseCardBody } from '../../src/cde/card-body.ts'
import { seededRandom, type SeededRandom } from '../fakes/seeded-random.ts'
import { testCard } from '../fakes/test-card.ts'

t.test('a body is read back as the card it was made of', (t) => {
  for (const card of [testCard(), testCard({ expiry: '', cardCode: '123' }), testCard({ cardCode: '1234' })]) {
    const parsed = parseCardBody(composeCardBody(card))
    t.same([...(parsed?.pan ?? [])], [...card.pan])
    t.same([...(parsed?.expiry ?? [])], [...card.expiry])
    t.same([...(parsed?.cardCode ?? [])], [...card.cardCode])
  }
  t.end()
})

t.test('wiping the body wipes the card that was read from it', (t) => {
  const body = composeCardBody(testCard())
  const card = parseCardBody(body)
  body.fill(0)
  t.ok(card?.pan.every((digit) => digit === 0))
  t.end()
})

t.test('a length past its limit or past the end, a byte that is no digit, and left-over bytes are refused', (t) => {
  const altered = (change: (body: Buffer) => Buffer | undefined) => {
    const body = composeCardBody(testCard({ cardCode: '123' }))
    return parseCardBody(change(body) ?? body)
  }
  t.not(
    altered(() => undefined),
    null,
  )
  t.equal(
    altered(() => Buffer.alloc(0)),
    null,
  )
  t.equal(
    altered((body) => void (body[0] = 20)),
    null,
  )
  t.equal(
    altered((body) => void (body[0] = 255)),
    null,
  )
  t.equal(
    altered((body) => void (body[1] = 10)),
    null,
    'ten is no digit',
  )
  t.equal(
    altered((body) => void (body[1] = 0x34)),
    null,
    'nor is a character',
  )
  t.equal(
    altered((body) => void (body[17] = 3)),
    null,
    'an expiry of three digits',
  )
  t.equal(
    altered((body) => body.subarray(0, -1)),
    null,
  )
  t.equal(
    altered((body) => Buffer.concat([body, Buffer.from([1])])),
    null,
  )
  t.equal(parseCardBody(Buffer.alloc(CARD_BODY_BYTES_MAX + 1)), null)
  t.end()
})

t.test('fields that are too long are a mistake of the caller', (t) => {
  t.throws(() => composeCardBody(testCard({ pan: '4'.repeat(20) })), { message: 'pan too long' })
  t.throws(() => composeCardBody(testCard({ cardCode: '12345' })), { message: 'card code too long' })
  t.end()
})

t.test('whatever bytes come, the parser answers null or a card that composes to the same bytes', (t) => {
  const random = seededRandom(20_260_801)
  let accepted = 0
  for (let round = 0; round < 20_000; round += 1) {
    const body =
      round % 2 === 0
        ? Buffer.from(Array.from({ length: random.below(40) }, () => random.below(random.below(2) === 0 ? 12 : 256)))
        : mutated(composeCardBody(testCard({ cardCode: '123' })), random)
    const card = parseCardBody(body)
    if (card === null) continue
    accepted += 1
    if (!composeCardBody(card).equals(body)) t.fail('composes to other bytes')
  }
  t.ok(accepted > 100, 'the fuzz reaches both answers')
  t.end()
})

function mutated(body: Buffer, random: SeededRandom): Buffer {
  body[random.below(body.length)] = random.below(random.below(2) === 0 ? 10 : 256)
  return body
}
