import t from 'tap'
import { headerKey, writtenName } from '../../src/sipd/header-names.ts'

t.test('compact and long names have one key, and known headers one spelling', (t) => {
  t.equal(headerKey('I'), 'call-id')
  t.equal(headerKey('CALL-ID'), 'call-id')
  t.equal(headerKey('z'), 'z')
  t.equal(writtenName('call-id', 'i'), 'Call-ID')
  t.equal(writtenName('cseq', 'cseq'), 'CSeq')
  t.equal(writtenName('x-Own', 'X-OWN'), 'X-OWN')
  t.end()
})
