import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { qualityOf, readCallQuality } from '../../src/sbc/media-quality.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from '../fakes/eventually.ts'
import { audioPort, RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine } from '../fakes/rtpengine.ts'

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

/** In this century (RFC 3550 section 4). */
const NTP_SECONDS = 0xe0000000

/** A sender report about its own stream with one report block about the other's (RFC 3550 section 6.4.1). */
function senderReport(report: {
  readonly own: number
  readonly about: number
  readonly ntpSeconds: number
  /** The middle of the NTP time of the other's last report, which came a tenth of a second ago; 0: there was none. */
  readonly lastReport: number
}): Buffer {
  const bytes = Buffer.alloc(52)
  bytes.writeUInt16BE(0x81c8, 0)
  bytes.writeUInt16BE(12, 2)
  bytes.writeUInt32BE(report.own, 4)
  bytes.writeUInt32BE(report.ntpSeconds, 8)
  bytes.writeUInt32BE(report.about, 28)
  bytes.writeUInt8(10, 32)
  bytes.writeUIntBE(3, 33, 3)
  bytes.writeUInt32BE(1_000, 36)
  bytes.writeUInt32BE(80, 40)
  bytes.writeUInt32BE(report.lastReport, 44)
  bytes.writeUInt32BE(report.lastReport === 0 ? 0 : 6_553, 48)
  return bytes
}

t.test('rtpengine rates both legs once their telephones have reported both ways', async (t) => {
  const engine = await startRtpengine()
  t.teardown(() => engine.close())
  const logger = createLogger({ role: 'test', level: 'silent' })
  const control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
  t.teardown(() => control.close())
  const [payer, agent] = [
    await RtpParty.open({ mark: 1, withRtcp: true }),
    await RtpParty.open({ mark: 2, withRtcp: true }),
  ]
  t.teardown(() => {
    payer.close()
    agent.close()
  })
  const media = new MediaSession({ engine: control, callId: 'rated' })
  const offered = await media.offer('payer', payer.sdp(), { live: false })
  const answered = await media.answer('payer', agent.sdp(), { live: false })
  if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('no media')
  payer.sendTo(answered.value)
  agent.sendTo(offered.value)
  const sourceHeardBy = (party: RtpParty): number =>
    party.datagrams.find(({ rtcpPort }) => !rtcpPort)?.bytes.readUInt32BE(8) ?? 0
  await eventually(() => payer.heard.length > 30 && agent.heard.length > 30)
  const [ofAgent, ofPayer] = [sourceHeardBy(payer), sourceHeardBy(agent)]
  const middle = (seconds: number): number => ((seconds & 0xffff) << 16) >>> 0
  for (let round = 1; round <= 6; round += 1) {
    const times = {
      ntpSeconds: NTP_SECONDS + round * 2,
      lastReport: round === 1 ? 0 : middle(NTP_SECONDS + round * 2 - 1),
    }
    payer.sendRaw(senderReport({ own: ofPayer, about: ofAgent, ...times }), audioPort(answered.value) + 1, {
      fromRtcp: true,
    })
    await delay(150)
    const back = { ntpSeconds: NTP_SECONDS + round * 2 + 1, lastReport: middle(NTP_SECONDS + round * 2) }
    agent.sendRaw(senderReport({ own: ofAgent, about: ofPayer, ...back }), audioPort(offered.value) + 1, {
      fromRtcp: true,
    })
    await delay(150)
  }
  const quality = await qualityOf(media)
  for (const leg of [quality?.payer, quality?.agent]) {
    t.match(leg, { packetsLost: 3, jitterMs: 10, mosFrom: 'rtpengine' })
    t.ok((leg?.mos ?? 0) > 3.5 && (leg?.packets ?? 0) > 10 && (leg?.roundTripMs ?? 0) > 0)
  }
})
