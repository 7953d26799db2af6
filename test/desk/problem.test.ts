import { readFileSync } from 'node:fs'
import t from 'tap'
import { PROBLEMS, problemBody, ProblemError } from '../../src/desk/problem.ts'
import { orderRefused } from '../../src/desk/page/sentences.ts'

t.test('the table of errors in the README is the catalogue, row by row', (t) => {
  const readme = readFileSync(new URL('../../src/desk/README.md', import.meta.url), 'utf8')
  const rows = [...readme.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (.+?) +\|$/gm)].map(([, ...row]) => row)
  t.same(
    rows,
    Object.entries(PROBLEMS).map(([code, { status, title }]) => [code, String(status), title]),
  )
  t.end()
})

t.test('a body carries code, status, title, what to do, and the place only when there is one', (t) => {
  t.same(Object.keys(problemBody('sbc_lost')), ['code', 'status', 'title', 'detail'])
  t.equal(problemBody('invalid_request', '/form').field, '/form')
  t.match(new ProblemError('no_window'), { code: 'no_window', retryAfterS: null })
  t.end()
})

t.test('each way an order can fail has words of its own on the page', (t) => {
  const unknown = orderRefused('something else')
  const orders = [
    'unknown_call',
    'unknown_form',
    'window_open',
    'no_window',
    'call_ended',
    'emergency',
    'guard_unavailable',
  ]
  for (const code of [...orders, 'media_unavailable', 'not_proven', 'sbc_lost', 'sbc_timeout', 'unreachable']) {
    t.not(orderRefused(code), unknown, code)
  }
  t.end()
})
