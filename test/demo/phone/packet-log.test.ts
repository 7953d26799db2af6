import t from 'tap'
import { PacketLog } from '../../../src/demo/phone/packet-log.ts'

t.test('the report holds what was logged, and what was no RTP is counted', (t) => {
  const log = new PacketLog()
  const packet = { payloadType: 0, ssrc: 1, sequence: 2, timestamp: 3, marker: false, payload: Uint8Array.of(1) }
  log.received(packet)
  log.received(undefined)
  log.sent({ atUs: 5, ...packet })
  log.sip('received', Buffer.from('hello'))
  log.rtcpReceived(Buffer.of(9))
  const report = log.report('payer')
  t.match(report, { name: 'payer', notRtp: 1, truncated: false, sipReceived: ['hello'], sipSent: [] })
  t.match(report.received, [packet])
  t.match(report.sent, [{ atUs: 5 }])
  t.match(report.rtcpReceived, [{ bytes: Uint8Array.of(9) }])
  t.end()
})

t.test('a full log says that it was cut', (t) => {
  const log = new PacketLog()
  const line = Buffer.from('x')
  for (let index = 0; index < 20_001; index += 1) log.sip('sent', line)
  t.match(log.report('payer'), { truncated: true, sipSent: { length: 20_000 } })
  t.end()
})
