import t from 'tap'
import { bracketed, parseNameAddr, replaceLocalhost, tagOf, withTag } from '../../src/sipd/name-addr.ts'

t.test('addresses with and without brackets are read; parameters belong where RFC 3261 section 20.10 says', (t) => {
  t.match(parseNameAddr('"a <b>; \\"c\\"" <sip:d@e;lr>;tag=1'), { uri: 'sip:d@e;lr' })
  t.match(parseNameAddr('sip:d@e;tag=1'), { uri: 'sip:d@e' })
  t.equal(tagOf('"tag=2" <sip:a@b;tag=3>;tag=1'), '1')
  t.equal(tagOf('<sip:a@b;tag=3>'), undefined)
  t.equal(tagOf('<sip:a@b>;tag='), undefined)
  for (const bad of ['', '"open <sip:a@b>', '<sip:a@b', '<>', '"only a name"', 'no colon', '<sip:a@b> rubbish'])
    t.equal(parseNameAddr(bad), undefined, bad)
  t.end()
})

t.test('@localhost becomes our address, a name that begins like it does not', (t) => {
  t.equal(replaceLocalhost('<sip:a@localhost>;x', '192.0.2.1:5060'), '<sip:a@192.0.2.1:5060>;x')
  t.equal(replaceLocalhost('sip:a@localhost', '192.0.2.1:5060'), 'sip:a@192.0.2.1:5060')
  t.equal(replaceLocalhost('<sip:a@localhost.example>', 'x'), '<sip:a@localhost.example>')
  t.equal(replaceLocalhost('<sip:a@localhost:99>', 'x'), '<sip:a@localhost:99>')
  t.end()
})

t.test('tags and brackets are added once', (t) => {
  t.equal(withTag('<sip:a@b>', '1'), '<sip:a@b>;tag=1')
  t.equal(bracketed('sip:a@b;tag=1'), '<sip:a@b>;tag=1')
  t.equal(bracketed('"x" <sip:a@b>'), '"x" <sip:a@b>')
  t.end()
})
