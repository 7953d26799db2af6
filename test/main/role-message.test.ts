import t from 'tap'
import { parseRoleMessage, parseSupervisorMessage } from '../../src/main/role-message.ts'

t.test('messages of a role are read', (t) => {
  t.same(parseRoleMessage({ type: 'ready', addresses: ['http://127.0.0.1/'] }), {
    type: 'ready',
    addresses: ['http://127.0.0.1/'],
  })
  const failed = { type: 'failed', code: 'EADDRINUSE', host: '127.0.0.1', port: 5060 }
  t.same(parseRoleMessage(failed), failed)
  t.same(parseRoleMessage({ type: 'failed', code: 'too_open' }), {
    type: 'failed',
    code: 'too_open',
    host: null,
    port: null,
  })
  t.same(parseRoleMessage({ type: 'pong' }), { type: 'pong' })
  t.end()
})

t.test('what is no message is nothing', (t) => {
  for (const value of [
    null,
    1,
    'ready',
    {},
    { type: 'ready' },
    { type: 'ready', addresses: [1] },
    { type: 'failed' },
    { type: 'ready', addresses: ['x'.repeat(300)] },
  ]) {
    t.equal(parseRoleMessage(value), null)
  }
  t.end()
})

t.test('a role knows ping and close and nothing else', (t) => {
  t.same(parseSupervisorMessage({ type: 'ping' }), { type: 'ping' })
  t.same(parseSupervisorMessage({ type: 'close', now: true }), { type: 'close' })
  for (const value of [null, 'close', {}, { type: 'open' }]) t.equal(parseSupervisorMessage(value), null)
  t.end()
})
