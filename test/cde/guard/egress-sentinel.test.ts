import t from 'tap'
import { EgressSentinel } from '../../../src/cde/guard/egress-sentinel.ts'
import { decodeUlaw, encodeAlaw } from '../../../src/cde/guard/g711.ts'
import { buildRtp, parseRtp } from '../../../src/cde/guard/rtp-packet.ts'
import { KEYS, keySeries, NOMINAL, toUlaw, type KeySeries } from '../../fakes/dtmf-signal.ts'
import { recordedSpeech } from '../../fakes/recorded-speech.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

function packets(audio: Uint8Array, options: { readonly size: number; readonly law: 'ulaw' | 'alaw' }): Buffer[] {
  const payload = options.law === 'ulaw' ? audio : encodeAlaw(decodeUlaw(audio))
  return Array.from({ length: Math.floor(audio.length / options.size) }, (_, index) =>
    buildRtp({
      payloadType: options.law === 'ulaw' ? 0 : 8,
      marker: false,
      sequence: index,
      timestamp: index * options.size,
      ssrc: 1,
      payload: payload.subarray(index * options.size, (index + 1) * options.size),
    }),
  )
}

function keysHeard(series: Partial<KeySeries>, options: { readonly size: number; readonly law: 'ulaw' | 'alaw' }) {
  const keys = Array.from({ length: KEYS }, (_, key) => key)
  const { signal, presses } = keySeries({ ...NOMINAL, keys, ...series }, seededRandom(12))
  const sentinel = new EgressSentinel()
  const verdicts = packets(toUlaw(signal), options).map((packet) => sentinel.judge(packet))
  return presses.filter(({ start, samples }) =>
    verdicts
      .slice(Math.floor(start / options.size), Math.ceil((start + samples) / options.size))
      .some((cause) => cause === 'tone'),
  ).length
}

t.test('every key is heard, from -3 to -45 dBm0, twisted, off frequency, in either law and any packet time', (t) => {
  for (const levelDbm0 of [-3, -20, -45]) t.equal(keysHeard({ levelDbm0 }, { size: 160, law: 'ulaw' }), KEYS)
  for (const twistDb of [-12, 12]) t.equal(keysHeard({ twistDb }, { size: 160, law: 'ulaw' }), KEYS)
  for (const offset of [-0.035, 0.035]) t.equal(keysHeard({ offset }, { size: 160, law: 'alaw' }), KEYS)
  for (const size of [40, 80, 240, 480]) t.equal(keysHeard({}, { size, law: 'alaw' }), KEYS)
  t.equal(keysHeard({ tone: [200, 200] }, { size: 160, law: 'ulaw' }), KEYS)
  t.end()
})

t.test('two minutes of speech, noise, silence and a single sine raise nothing', (t) => {
  const random = seededRandom(8)
  const signals = [
    Float64Array.from(recordedSpeech({ secondsMax: 120 }).samples),
    Float64Array.from({ length: 80_000 }, () => random.gaussian() * 800),
    new Float64Array(8000),
    Float64Array.from({ length: 8000 }, (_, n) => 6000 * Math.sin((2 * Math.PI * 770 * n) / 8000)),
    Float64Array.from({ length: 8000 }, (_, n) => 6000 * Math.sin((2 * Math.PI * 440 * n) / 8000) * Math.sin(n / 3)),
  ]
  for (const signal of signals) {
    const sentinel = new EgressSentinel()
    t.notOk(packets(toUlaw(signal), { size: 160, law: 'ulaw' }).some((packet) => sentinel.hearsTone(packet)))
  }
  t.end()
})

t.test('packets of any bytes and length are judged without throwing', (t) => {
  const random = seededRandom(9)
  const sentinel = new EgressSentinel()
  for (let round = 0; round < 5000; round += 1) {
    sentinel.judge(Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256))))
  }
  t.equal(sentinel.judge(Buffer.alloc(1500)), 'header')
  t.equal(sentinel.judge(Buffer.alloc(0)), 'header')
  t.end()
})

