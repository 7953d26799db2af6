import t from 'tap'
import { EgressSentinel } from '../../../src/cde/guard/egress-sentinel.ts'
import { decodeUlaw, encodeAlaw } from '../../../src/cde/guard/g711.ts'
import { buildRtp } from '../../../src/cde/guard/rtp-packet.ts'
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
