import t from 'tap'
import { hideOrigin, isHeld, readAudio, voiceCodecs, withEndpoint } from '../../src/sbc/sdp.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const PHONE = [
  'v=0',
  'o=alice 2890844526 2890844527 IN IP4 phone-17.alice.example.com',
  's=Alice on Exampliphone 3.2',
  'i=Do call my secretary',
  'u=http://alice.example.com/',
  'e=alice@example.com',
  'p=+49 89 1234567',
  'c=IN IP4 192.0.2.10',
  'b=AS:128',
  't=0 0',
  'k=clear:secret',
  'a=tool:exampliphone 3.2',
  'a=group:BUNDLE 0',
  'm=audio 40000 RTP/AVP 9 0 8 96 101 13',
  'i=The microphone of Alice',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:96 opus/48000/2',
  'a=fmtp:96 useinbandfec=1',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-16',
  'a=label:alice-microphone',
  'a=x-vendor:Exampliphone;serial=4711',
  'a=ssrc:1234 cname:alice@192.0.2.10',
  'a=ptime:20',
  'a=sendonly',
  '',
].join('\r\n')

const ORIGIN = { sessionId: 77, version: 3 }

t.test('the first audio stream is read: address, port, codecs with and without rtpmap, direction', (t) => {
  const audio = readAudio(PHONE)
  t.match(audio, { host: '192.0.2.10', port: 40_000, protocol: 'RTP/AVP', direction: 'sendonly' })
  t.same(
    audio?.codecs.map((codec) => [codec.payloadType, codec.name, codec.clockRate, codec.fmtp]),
    [
      [9, 'G722', 8_000, null],
      [0, 'PCMU', 8_000, null],
      [8, 'PCMA', 8_000, null],
      [96, 'OPUS', 48_000, 'useinbandfec=1'],
      [101, 'TELEPHONE-EVENT', 8_000, '0-16'],
      [13, 'CN', 8_000, null],
    ],
  )
  t.same(audio === null ? [] : voiceCodecs(audio).map((codec) => codec.name), ['G722', 'PCMU', 'PCMA', 'OPUS'])
  t.end()
})

t.test('an address of the stream goes before one of the session, and a later stream is not looked at', (t) => {
  const sdp = `${PHONE}m=video 50000 RTP/AVP 31\r\nc=IN IP4 192.0.2.99\r\na=recvonly\r\n`
  t.match(readAudio(sdp), { host: '192.0.2.10', direction: 'sendonly' })
  t.match(readAudio(sdp.replace('a=ptime:20', 'c=IN IP6 2001:db8::1\r\na=ptime:20')), { host: '2001:db8::1' })
  t.match(
    readAudio('v=0\nc=IN IP4 192.0.2.1\nm=video 1 RTP/AVP 31\nm=audio 2 RTP/AVP 0\n'),
    { port: 2 },
    'bare line feeds',
  )
  t.end()
})

t.test('a stream is held when it is not sendrecv, or has no address (RFC 2543)', (t) => {
  const with_ = (direction: string, host = '192.0.2.1') =>
    readAudio(`v=0\r\nc=IN IP4 ${host}\r\nm=audio 4 RTP/AVP 0\r\na=${direction}\r\n`)
  for (const direction of ['sendonly', 'recvonly', 'inactive']) {
    const audio = with_(direction)
    t.ok(audio !== null && isHeld(audio), direction)
  }
  const talking = with_('sendrecv')
  const old = with_('sendrecv', '0.0.0.0')
  t.notOk(talking !== null && isHeld(talking))
  t.ok(old !== null && isHeld(old))
  t.end()
})

t.test('what is no usable description is null', (t) => {
  const bad = [
    '',
    'hello',
    'v=1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP 0\r\n',
    'v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 4 RTP/AVP 31\r\n',
    'v=0\r\nm=audio 4 RTP/AVP 0\r\n',
    'v=0\r\nc=IN IP4 host.example.com\r\nm=audio 4 RTP/AVP 0\r\n',
    'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 70000 RTP/AVP 0\r\n',
    'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio -1 RTP/AVP 0\r\n',
    'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP 128\r\n',
    'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4 RTP/AVP zero\r\n',
  ]
  for (const sdp of bad) t.equal(readAudio(sdp), null, JSON.stringify(sdp))
  t.end()
})

t.test('more than the limits is refused, and refused soon', (t) => {
  const head = 'v=0\r\nc=IN IP4 192.0.2.1\r\n'
  t.equal(readAudio(`${head}m=audio 4 RTP/AVP ${Array.from({ length: 65 }, () => 0).join(' ')}\r\n`), null)
  t.equal(readAudio(`${head}m=audio 4 RTP/AVP 0\r\n${'a=x\r\n'.repeat(1_000)}`), null)
  t.equal(hideOrigin(`${head}m=audio 4 RTP/AVP 0\r\n${'a=x\r\n'.repeat(1_000)}`, ORIGIN), null)
  const startedMs = performance.now()
  t.equal(readAudio(`${head}m=audio 4 RTP/AVP 0\r\na=${'x'.repeat(5_000_000)}\r\n`), null)
  t.equal(hideOrigin('v=0\r\n'.repeat(1_000_000), ORIGIN), null)
  t.ok(performance.now() - startedMs < 1_000)
  t.end()
})

