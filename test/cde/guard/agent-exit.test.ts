import t from 'tap'
import { AgentExit, type MaskingFailure } from '../../../src/cde/guard/agent-exit.ts'
import type { SentinelCause } from '../../../src/cde/guard/egress-sentinel.ts'
import { buildRtp } from '../../../src/cde/guard/rtp-packet.ts'

const PAYER = Buffer.alloc(160, 0x35)

function packet(payloadType = 0): Buffer {
  return buildRtp({ payloadType, marker: false, sequence: 7, timestamp: 160, ssrc: 9, payload: PAYER })
}

function exit(causes: (SentinelCause | null)[]) {
  const failed: MaskingFailure[] = []
  let wiped = 0
  const way = new AgentExit({
    sentinel: { heard: () => undefined, judge: () => causes.shift() ?? null, wipe: () => (wiped += 1) },
    noiseSeed: 3,
    failed: (failure) => failed.push(failure),
  })
  return { way, failed, wiped: () => wiped }
}

t.test('while nothing is amiss packets leave as they are', (t) => {
  const { way, failed } = exit([])
  const datagram = packet()
  t.ok(way.admits(datagram))
  t.same(datagram, packet())
  t.same(failed, [])
  t.end()
})

t.test('after one failure nothing of the masker’s is believed: every later packet is overwritten', (t) => {
  for (const payloadType of [0, 8]) {
    const { way, failed } = exit(['tone', null, null])
    t.notOk(way.admits(packet(payloadType)))
    for (let count = 0; count < 2; count += 1) {
      const datagram = packet(payloadType)
      t.ok(way.admits(datagram))
      t.same(datagram.subarray(0, 12), packet(payloadType).subarray(0, 12), 'the header is the same')
      t.equal(datagram.length, packet().length)
      t.ok(new Set(datagram.subarray(12)).size > 3, 'it is noise')
      t.notOk(datagram.subarray(12).includes(PAYER.subarray(0, 8)))
    }
    t.same(failed, ['tone'])
  }
  t.end()
})

t.test('a masker that goes on is told once more, and nothing of it is sent', (t) => {
  const { way, failed, wiped } = exit(['repeated', 'repeated', 'not_audio', 'tone'])
  for (let count = 0; count < 4; count += 1) t.notOk(way.admits(packet()))
  t.same(failed, ['repeated', 'hard_not_obeyed'])
  way.wipe()
  t.equal(wiped(), 1)
  t.end()
})
