import t from 'tap'
import { decodeAlaw, decodeUlaw, encodeAlaw, encodeUlaw } from '../../../src/cde/guard/g711.ts'
import { PayerEcho } from '../../../src/cde/guard/payer-echo.ts'
import { addSpeech, KEYS, keySeries, NOMINAL, toUlaw } from '../../fakes/dtmf-signal.ts'
import { recordedSpeech } from '../../fakes/recorded-speech.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const LOOK_AHEAD_SAMPLES = 320

/** All keys once, and what a listener would get of them if everything went through that the echo does not stop. */
function letThrough(options: {
  readonly size: number
  readonly law: 'ulaw' | 'alaw'
  readonly levelDbm0?: number
  readonly change?: (payload: Uint8Array) => Uint8Array
}) {
  const { size, law, levelDbm0 = -10, change = (payload: Uint8Array): Uint8Array => payload } = options
  const keys = Array.from({ length: KEYS }, (_, key) => key)
  const { signal, presses } = keySeries({ ...NOMINAL, keys, levelDbm0 }, seededRandom(4))
  const ulaw = toUlaw(signal)
  const audio: Uint8Array = law === 'ulaw' ? ulaw : encodeAlaw(decodeUlaw(ulaw))
  const decode = law === 'ulaw' ? decodeUlaw : decodeAlaw
  const echo = new PayerEcho()
  const stopped = new Uint8Array(audio.length)
  const ahead = Math.floor(LOOK_AHEAD_SAMPLES / size)
  const payload = (index: number) => audio.subarray(index * size, (index + 1) * size)
  for (let index = 0; (index + 1) * size <= audio.length; index += 1) {
    echo.heard(payload(index), law, (index * size) >>> 0)
    if (index >= ahead && echo.repeats(decode(change(payload(index - ahead)))))
      stopped.fill(1, (index - ahead) * size, (index - ahead + 1) * size)
  }
  return presses.map(
    ({ start, samples }) => samples - stopped.subarray(start, start + samples).reduce((a, b) => a + b, 0),
  )
}

t.test('of a key that goes through as it came at most 5 ms leave, in either law and at 10, 20 and 30 ms', (t) => {
  for (const law of ['ulaw', 'alaw'] as const) {
    for (const size of [80, 160, 240]) {
      const passed = letThrough({ size, law })
      t.ok(Math.max(...passed) <= 80, `${law} ${size}: at most ${Math.max(...passed)} samples at both ends together`)
    }
  }
  t.end()
})

t.test('a copy at half the level is one too, and noise in its place is none', (t) => {
  const halved = (payload: Uint8Array) => encodeUlaw(decodeUlaw(payload).map((sample) => Math.round(sample / 2)))
  t.ok(Math.max(...letThrough({ size: 160, law: 'ulaw', change: halved })) <= 160)
  const random = seededRandom(6)
  const noise = (payload: Uint8Array) => encodeUlaw(Int16Array.from(payload, () => Math.round(random.gaussian() * 300)))
  const passed = letThrough({ size: 160, law: 'ulaw', change: noise })
  t.ok(Math.min(...passed) > 0, 'nothing was stopped')
  t.end()
})

t.test('speech goes through as it came, before and after keys', (t) => {
  const { signal } = keySeries({ ...NOMINAL, keys: [0, 5, 10] }, seededRandom(5))
  const silent = new Float64Array(16_000)
  const talk = new Float64Array(signal.length + 2 * silent.length)
  addSpeech({ signal: talk, speech: recordedSpeech({ secondsMax: 10 }).samples, levelDbm0: -20, from: 0 })
  const keyed = talk.map((sample, index) => sample + (signal[index - silent.length] ?? 0))
  const audio = toUlaw(keyed)
  const echo = new PayerEcho()
  let stopped = 0
  for (let at = 0; at + 160 <= audio.length; at += 160) {
    echo.heard(audio.subarray(at, at + 160), 'ulaw', at)
    const leaves = at - 320
    const isSpeech = leaves >= 0 && (leaves < silent.length - 160 || leaves > silent.length + signal.length)
    if (isSpeech && echo.repeats(decodeUlaw(audio.subarray(leaves, leaves + 160)))) stopped += 1
  }
  t.equal(stopped, 0)
  t.end()
})

t.test('after a wipe nothing is known, and any bytes and lengths are taken', (t) => {
  const echo = new PayerEcho()
  const random = seededRandom(7)
  for (let round = 0; round < 2_000; round += 1) {
    const payload = Uint8Array.from({ length: random.below(1_200) }, () => random.below(256))
    echo.heard(payload, round % 2 === 0 ? 'ulaw' : 'alaw', random.below(2 ** 32))
    echo.repeats(decodeUlaw(payload))
  }
  echo.wipe()
  echo.wipe()
  t.notOk(echo.repeats(decodeUlaw(new Uint8Array(160))))
  t.end()
})
