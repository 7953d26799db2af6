import t from 'tap'
import { infoKeyOf, readOutOfBand } from '../../../src/demo/judge/out-of-band-judge.ts'
import type { LoggedPacket } from '../../../src/demo/phone/phone-protocol.ts'

function packet(atUs: number, timestamp: number, payload: Uint8Array, payloadType = 101): LoggedPacket {
  return { atUs, payloadType, ssrc: 1, sequence: 0, timestamp, marker: false, payload }
}

t.test('an event counts once, on whatever dynamic payload type it comes', (t) => {
  const packets = [
    packet(1, 0, Uint8Array.of(4, 10, 0, 160)),
    packet(2, 0, Uint8Array.of(4, 138, 1, 64)),
    packet(4, 999, Uint8Array.of(11, 138, 1, 64), 120),
  ]
  const infos = [{ atUs: 3, contentType: 'application/dtmf', body: '7' }]
  t.equal(readOutOfBand({ packets, infos }), '47#')
  t.end()
})

t.test('what is no event is not read as one', (t) => {
  const packets = [
    packet(1, 0, Uint8Array.of(16, 10, 0, 160)),
    packet(2, 1, Uint8Array.of(4, 10, 0)),
    packet(3, 2, Uint8Array.of(4, 10, 0, 160), 0),
  ]
  t.equal(readOutOfBand({ packets, infos: [{ atUs: 1, contentType: 'text/plain', body: '7' }] }), '')
  t.equal(infoKeyOf({ atUs: 0, contentType: 'application/dtmf-relay', body: 'Signal=12' }), undefined)
  t.same(infoKeyOf({ atUs: 0, contentType: 'application/dtmf-relay', body: 'Signal= *\r\nDuration= 160\r\n' }), {
    key: '*',
    durationMs: 160,
  })
  t.end()
})
