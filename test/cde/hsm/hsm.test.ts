import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Hsm } from '../../../src/cde/hsm/hsm.ts'
import { parseHsmAnswer, parseHsmOrder } from '../../../src/cde/hsm/hsm-protocol.ts'
import { Pkcs11Library } from '../../../src/cde/hsm/pkcs11-library.ts'
import { makeSoftHsm } from '../../fakes/soft-hsm.ts'

const folder = t.testdir()
const { environment, ...place } = makeSoftHsm(folder)
// The library reads it once, when it is loaded.
process.env['SOFTHSM2_CONF'] = environment.SOFTHSM2_CONF

const NONE = Buffer.alloc(0)
const CONTEXT = Buffer.from('context')
const KEY = Buffer.alloc(32, 7)
const body = (given: Uint8Array, context = CONTEXT) => Buffer.concat([context, given])
const order = (type: 'wrap' | 'unwrap') => ({ type, contextBytes: CONTEXT.length })

t.test('a key is made in the HSM, wraps and unwraps there, and cannot be taken out', (t) => {
  const hsm = new Hsm()
  t.match(hsm.obey(order('wrap'), body(KEY)).answer, { type: 'failed', code: 'wrong_state' })
  t.match(hsm.obey({ type: 'open', ...place }, NONE).answer, { type: 'failed', code: 'no_key' })
  t.same(hsm.obey({ type: 'make', ...place }, NONE).answer, { type: 'made' })
  t.match(hsm.obey({ type: 'make', ...place }, NONE).answer, { type: 'failed', code: 'key_exists' })
  t.same(hsm.obey({ type: 'open', ...place }, NONE).answer, { type: 'opened', isExtractable: false })

  const given = body(KEY)
  const wrapped = hsm.obey(order('wrap'), given)
  t.equal(wrapped.answer.type, 'done')
  t.ok(
    given.every((byte) => byte === 0),
    'what was given is overwritten',
  )
  t.notOk(wrapped.body.includes(KEY.subarray(0, 8)))
  t.notSame(hsm.obey(order('wrap'), body(KEY)).body, wrapped.body, 'each with a nonce of its own')
  const unwrapped = hsm.obey(order('unwrap'), body(wrapped.body))
  t.equal(unwrapped.answer.type, 'done')
  t.same(unwrapped.body, KEY)
  t.equal(hsm.obey(order('unwrap'), body(wrapped.body, Buffer.from('contexu'))).answer.type, 'wrong')
  for (const at of [0, 5, 20, wrapped.body.length - 1]) {
    const changed = Buffer.from(wrapped.body)
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
    t.equal(hsm.obey(order('unwrap'), body(changed)).answer.type, 'wrong', `byte ${at}`)
  }
  t.equal(hsm.obey(order('unwrap'), body(NONE)).answer.type, 'wrong')
  t.same(hsm.obey(order('unwrap'), body(wrapped.body)).body, KEY, 'and works as before')
  t.end()
})

t.test('what does not fit is named', (t) => {
  const open = (change: object) => new Hsm().obey({ type: 'open', ...place, ...change }, NONE).answer
  t.match(open({ library: join(folder, 'softhsm2.conf') }), { code: 'library_unusable' })
  t.match(open({ token: 'another' }), { code: 'no_token' })
  t.match(open({ key: 'another' }), { code: 'no_key' })
  t.match(open({ pinFile: join(folder, 'none') }), { code: 'pin_unreadable' })
  writeFileSync(join(folder, 'empty'), '\n')
  t.match(open({ pinFile: join(folder, 'empty') }), { code: 'pin_unreadable' })
  t.throws(() => new Pkcs11Library(join(folder, 'none')), { code: 'library_unusable' })
  t.end()
})

t.test('orders and answers are taken as they are written down, and no others', (t) => {
  const open = { type: 'open', library: '/l', token: 't', key: 'k', pinFile: '/p' }
  t.same(parseHsmOrder(open), open)
  t.same(parseHsmOrder({ type: 'wrap', contextBytes: 4 }), { type: 'wrap', contextBytes: 4 })
  for (const bad of [null, 'open', {}, { ...open, key: '' }, { ...open, library: 1 }, { type: 'wrap' }]) {
    t.equal(parseHsmOrder(bad), null)
  }
  for (const contextBytes of [-1, 1.5, 5_000]) t.equal(parseHsmOrder({ type: 'unwrap', contextBytes }), null)
  const failed = { type: 'failed', code: 'no_key', value: 0 }
  t.same(parseHsmAnswer(failed), failed)
  t.same(parseHsmAnswer({ type: 'opened', isExtractable: true }), { type: 'opened', isExtractable: true })
  for (const bad of [undefined, 1, { type: 'opened' }, { ...failed, code: 'x' }, { ...failed, value: '1' }]) {
    t.equal(parseHsmAnswer(bad), null)
  }
  t.end()
})
