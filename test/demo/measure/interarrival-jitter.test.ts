import t from 'tap'
import { interarrivalJitterMs } from '../../../src/demo/measure/interarrival-jitter.ts'
import type { LoggedPacket } from '../../../src/demo/phone/phone-protocol.ts'

function stream(offsetsUs: (index: number) => number): readonly LoggedPacket[] {
  return Array.from({ length: 400 }, (_, index) => ({
    atUs: index * 20_000 + offsetsUs(index),
    payloadType: 0,
    ssrc: 1,
    sequence: index,
    timestamp: (0xfffff000 + index * 160) >>> 0,
    marker: false,
    payload: new Uint8Array(160),
  }))
}

t.test('an even stream has no jitter, an uneven one that of RFC 3550', (t) => {
  t.equal(interarrivalJitterMs(stream(() => 0)), 0)
  const swinging = interarrivalJitterMs(stream((index) => (index % 2) * 5_000)) ?? 0
  t.ok(Math.abs(swinging - 5) < 0.01, 'every difference is 5 ms, so the estimate ends there')
  t.equal(interarrivalJitterMs([]), undefined)
  t.end()
})
