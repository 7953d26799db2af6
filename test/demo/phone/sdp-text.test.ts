import t from 'tap'
import { answerDirection, formatSdp, maySend, parseSdp } from '../../../src/demo/phone/sdp-text.ts'

const AUDIO = {
  address: '127.0.0.2',
  port: 4000,
  codecs: ['G722', 'PCMU'],
  eventPayloadType: 101,
  direction: 'sendonly',
} as const

t.test('what was written is read again', (t) => {
  t.same(parseSdp(formatSdp(AUDIO, { user: 'x', session: 1, version: 2 })), AUDIO)
  const without = { ...AUDIO, eventPayloadType: undefined }
  t.same(parseSdp(formatSdp(without, { user: 'x', session: 1, version: 2 })), without)
  t.end()
})

t.test('a media line may have its own address, and other media are passed over', (t) => {
  const text =
    'v=0\r\nc=IN IP4 1.1.1.1\r\nm=video 9 RTP/AVP 96\r\na=inactive\r\nm=audio 5000 RTP/AVP 8 96\r\nc=IN IP4 2.2.2.2\r\na=rtpmap:96 telephone-event/8000\r\n'
  const audio = parseSdp(text.replace('m=video 9 RTP/AVP 96\r\na=inactive\r\n', ''))
  t.same(audio, { address: '2.2.2.2', port: 5000, codecs: ['PCMA'], eventPayloadType: 96, direction: 'sendrecv' })
  t.end()
})

t.test('SDP without usable audio is refused', (t) => {
  for (const text of ['', 'v=0', 'm=audio 5000 RTP/AVP 0', 'c=IN IP4 1.1.1.1\r\nm=video 9 RTP/AVP 96']) {
    t.equal(parseSdp(text), undefined)
  }
  t.end()
})

t.test('nobody sends to someone who does not listen', (t) => {
  const direction = (theirs: typeof AUDIO.direction | 'sendrecv' | 'recvonly' | 'inactive') => ({
    ...AUDIO,
    direction: theirs,
  })
  t.equal(maySend('sendrecv', direction('sendrecv')), true)
  t.equal(maySend('sendrecv', direction('sendonly')), false)
  t.equal(maySend('recvonly', direction('sendrecv')), false)
  t.equal(maySend('sendrecv', { ...direction('sendrecv'), address: '0.0.0.0' }), false)
  t.same(
    ['sendrecv', 'sendonly', 'recvonly', 'inactive'].map((way) => answerDirection(way as 'sendrecv')),
    ['sendrecv', 'recvonly', 'sendonly', 'inactive'],
  )
  t.end()
})
