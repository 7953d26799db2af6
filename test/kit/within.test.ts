import t from 'tap'
import { within } from '../../src/kit/within.ts'

t.test('what comes in time is the value, and its failure the failure', async (t) => {
  t.equal(await within(Promise.resolve(1), 60_000, 'late'), 1)
  await t.rejects(within(Promise.reject(new Error('no')), 60_000, 'late'), /no/)
})

t.test('what comes late is not waited for, and its failure harms nobody', async (t) => {
  let fail: (error: Error) => void = () => undefined
  const never = new Promise<number>((_resolve, reject) => (fail = reject))
  t.equal(await within(never, 5, 'late'), 'late')
  fail(new Error('nobody hears it'))
  await new Promise((resolve) => setImmediate(resolve))
})

t.end()
