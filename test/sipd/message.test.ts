import t from 'tap'
import { hasToken, header, listOf, serialize, valueOf } from '../../src/sipd/message.ts'
import { fakeRequest } from './fake-flow.ts'

t.test('headers are found by key, lists across lines, tokens whatever their case', (t) => {
  const request = { ...fakeRequest('INVITE'), headers: [header('k', '100REL, timer'), header('Supported', 'path')] }
  t.equal(valueOf(request, 'supported'), '100REL, timer')
  t.same(listOf(request, 'supported'), ['100REL', 'timer', 'path'])
  t.ok(hasToken(request, 'supported', '100rel'))
  t.notOk(hasToken(request, 'require', '100rel'))
  t.end()
})

t.test('Content-Length is always the length of the body in bytes', (t) => {
  const request = { ...fakeRequest('MESSAGE', { 'content-length': '999' }), body: Buffer.from('h\u00e9') }
  t.match(serialize(request).toString(), /\r\nContent-Length: 3\r\n\r\nh\u00e9$/)
  t.notMatch(serialize(request).toString(), '999')
  t.end()
})
