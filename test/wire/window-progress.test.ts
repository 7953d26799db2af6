import cardValidator from 'card-validator'
import t from 'tap'
import {
  BRANDS,
  fieldNameShape,
  lastFourShape,
  tokenShape,
  windowIdShape,
  windowProgressShape,
} from '../../src/wire/window-progress.ts'
import { pathsThatTakeACard, PROGRESS } from '../fakes/wire-samples.ts'

t.test('progress can hold no card number in any field', (t) => {
  t.equal(windowProgressShape(PROGRESS), true)
  t.same(
    pathsThatTakeACard([PROGRESS], (value) => (windowProgressShape(value) ? value : null)),
    [],
  )
  t.end()
})

t.test('there is no field for a PIN', (t) => {
  for (const name of ['pin', 'card-pin', 'PIN']) t.equal(fieldNameShape(name), false)
  t.end()
})

t.test('the brands are names that card-validator knows', (t) => {
  const known: readonly string[] = Object.values(cardValidator.creditCardType.types)
  t.same(
    BRANDS.filter((brand) => !known.includes(brand)),
    [],
  )
  t.same(known.filter((brand) => !(BRANDS as readonly string[]).includes(brand)).sort(), ['naranja', 'troy'])
  t.end()
})

t.test('a token shows the last four and is not one digit longer', (t) => {
  t.equal(tokenShape('tok_abcdefghijklmnopqrst0_1111'), true)
  t.equal(tokenShape('0000000000021111'), true, 'digits only, and not sound')
  for (const card of [
    '4111111111111111',
    '0000000000000000',
    '0000000000041111',
    '000000004111',
    '00000000000000021111',
  ]) {
    t.equal(tokenShape(card), false)
  }
  for (const bad of [
    'tok_abcdefghijklmnopqrs0_1111',
    'tok_abcdefghijklmnopqrst0_11111',
    'tok_12345678901234567890_1111',
    '4111111111111111',
  ]) {
    t.equal(tokenShape(bad), false)
  }
  t.equal(lastFourShape('1111'), true)
  for (const bad of ['111', '11111', '1111\n', 1111]) t.equal(lastFourShape(bad), false)
  t.end()
})

t.test('a window id has no digits', (t) => {
  t.equal(windowIdShape('abcdefghijklmnop'), true)
  t.equal(windowIdShape('abcdefghijklmno1'), false)
  t.end()
})
