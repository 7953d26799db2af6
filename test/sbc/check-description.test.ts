import t from 'tap'
import { eventTypesOf, readFarDescription, writeCheckDescription } from '../../src/sbc/check-description.ts'

const media = { host: '192.0.2.1', port: 30_000 }
const write = (offer: Parameters<typeof writeCheckDescription>[0]['offer']) =>
  writeCheckDescription({ media, sessionId: 7, version: 1, offer })
const far = (formats: string, lines: readonly string[] = []) =>
  [
    'v=0',
    'o=x 1 1 IN IP4 192.0.2.9',
    's=-',
    'c=IN IP4 192.0.2.9',
    't=0 0',
    `m=audio 4000 RTP/AVP ${formats}`,
    ...lines,
    '',
  ].join('\r\n')

t.test('our offer names both laws and telephone events, and can be read again', (t) => {
  const offer = readFarDescription(write(null))
  t.match(offer, { remote: media, law: 'ulaw', events: [101], ptimeMs: 20 })
  t.end()
})

t.test('an answer names the first law of the offer and its event numbers', (t) => {
  const offer = readFarDescription(far('9 8 0 96', ['a=rtpmap:96 telephone-event/8000', 'a=ptime:30']))
  if (typeof offer === 'string') throw new Error('the offer is good')
  t.match(offer, {
    law: 'alaw',
    events: [96],
    ptimeMs: 30,
    codecs: ['G722/8000 (9)', 'PCMA/8000 (8)', 'PCMU/8000 (0)', /96/],
  })
  const answer = write(offer)
  t.match(answer, /m=audio 30000 RTP\/AVP 8 96\r\n/)
  t.match(answer, /a=rtpmap:96 telephone-event\/8000/)
  t.same(eventTypesOf(offer), [101, 96])
  t.end()
})

t.test('events of another clock are left out, and so are descriptions without G.711 or audio', (t) => {
  t.match(readFarDescription(far('0 97', ['a=rtpmap:97 telephone-event/48000'])), { events: [], ptimeMs: null })
  t.equal(readFarDescription(far('18 9')), 'no_g711')
  t.equal(readFarDescription(far('0').replace('4000', '0')), 'no_audio')
  t.equal(readFarDescription(''), 'no_audio')
  t.equal(readFarDescription('v=0\r\nm=audio x'), 'no_audio')
  t.end()
})
