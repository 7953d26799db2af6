import t from 'tap'
import { bestResponse } from '../../src/sipd/best-response.ts'
import { listOf } from '../../src/sipd/message.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'

const answer = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  fakeResponse(fakeRequest('INVITE'), status, headers)
const best = (...statuses: number[]) => bestResponse(statuses.map((status) => answer(status)))?.status

t.test('6xx before all, then the lowest class, in it what helps before what only says that nobody answered', (t) => {
  t.equal(best(), undefined)
  t.equal(best(404, 603, 301), 603)
  t.equal(best(500, 486, 503), 486)
  t.equal(best(404, 301), 301)
  t.equal(best(408, 486), 486)
  t.equal(best(486, 484), 484)
  t.equal(best(486, 404), 486, 'else the first')
  t.equal(best(408), 408)
  t.end()
})

t.test('challenges of all branches go back together, each once', (t) => {
  const found = bestResponse([
    answer(486),
    answer(407, { 'proxy-authenticate': 'Digest realm="a"' }),
    answer(401, { 'www-authenticate': 'Digest realm="b"' }),
    answer(407, { 'proxy-authenticate': 'Digest realm="a"' }),
  ])
  t.equal(found?.status, 407)
  t.same(found === undefined ? [] : listOf(found, 'proxy-authenticate'), ['Digest realm="a"'])
  t.same(found === undefined ? [] : listOf(found, 'www-authenticate'), ['Digest realm="b"'])
  t.end()
})
