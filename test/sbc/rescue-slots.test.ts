import t from 'tap'
import { RescueSlots } from '../../src/sbc/rescue-slots.ts'

t.test('no more slots are taken than there are, and they go to those who wait in their order', async (t) => {
  const slots = new RescueSlots({ slots: 2, heldMsMax: 60_000 })
  const order: string[] = []
  const take = async (name: string): Promise<() => void> => {
    const giveBack = await slots.take()
    order.push(name)
    return giveBack
  }
  const [first, second] = await Promise.all([take('first'), take('second')])
  const third = take('third')
  const fourth = take('fourth')
  await new Promise((resolve) => setImmediate(resolve))
  t.same(order, ['first', 'second'])
  first()
  first()
  const giveThird = await third
  await new Promise((resolve) => setImmediate(resolve))
  t.same(order, ['first', 'second', 'third'], 'giving back twice frees one slot')
  second()
  const giveFourth = await fourth
  t.same(order, ['first', 'second', 'third', 'fourth'])
  giveThird()
  giveFourth()
  ;(await take('fifth'))()
})

t.test('a slot that is not given back is free again in time', async (t) => {
  const slots = new RescueSlots({ slots: 1, heldMsMax: 20 })
  await slots.take()
  const giveBack = await slots.take()
  giveBack()
  t.pass('the next one has its turn')
})
