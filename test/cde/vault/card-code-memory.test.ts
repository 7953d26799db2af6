import t from 'tap'
import { CARD_CODE_MS_MAX, CardCodeMemory } from '../../../src/cde/vault/card-code-memory.ts'
import { digits } from '../../fakes/test-card.ts'

const PLACE = { merchant: 'shop', token: 'tok_a' }
const FIRST = { ...PLACE, idempotencyKey: 'request-1' }
const CODE = digits('737')

function memoryAt(clock: { nowMs: number }): CardCodeMemory {
  return new CardCodeMemory({ nowMs: () => clock.nowMs })
}

t.test('a code is lent as a copy until it is wiped', (t) => {
  const memory = memoryAt({ nowMs: 0 })
  t.ok(memory.keep(CODE, FIRST))
  t.equal(memory.size, 1)
  t.same([...memory.open(PLACE)], [7, 3, 7])
  memory.open(PLACE).fill(0)
  t.same([...memory.open(PLACE)], [7, 3, 7])
  t.equal(memory.open({ ...PLACE, merchant: 'other' }).length, 0)
  memory.wipe(PLACE)
  memory.wipe(PLACE)
  t.equal(memory.open(PLACE).length, 0)
  t.equal(memory.size, 0)
  memory.close()
  t.end()
})

t.test('ten minutes is the longest, whether it is swept or not', (t) => {
  t.equal(CARD_CODE_MS_MAX, 10 * 60 * 1_000)
  const clock = { nowMs: 0 }
  const memory = memoryAt(clock)
  memory.keep(CODE, FIRST)
  clock.nowMs = CARD_CODE_MS_MAX - 1
  memory.sweep()
  t.equal(memory.open(PLACE).length, 3)
  memory.keep(CODE, FIRST)
  clock.nowMs = CARD_CODE_MS_MAX
  t.equal(memory.open(PLACE).length, 0, 'its repetition did not prolong it')
  memory.sweep()
  t.equal(memory.size, 0)
  memory.close()
  t.end()
})

t.test('a late repetition does not bring a used code back, another request does bring a new one', (t) => {
  const memory = memoryAt({ nowMs: 0 })
  memory.keep(CODE, FIRST)
  memory.wipe(PLACE)
  t.notOk(memory.keep(CODE, FIRST))
  t.equal(memory.size, 0)
  t.ok(memory.keep(digits('999'), { ...PLACE, idempotencyKey: 'request-2' }))
  t.same([...memory.open(PLACE)], [9, 9, 9])
  t.notOk(memory.keep(CODE, FIRST))
  t.same([...memory.open(PLACE)], [9, 9, 9])
  memory.close()
  t.end()
})

t.test('a closed memory holds nothing and takes nothing', (t) => {
  const memory = memoryAt({ nowMs: 0 })
  memory.keep(CODE, FIRST)
  memory.close()
  memory.close()
  t.equal(memory.size, 0)
  t.equal(memory.open(PLACE).length, 0)
  t.notOk(memory.keep(CODE, { ...PLACE, idempotencyKey: 'request-2' }))
  t.end()
})
