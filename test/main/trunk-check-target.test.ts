import t from 'tap'
import { checkTarget, ownAddressFor } from '../../src/main/trunk-check-target.ts'
import { refusalText } from '../../src/main/trunk-check-refusal.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const CARRIER = testTrunk({
  name: 'carrier',
  side: 'carrier',
  target: { host: '192.0.2.1', port: 5080, transport: 'tcp' },
})
const SECURE = testTrunk({
  name: 'secure',
  side: 'carrier',
  target: { host: '192.0.2.2', transport: 'tls' },
})
const read = (uri: string) => checkTarget(uri, () => [CARRIER, SECURE])

t.test('an address, a name or a trunk of the configuration can be called', async (t) => {
  t.match(await read('sip:100@192.0.2.7'), { uri: 'sip:100@192.0.2.7:5060', transport: 'udp', trunk: null })
  t.match(await read('sip:+100@192.0.2.7:5090;transport=TCP'), { peer: { port: 5090 }, transport: 'tcp' })
  t.match(await read('sip:100@[::1]:5062'), { uri: 'sip:100@[::1]:5062', peer: { host: '::1' } })
  t.match(await read('sip:100@carrier'), {
    uri: 'sip:100@192.0.2.1:5080;transport=tcp',
    peer: { host: '192.0.2.1', port: 5080 },
    trunk: 'carrier',
  })
  t.match(await read('sip:100@localhost:5070'), { peer: { host: '127.0.0.1', port: 5070 } })
})

t.test('what cannot be called is refused with what to write', async (t) => {
  for (const uri of [
    '100',
    'sip:@x',
    'sips:1@x',
    'sip:1@x y',
    'tel:+1',
    'sip:1@x:99999',
    'sip:1@192.0.2.1:0',
    'sip:1@no.such.invalid',
  ])
    t.match(await read(uri), { kind: 'refused', text: /./ }, uri)
})

t.test('our own address is one that the far end can reach', (t) => {
  t.equal(ownAddressFor('127.0.0.5'), '127.0.0.1')
  t.end()
})

t.test('each way not to get a call has words that say what to do', (t) => {
  const texts = [
    ...[0, 401, 403, 404, 408, 486, 488, 503, 500].map((status) => refusalText({ kind: 'rejected', status })),
    ...(['no_audio', 'no_g711', 'no_port', 'cancelled', 'offerless'] as const).map((code) =>
      refusalText({ kind: 'unusable', code }),
    ),
    refusalText({ kind: 'unanswered' }),
  ]
  t.equal(new Set(texts).size, texts.length)
  t.match(refusalText({ kind: 'rejected', status: 407 }), /407 Proxy Authentication Required: .*name and password/)
  t.match(refusalText({ kind: 'rejected', status: 599 }), /599 Unknown/)
  t.end()
})