t.test('whatever is no plain packet of audio is an alarm: events, comfort noise, extensions, padding, sources', (t) => {
  const packet = (payloadType: number, bytes = 160) =>
    buildRtp({ payloadType, marker: false, sequence: 1, timestamp: 1, ssrc: 1, payload: Buffer.alloc(bytes, 0xff) })
  const sentinel = new EgressSentinel()
  for (const payloadType of [101, 96, 127, 13, 9, 18, 3]) t.equal(sentinel.judge(packet(payloadType)), 'not_audio')
  for (const first of [0x90, 0xa0, 0x81, 0x00]) {
    const datagram = packet(0)
    datagram[0] = first
    t.equal(sentinel.judge(datagram), 'header')
  }
  for (const payloadType of [0, 8]) t.equal(sentinel.judge(packet(payloadType)), null)
  t.end()
})

t.test('a packet may be as long as the longest of the payer’s, or as noise in place of an event', (t) => {
  const sentinel = new EgressSentinel()
  const parts = { payloadType: 8, marker: false, sequence: 1, timestamp: 1, ssrc: 1 }
  const packet = (bytes: number) => buildRtp({ ...parts, payload: Buffer.alloc(bytes, 0xd5) })
  t.equal(sentinel.judge(packet(480)), null)
  t.equal(sentinel.judge(packet(481)), 'too_long')
  sentinel.heard({ ...parts, payload: Buffer.alloc(800, 0xd5) })
  t.equal(sentinel.judge(packet(800)), null)
  t.equal(sentinel.judge(packet(801)), 'too_long')
  t.end()
})

t.test('a key that goes through as it came is stopped with its first packet, at 10 to 60 ms and in either law', (t) => {
  const { signal, presses } = keySeries({ ...NOMINAL, keys: [5], tone: [800, 800] }, seededRandom(12))
  for (const law of ['ulaw', 'alaw'] as const) {
    for (const size of [80, 160, 240, 320, 480]) {
      const sentinel = new EgressSentinel()
      const stream = packets(toUlaw(signal), { size, law })
      // As far behind as the look-ahead of 40 ms, but one packet at least.
      const behind = Math.max(1, Math.floor(320 / size))
      const [press] = presses
      let passed = 0
      stream.forEach((datagram, index) => {
        const parsed = parseRtp(datagram)
        if (parsed.kind === 'rtp') sentinel.heard(parsed.packet)
        const leaving = stream[index - behind]
        if (leaving === undefined || press === undefined || sentinel.judge(leaving) !== null) return
        const from = (index - behind) * size
        passed += Math.max(0, Math.min(from + size, press.start + press.samples) - Math.max(from, press.start))
      })
      t.ok(passed <= 80, `${law}, ${size / 8} ms: ${passed} samples of both ends passed`)
    }
  }
  t.end()
})

t.test('two windows whose packets come by turns are each judged as if alone', (t) => {
  const streamOf = (keys: readonly number[], size: number) =>
    packets(toUlaw(keySeries({ ...NOMINAL, keys }, seededRandom(14)).signal), { size, law: 'ulaw' })
  const streams = [streamOf([1, 5, 9], 80), streamOf([0, 12, 7], 176)]
  const alone = streams.map((stream) => {
    const sentinel = new EgressSentinel()
    return stream.map((packet) => sentinel.judge(packet))
  })
  const sentinels = streams.map(() => new EgressSentinel())
  const byTurns: (typeof alone)[number][] = streams.map(() => [])
  for (let index = 0; index < Math.max(...streams.map(({ length }) => length)); index += 1) {
    for (const [window, stream] of streams.entries()) {
      const packet = stream[index]
      if (packet !== undefined) byTurns[window]?.push(sentinels[window]?.judge(packet) ?? null)
    }
  }
  t.same(byTurns, alone)
  t.ok(alone.every((verdicts) => verdicts.includes('tone')))
  t.end()
})
