import t from 'tap'
import { RtpHeaderMap, type Arrival, type HeaderMode } from '../../../src/cde/guard/rtp-header-map.ts'

const own = { ssrc: 0xabcdef01, sequence: 65_534, timestamp: 100 }

function newMap(mode: HeaderMode) {
  const map = new RtpHeaderMap({ mode, own })
  const arrive = (sequence: number, ssrc = 1): Arrival => {
    const arrival = map.arrive({ ssrc, sequence })
    if (arrival.kind === 'refused') throw new Error('refused')
    return arrival
  }
  return { map, arrive }
}

t.test('numbers go through, over the wrap, and loss stays a gap', (t) => {
  const { map, arrive } = newMap('same')
  t.same(
    [65_533, 65_534, 0, 1].map((sequence) => map.send(arrive(sequence))),
    [65_533, 65_534, 0, 1],
  )
  t.end()
})

t.test('a dropped packet closes up, and a packet late from before it keeps its own number', (t) => {
  const { map, arrive } = newMap('same')
  const [a, late, c, d] = [arrive(10), arrive(11), arrive(12), arrive(13)]
  t.equal(map.send(a), 10)
  map.drop(c)
  t.equal(map.send(d), 12)
  t.equal(map.send(late), 11)
  t.equal(map.send(arrive(14)), 13)
  t.end()
})

t.test('a packet dropped after its successor has left leaves a gap, not a repeat', (t) => {
  const { map, arrive } = newMap('same')
  const [a, b, c] = [arrive(10), arrive(11), arrive(12)]
  t.equal(map.send(a), 10)
  t.equal(map.send(c), 12)
  map.drop(b)
  t.equal(map.send(arrive(13)), 13)
  t.end()
})

t.test('a repeated number is refused, in and out', (t) => {
  const { map, arrive } = newMap('same')
  const first = arrive(10)
  t.match(map.arrive({ ssrc: 1, sequence: 10 }), { kind: 'refused', code: 'duplicate' })
  t.equal(map.send(first), 10)
  t.equal(map.send(first), undefined)
  t.end()
})

t.test(
  'a jump of the numbers goes on after the last one sent, and what belongs before it is not sent any more',
  (t) => {
    const { map, arrive } = newMap('same')
    const before = arrive(11)
    t.equal(map.send(arrive(12)), 12)
    const jumped = arrive(40_000)
    t.equal(jumped.restarted, true)
    t.equal(map.send(jumped), 13)
    t.equal(map.send(before), undefined)
    t.equal(map.send(arrive(40_001)), 14)
    t.end()
  },
)

t.test('each SSRC has its own numbers in mode same, and a fifth is refused', (t) => {
  const { map, arrive } = newMap('same')
  t.equal(map.send(arrive(10, 1)), 10)
  const second = arrive(500, 2)
  t.equal(second.restarted, true)
  t.equal(map.send(second), 500)
  t.equal(map.ssrc(second), 2)
  t.equal(map.send(arrive(11, 1)), 11)
  arrive(1, 3)
  arrive(1, 4)
  t.match(map.arrive({ ssrc: 5, sequence: 1 }), { kind: 'refused', code: 'too_many_sources' })
  t.end()
})

t.test('mode own is one stream from its own start, whatever SSRC comes in', (t) => {
  const { map, arrive } = newMap('own')
  t.same(
    [arrive(10, 1), arrive(11, 1), arrive(900, 2), arrive(12, 1)].map((arrival) => map.send(arrival)),
    [65_534, 65_535, 0, 1],
  )
  t.equal(map.ssrc(arrive(13, 1)), own.ssrc)
  t.equal(map.timestamp({ payer: 7, position: 60 }), 160)
  t.equal(newMap('same').map.timestamp({ payer: 7, position: 60 }), 7)
  t.end()
})
