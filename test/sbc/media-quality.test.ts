import t from 'tap'
import { qualityOf, readCallQuality } from '../../src/sbc/media-quality.ts'

const TAGS = { payer: 'payer', agent: 'agent' }

function tag(ssrc: number, packets: number): unknown {
  return { medias: [{ streams: [{ SSRC: ssrc, stats: { packets, bytes: packets * 172 } }] }] }
}

t.test('a stream that rtpengine rated has its score, and where it is from', (t) => {
  // As 10.5.3.5 answers when both telephones send sender and receiver reports.
  const reply = {
    tags: { payer: tag(1, 138), agent: tag(2, 140), 'guard-payer': tag(3, 9) },
    SSRC: {
      '1': {
        'cumulative loss': 3,
        'average MOS': { MOS: 41, 'round-trip time': 100_193, jitter: 10, 'packet loss': 3, samples: 1 },
      },
      '2': { 'cumulative loss': 0, 'average MOS': { MOS: 0, 'round-trip time': 0, jitter: 4, 'packet loss': 0 } },
    },
  }
  const { payer, agent } = readCallQuality(reply, TAGS)
  t.same(payer, {
    packets: 138,
    octets: 23_736,
    packetsLost: 3,
    lossPercent: 3,
    jitterMs: 10,
    roundTripMs: 100.2,
    mos: 4.1,
    mosFrom: 'rtpengine',
  })
  t.match(agent, { packets: 140, roundTripMs: null, mos: 4.41, mosFrom: 'e-model' })
  t.end()
})

t.test('without RTCP nothing but the counts is known, and nothing is made up', (t) => {
  const { payer } = readCallQuality({ tags: { payer: tag(1, 5), agent: tag(2, 6) }, SSRC: {} }, TAGS)
  t.same(payer, {
    packets: 5,
    octets: 860,
    packetsLost: null,
    lossPercent: null,
    jitterMs: null,
    roundTripMs: null,
    mos: null,
    mosFrom: null,
  })
  t.end()
})

t.test('an answer of any shape is read', (t) => {
  for (const reply of [{}, { tags: 1 }, { tags: { payer: { medias: [{ streams: 'x' }] } } }, { tags: null, SSRC: [] }])
    t.match(readCallQuality(reply, TAGS), { payer: { packets: 0, mos: null }, agent: { packets: 0, mos: null } })
  t.end()
})

t.test('media that cannot be asked has no quality', async (t) => {
  t.equal(await qualityOf({ facts: () => Promise.resolve({ kind: 'failed' }) }), null)
  const quality = readCallQuality({}, TAGS)
  t.equal(await qualityOf({ facts: () => Promise.resolve({ kind: 'ok', value: { quality } }) }), quality)
})