t.test('the copy for the other side names nobody, no product and no host', (t) => {
  const shown = hideOrigin(PHONE.replace('phone-17.alice.example.com', '192.0.2.10'), ORIGIN) ?? ''
  for (const word of [
    'alice',
    'Alice',
    'xampliphone',
    'secretary',
    'example.com',
    '1234567',
    'secret',
    'serial',
    '2890844526',
    'label',
    'ssrc',
  ])
    t.notOk(shown.includes(word), word)
  t.match(shown, /^o=- 77 3 IN IP4 192\.0\.2\.10\r$/m)
  t.match(shown, /^s=-\r$/m)
  t.end()
})

t.test('a foreign origin is not passed even when it has a host name or too few words', (t) => {
  for (const origin of [
    'o=alice 1 1 IN IP4 secret.example.com',
    'o=secret',
    'o=',
    'o=a b c d e f secret',
    'o=alice secret',
  ])
    t.notOk((hideOrigin(`v=0\r\n${origin}\r\ns=x\r\n`, ORIGIN) ?? '').includes('secret'), origin)
  t.end()
})

t.test('the copy says the same about the media', (t) => {
  const shown = hideOrigin(PHONE.replace('phone-17.alice.example.com', '192.0.2.10'), ORIGIN) ?? ''
  t.same(readAudio(shown), readAudio(PHONE))
  t.equal(hideOrigin(shown, ORIGIN), shown, 'hiding twice changes nothing more')
  t.end()
})

t.test('a leg behind NAT gets the address it was heard from, and loses its RTCP address', (t) => {
  const moved = withEndpoint(`${PHONE}a=rtcp:40001 IN IP4 192.0.2.10\r\n`, { host: '203.0.113.5', port: 61_000 })
  t.match(readAudio(moved), { host: '203.0.113.5', port: 61_000, direction: 'sendonly' })
  t.notOk(moved.includes('a=rtcp:'))
  t.match(readAudio(withEndpoint(PHONE, { host: '2001:db8::5', port: 6 })), { host: '2001:db8::5', port: 6 })
  const video = `${PHONE}m=video 50000 RTP/AVP 31\r\nc=IN IP4 192.0.2.99\r\n`
  t.match(withEndpoint(video, { host: '203.0.113.5', port: 7 }), /m=video 50000 RTP\/AVP 31\r\nc=IN IP4 192\.0\.2\.99/)
  t.match(withEndpoint(video, { host: '203.0.113.5', port: 7 }), /m=audio 7 /)
  t.end()
})

t.test('moving an endpoint twice leaves one address line in the stream, at its place', (t) => {
  const once = withEndpoint(PHONE, { host: '203.0.113.5', port: 7 })
  const twice = withEndpoint(once, { host: '203.0.113.6', port: 8 })
  t.match(readAudio(twice), { host: '203.0.113.6', port: 8 })
  const lines = twice.split('\r\n')
  const media = lines.slice(lines.findIndex((line) => line.startsWith('m=audio')))
  t.equal(media.filter((line) => line.startsWith('c=')).length, 1)
  const connectionAt = media.findIndex((line) => line.startsWith('c='))
  t.ok(connectionAt < media.findIndex((line) => line.startsWith('a=')), 'c= stands before a= (RFC 8866 section 5)')
  t.end()
})

t.test('random and damaged descriptions are read or refused, never thrown at, and never leak a word', (t) => {
  const random = seededRandom(20_260_801)
  const lines = [
    ...PHONE.split('\r\n'),
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'm=',
    'c=',
    'o=',
    'a=',
    'a=rtpmap:0 ',
    'a=rtpmap:0 X',
    'c=IN IP6 ::',
  ]
  for (let round = 0; round < 3_000; round += 1) {
    const chosen = Array.from({ length: random.below(30) }, () => lines[random.below(lines.length)] ?? '')
    const sdp = damage(`v=0\r\n${chosen.join(random.below(2) === 0 ? '\r\n' : '\n')}`)
    const audio = readAudio(sdp)
    if (audio !== null && !(audio.port >= 0 && audio.port <= 65_535)) t.fail('a port that is none')
    const shown = hideOrigin(sdp, ORIGIN)
    if (shown !== null && /\n[iuepkz]=/.test(shown)) t.fail('a line that names somebody')
    withEndpoint(sdp, { host: '192.0.2.1', port: 9 })
  }
  t.pass('3,000 descriptions')
  t.end()

  function damage(text: string): string {
    const characters = Array.from(text)
    for (let hits = random.below(4); hits > 0; hits -= 1)
      characters[random.below(characters.length)] = String.fromCharCode(random.below(300))
    return characters.join('')
  }
})
