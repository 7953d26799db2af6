import t from 'tap'
import { passedHeaders } from '../../src/sbc/header-policy.ts'

const trunk = (allowed: readonly string[]) => ({ headers: { in: allowed, out: allowed } })

function pass(
  headers: Readonly<Record<string, string>>,
  from: readonly string[],
  to: readonly string[],
  urgent = false,
) {
  return passedHeaders({ headers, caller: trunk(from), callee: trunk(to), isEmergency: urgent })
}

t.test('a header passes when both trunks allow it, by name or by its beginning, in any case of letters', (t) => {
  const headers = { 'X-Account': '7', 'x-trace': 't', 'Alert-Info': '<http://x>', Subject: 's' }
  t.same(pass(headers, ['X-*', 'Alert-Info'], ['x-account', 'ALERT-INFO']), {
    'X-Account': '7',
    'Alert-Info': '<http://x>',
  })
  t.same(pass(headers, ['X-*'], []), {}, 'one side is not enough')
  t.same(pass(headers, [], ['X-*']), {})
  t.same(pass({ 'X-A': '1' }, ['*'], ['*']), { 'X-A': '1' })
  t.end()
})

t.test('what belongs to a hop, a dialog, a body or an identity never passes, whatever is allowed', (t) => {
  const names = 'Via From To Contact Call-ID CSeq Route Record-Route Max-Forwards Content-Type Content-Length Require'
  const more = 'Supported Authorization Proxy-Authorization Session-Expires Replaces Refer-To User-Agent Path RSeq'
  const others = 'P-Asserted-Identity Remote-Party-ID Diversion History-Info User-to-User Privacy b r x'
  for (const name of [names, more, others].join(' ').split(' '))
    t.same(pass({ [name]: '1', [name.toLowerCase()]: '1' }, ['*'], ['*']), {}, name)
  t.end()
})

t.test('a value that could harm is left out, and a flood of headers is cut', (t) => {
  const hostile = { 'X-A': 'a\r\nVia: b', 'X-B': 'ü', 'X-C': 'c'.repeat(600), 'X D': 'd', 'X-E:': 'e', 'X-F': 'f' }
  t.same(pass(hostile, ['X*'], ['X*']), { 'X-F': 'f' })
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, number) => [`X-${number}`, '1']))
  t.equal(Object.keys(pass(many, ['X-*'], ['X-*'])).length, 20)
  t.end()
})

t.test('in an emergency what says how urgent it is passes unasked', (t) => {
  const headers = { Priority: 'emergency', 'Resource-Priority': 'esnet.1', Subject: 'help' }
  t.same(pass(headers, [], [], true), { Priority: 'emergency', 'Resource-Priority': 'esnet.1' })
  t.same(pass(headers, [], []), {})
  t.end()
})
