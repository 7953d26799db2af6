import t from 'tap'
import { delaysByTimestamp } from '../../../src/demo/measure/packet-delay.ts'
import type { LoggedPacket } from '../../../src/demo/phone/phone-protocol.ts'

function packet(atUs: number, timestamp: number, payloadType = 0): LoggedPacket {
  return { atUs, timestamp, payloadType, ssrc: 1, sequence: 1, marker: false, payload: new Uint8Array(160) }
}

t.test('packets meet by timestamp, events and chance meetings are left out', (t) => {
  const sent = [packet(1_000, 1), packet(21_000, 161), packet(41_000, 321, 101)]
  const received = [packet(3_500, 1), packet(9_000_000, 161), packet(42_000, 321, 101), packet(50_000, 999)]
  t.same(delaysByTimestamp(sent, received), [{ sentUs: 1_000, receivedUs: 3_500, delayMs: 2.5, by: 'timestamp' }])
  t.end()
})
