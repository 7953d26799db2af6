import t from 'tap'
import { readSections } from '../../src/sbc/sdp-sections.ts'
import { chooseStreams, fitStreams, turnsToFax } from '../../src/sbc/stream-choice.ts'
import { hideOrigin } from '../../src/sbc/sdp.ts'

const NOTHING = { video: false, t38: false }
const ALL = { video: true, t38: true }
const AUDIO = ['m=audio 4000 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000', 'a=mid:0', 'a=sendrecv']
const VIDEO = ['m=video 4002 RTP/AVP 96', 'a=rtpmap:96 H264/90000', 'a=rtcp-fb:96 nack', 'a=mid:1']
const TEXT = ['m=text 4004 RTP/AVP 98', 'a=rtpmap:98 t140/1000']
const MESSAGE = ['m=message 4006 TCP/MSRP *', 'a=path:msrp://192.0.2.1:4006/x;tcp']
const CHANNEL = ['m=application 4008 UDP/DTLS/SCTP webrtc-datachannel', 'a=sctp-port:5000']
const FAX = ['m=image 4010 udptl t38', 'a=T38FaxVersion:0', 'a=T38FaxUdpEC:t38UDPRedundancy']
const NO_AUDIO = ['m=audio 0 RTP/AVP 0']

function sdp(...media: readonly (readonly string[])[]): string {
  const session = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', 'a=group:BUNDLE 0 1']
  return [...session, ...media.flat(), ''].join('\r\n')
}

function kinds(text: string | null): readonly string[] {
  return readSections(text ?? '')?.media.map(({ kind, port }) => `${kind} ${port === 0 ? 'refused' : 'open'}`) ?? []
}

t.test('audio alone passes, unless both trunks let video or fax through', (t) => {
  const offer = sdp(AUDIO, VIDEO, TEXT, MESSAGE, CHANNEL)
  t.same(kinds(chooseStreams(offer, NOTHING)), ['audio open'])
  t.same(kinds(chooseStreams(offer, ALL)), ['audio open', 'video open'])
  t.same(kinds(chooseStreams(sdp(NO_AUDIO, FAX), ALL)), ['image open'])
  t.same(kinds(chooseStreams(sdp(AUDIO, FAX), ALL)), ['audio open'], 'where audio is offered too, it is taken')
  t.equal(chooseStreams(sdp(FAX), NOTHING), null)
  t.end()
})

t.test('text, messages and data channels never pass', (t) => {
  for (const stream of [TEXT, MESSAGE, CHANNEL]) {
    t.same(kinds(chooseStreams(sdp(stream, AUDIO), ALL)), ['audio open'])
    t.equal(chooseStreams(sdp(stream), ALL), null)
  }
  t.end()
})

t.test('of several audio streams the first that is in use is taken, and the answer says so at its place', (t) => {
  const second = ['m=audio 5000 RTP/AVP 8']
  const offer = sdp(NO_AUDIO, TEXT, AUDIO, second)
  t.match(chooseStreams(offer, ALL), /m=audio 4000/)
  const answer = fitStreams(sdp(['m=audio 30000 RTP/AVP 0']), offer, ALL)
  t.same(kinds(answer), ['audio refused', 'text refused', 'audio open', 'audio refused'])
  t.match(answer, /m=audio 30000 RTP\/AVP 0/)
  t.end()
})

t.test('the bundle of streams that are refused is taken apart', (t) => {
  t.notMatch(chooseStreams(sdp(AUDIO, VIDEO), NOTHING), /a=group|a=mid/)
  t.match(chooseStreams(sdp(AUDIO, VIDEO), ALL), /a=rtcp-fb:96 nack/)
  t.end()
})

t.test('an answer has as many streams as the offer, in its order', (t) => {
  const offer = sdp(VIDEO, AUDIO, TEXT)
  const audio = ['m=audio 30000 RTP/AVP 0']
  const video = ['m=video 30002 RTP/AVP 96']
  t.same(kinds(fitStreams(sdp(audio), offer, NOTHING)), ['video refused', 'audio open', 'text refused'])
  t.same(kinds(fitStreams(sdp(audio, video), offer, ALL)), ['video open', 'audio open', 'text refused'])
  t.equal(fitStreams(sdp(audio), '', ALL), sdp(audio), 'a first offer is as it is')
  t.end()
})

t.test('an offer to a leg keeps the streams that it has, and adds what is new at the end', (t) => {
  const audio = ['m=audio 30000 RTP/AVP 0']
  const video = ['m=video 30002 RTP/AVP 96']
  t.same(kinds(fitStreams(sdp(audio), sdp(AUDIO, ['m=video 0 RTP/AVP 96']), ALL)), ['audio open', 'video refused'])
  t.same(kinds(fitStreams(sdp(audio, video), sdp(AUDIO), ALL)), ['audio open', 'video open'])
  t.end()
})

t.test('fax takes the place of the audio that it replaces, and gives it back', (t) => {
  const fax = ['m=image 30000 udptl t38', 'a=T38FaxVersion:0']
  const offer = fitStreams(sdp(fax), sdp(AUDIO), ALL)
  t.same(kinds(offer), ['image open'])
  t.match(hideOrigin(offer, { sessionId: 1, version: 2 }), /a=T38FaxVersion:0/)
  t.same(kinds(fitStreams(sdp(['m=audio 30000 RTP/AVP 0']), sdp(FAX), ALL)), ['audio open'])
  t.end()
})

t.test('a call turns to fax when only an image is in use', (t) => {
  t.ok(turnsToFax(sdp(FAX)) && turnsToFax(sdp(NO_AUDIO, FAX)))
  t.notOk(turnsToFax(sdp(AUDIO, FAX)) || turnsToFax(sdp(AUDIO)) || turnsToFax(''))
  t.end()
})

t.test('what is no description, or beyond every limit, has no streams', (t) => {
  for (const bad of [
    '',
    'v=0\r\n',
    'm=audio 1 RTP/AVP 0\r\n',
    'v=0\r\nm=audio x RTP/AVP 0\r\n',
    'v=0\r\nm=audio 99999 RTP/AVP 0\r\n',
  ])
    t.equal(chooseStreams(bad, ALL), null)
  t.equal(chooseStreams(sdp(...Array.from({ length: 17 }, () => AUDIO)), ALL), null, 'seventeen streams')
  t.equal(chooseStreams(sdp(AUDIO, [`a=x:${'y'.repeat(33_000)}`]), ALL), null, 'more than 32 KiB')
  t.equal(
    chooseStreams(
      sdp(
        AUDIO,
        Array.from({ length: 1_001 }, () => 'a=x'),
      ),
      ALL,
    ),
    null,
    'more than a thousand lines',
  )
  const long = chooseStreams(
    sdp(
      AUDIO,
      Array.from({ length: 200 }, (_, index) => `a=candidate:${index} 1 udp 1 192.0.2.1 9 typ host`),
    ),
    ALL,
  )
  t.same(kinds(long), ['audio open'], 'ten KiB of candidates pass')
  t.end()
})

t.end()
