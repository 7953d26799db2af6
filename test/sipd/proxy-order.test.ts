import t from 'tap'
import { parseProxyOrder } from '../../src/sipd/proxy-order.ts'

t.test('flags are on when they are not empty, waits are in seconds or milliseconds', (t) => {
  t.same(parseProxyOrder(['remainInDialog', '', 'followRedirects', 'serial', '2s', '1500ms', 'sip:a@b.test', '']), {
    remainInDialog: true,
    fullResponse: false,
    followRedirects: true,
    simultaneous: false,
    provisionalMs: 2_000,
    finalMs: 1_500,
    destinations: ['sip:a@b.test'],
  })
  const both = parseProxyOrder(['', 'fullResponse', '', 'simultaneous', '', '9999999s', 'sip:a@b', 'sip:sips:c@d'])
  t.match(both, { simultaneous: true, fullResponse: true, finalMs: 600_000, destinations: ['sip:a@b', 'sips:c@d'] })
  t.equal(both?.provisionalMs, undefined)
  t.end()
})

t.test('an order that cannot be read is none', (t) => {
  for (const fields of [
    [],
    ['', '', '', 'serial', '', ''],
    ['', '', '', 'serial', '', '', ''],
    ['', '', '', 'later', '', '', 'sip:a@b'],
    ['', '', '', 'serial', '2', '', 'sip:a@b'],
    ['', '', '', 'serial', '', '-2s', 'sip:a@b'],
    ['', '', '', 'serial', '', '99999999ms', 'sip:a@b'],
    ['', '', '', 'serial', '', '', 'tel:+1'],
    ['', '', '', 'serial', '', '', 'sip:a@b', 'sip:a@b@c'],
    ['', '', '', 'serial', '', '', ...Array<string>(17).fill('sip:a@b')],
  ])
    t.equal(parseProxyOrder(fields), undefined, fields.join('|').slice(0, 60))
  t.end()
})
