import t from 'tap'
import { once } from 'node:events'
import { memoryNeedlesOf, searchMemory } from '../../../fakes/canary-search.ts'
import { testCard } from '../../../fakes/test-card.ts'
import { openTestVault, tokenOf } from '../open-test-vault.ts'
import { call, certificateOf } from './api-site.ts'
import { startChild } from './start-child.ts'

const CANARY = '4263982640269299'
const CLEAN_WITHIN_MS = 2_000
const needles = memoryNeedlesOf(CANARY)

t.test('no number is left in the memory of a vault that has told it', async (t) => {
  const folder = t.testdir()
  const before = await openTestVault(folder)
  const token = tokenOf(await before.tokenize(testCard({ pan: CANARY, expiry: '0931' })))
  await before.close()
  const { child, port } = await startChild(folder, { url: 'https://localhost:1/', authority: '' })
  const order = { port, by: certificateOf('ann'), path: '/v1/merchants/shop/detokenizations' }
  for (const key of ['order-000001', 'order-000002']) {
    const answer = await call({ ...order, key, body: { token, purpose: 'refund by letter' } })
    t.match(answer.json, { number: CANARY })
  }
  let left = searchMemory(child.pid ?? 0, needles)
  if (left.length > 0) {
    await new Promise((resolve) => setTimeout(resolve, CLEAN_WITHIN_MS))
    left = searchMemory(child.pid ?? 0, needles)
  }
  t.same(left, [])
  child.kill('SIGKILL')
  await once(child, 'close')
})
