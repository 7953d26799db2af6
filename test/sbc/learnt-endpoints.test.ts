import t from 'tap'
import { LearntEndpoints } from '../../src/sbc/learnt-endpoints.ts'
import { readAudio } from '../../src/sbc/sdp.ts'

const TAG = 'payer'
const LEARNT = { host: '192.0.2.7', port: 40_002 }
const HEARD = { from: LEARNT, isSure: false, packets: 10 }

function sdp(host: string, port: number, lines: readonly string[] = []): string {
  const head = ['v=0', 'o=- 1 1 IN IP4 10.0.0.5', 's=-', `c=IN IP4 ${host}`, 't=0 0', `m=audio ${port} RTP/AVP 0`]
  return [...head, 'a=rtpmap:0 PCMU/8000', ...lines, ''].join('\r\n')
}

function endpointIn(description: string) {
  const { host, port } = readAudio(description) ?? { host: '', port: 0 }
  return { host, port }
}

t.test('a leg that says the same address again is still where it was heard', (t) => {
  const endpoints = new LearntEndpoints()
  const own = { host: '10.0.0.5', port: 4_000 }
  const first = sdp(own.host, own.port)
  t.equal(endpoints.apply(TAG, first), first, 'nothing was learnt yet')
  t.same(endpointIn(endpoints.learn(TAG, first, HEARD)), LEARNT)
  const held = endpoints.apply(TAG, sdp(own.host, own.port, ['a=sendonly']))
  t.same(endpointIn(held), LEARNT)
  t.match(held, /^a=sendonly/m)
  t.same(endpointIn(endpoints.apply('agent', first)), own, 'another leg is where it says')
  t.end()
})

t.test('a leg that moves is where it says, and one that comes back where it was heard', (t) => {
  const endpoints = new LearntEndpoints()
  endpoints.learn(TAG, sdp('10.0.0.5', 4_000), HEARD)
  t.same(endpointIn(endpoints.apply(TAG, sdp('10.0.0.5', 4_100))), { host: '10.0.0.5', port: 4_100 })
  t.same(endpointIn(endpoints.apply(TAG, sdp('0.0.0.0', 4_000))), { host: '0.0.0.0', port: 4_000 })
  t.same(endpointIn(endpoints.apply(TAG, sdp('10.0.0.5', 4_000))), LEARNT)
  t.end()
})

t.test('what is learnt a second time stands for what the leg says, not for what stood', (t) => {
  const endpoints = new LearntEndpoints()
  const standing = endpoints.learn(TAG, sdp('10.0.0.5', 4_000), HEARD)
  const moved = { host: '192.0.2.7', port: 40_004 }
  t.same(endpointIn(endpoints.learn(TAG, standing, { from: moved, isSure: false, packets: 20 })), moved)
  t.same(endpointIn(endpoints.apply(TAG, sdp('10.0.0.5', 4_000))), moved)
  t.end()
})

t.test('nothing is learnt of a leg that was not heard, is where it says, is on hold, or has ICE', (t) => {
  const endpoints = new LearntEndpoints()
  const plain = sdp('10.0.0.5', 4_000)
  t.equal(endpoints.learn(TAG, plain, { from: null, isSure: false, packets: 0 }), plain)
  t.equal(endpoints.learn(TAG, plain, { from: LEARNT, isSure: false, packets: 0 }), plain)
  t.equal(endpoints.learn(TAG, plain, { ...HEARD, from: { host: '10.0.0.5', port: 4_000 }, isSure: true }), plain)
  for (const other of [sdp('0.0.0.0', 4_000), sdp('10.0.0.5', 0), sdp('10.0.0.5', 4_000, ['a=ice-ufrag:abcd'])])
    t.equal(endpoints.learn(TAG, other, HEARD), other)
  t.equal(endpoints.apply(TAG, plain), plain)
  t.equal(endpoints.apply(TAG, 'nonsense'), 'nonsense')
  t.end()
})

t.test('a leg is unheard until packets of it came, and again when it says another address', (t) => {
  const endpoints = new LearntEndpoints()
  const [first, second] = [sdp('10.0.0.5', 4_000), sdp('10.0.0.5', 4_100)]
  t.ok(endpoints.isUnheard(TAG, first))
  t.notOk(endpoints.isUnheard(TAG, endpoints.learn(TAG, first, HEARD)))
  t.ok(endpoints.isUnheard(TAG, second))
  t.equal(endpoints.learn(TAG, second, { ...HEARD, from: { host: '10.0.0.5', port: 4_100 }, isSure: true }), second)
  t.ok(endpoints.isUnheard(TAG, second), 'those packets came before it moved')
  const moved = { host: '192.0.2.7', port: 40_004 }
  t.equal(endpoints.learn(TAG, second, { from: LEARNT, isSure: false, packets: 11 }), second, 'nor those on their way')
  t.notOk(endpoints.isUnheard(TAG, endpoints.learn(TAG, second, { from: moved, isSure: true, packets: 11 })))
  t.same(endpointIn(endpoints.apply(TAG, second)), moved)
  t.ok(endpoints.isUnheard('agent', second), 'another leg')
  t.end()
})

t.test(
  'a leg at its own word is unheard until rtpengine is sure or many packets came: early ones prove nothing',
  (t) => {
    const endpoints = new LearntEndpoints()
    const plain = sdp('10.0.0.5', 4_000)
    const heard = { from: { host: '10.0.0.5', port: 4_000 }, isSure: false, packets: 9 }
    t.ok(endpoints.isUnheard(TAG, endpoints.learn(TAG, plain, heard)))
    t.notOk(endpoints.isUnheard('agent', endpoints.learn('agent', plain, { ...heard, packets: 10 })))
    t.notOk(endpoints.isUnheard(TAG, endpoints.learn(TAG, plain, { ...heard, isSure: true })))
    t.notOk(endpoints.isUnheard(TAG, endpoints.learn(TAG, plain, heard)), 'once it was, it is')
    t.end()
  },
)

t.test('there is nothing to hear of a leg without a place, or one that ICE finds', (t) => {
  const endpoints = new LearntEndpoints()
  for (const other of [sdp('0.0.0.0', 4_000), sdp('10.0.0.5', 0), sdp('10.0.0.5', 4_000, ['a=ice-ufrag:abcd'])])
    t.notOk(endpoints.isUnheard(TAG, other))
  t.end()
})

t.end()
