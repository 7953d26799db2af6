import t from 'tap'
import { decodeAlaw, decodeUlaw } from '../../../src/cde/guard/g711.ts'
import type { KeyPress } from '../../../src/cde/guard/key-press.ts'
import { ToneReceiver } from '../../../src/cde/guard/tone-receiver.ts'
import { dtmfTones, ulawPackets, type Tone } from '../../fakes/dtmf-tones.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const random = seededRandom(23)
const between = (low: number, high: number) => low + random.next() * (high - low)
const ALL_KEYS = Array.from({ length: 16 }, (_, key) => key)

type Line = {
  readonly ptimeMs?: number
  readonly noiseDbm0?: number
  readonly lost?: () => boolean
  readonly swapped?: boolean
}

/** Presses found in these samples, sent as u-law packets. */
function received(samples: Int16Array, line: Line = {}): readonly KeyPress[] {
  const { ptimeMs = 20, lost = () => false, swapped = false } = line
  const presses: KeyPress[] = []
  const receiver = new ToneReceiver((press) => presses.push(press))
  const packets = ulawPackets(samples, ptimeMs).map((payload, index) => ({ payload, startMs: index * ptimeMs }))
  if (swapped)
    for (let index = 0; index + 1 < packets.length; index += 3)
      packets.splice(index, 2, ...packets.slice(index, index + 2).reverse())
  for (const { payload, startMs } of packets)
    if (!lost()) receiver.accept(decodeUlaw(payload), startMs, startMs + ptimeMs)
  return presses
}

/** Sends all sixteen keys some times over; returns how many were sent and which came out wrong. */
function rounds(
  count: number,
  tone: () => Partial<Tone>,
  line: Line = {},
): { sent: number; found: number; same: boolean } {
  let [sent, found, same] = [0, 0, true]
  for (let round = 0; round < count; round += 1) {
    const tones = ALL_KEYS.map((key): Tone => ({ key, onMs: 50, offMs: 50, ...tone() }))
    const { noiseDbm0 } = line
    const samples = dtmfTones(tones, {
      leadMs: between(60, 100),
      random,
      ...(noiseDbm0 === undefined ? {} : { noiseDbm0 }),
    })
    const keys = received(samples, line).map((press) => press.key)
    sent += tones.length
    found += keys.length
    same &&= keys.join() === ALL_KEYS.join()
  }
  return { sent, found, same }
}

t.test('in spec every key is taken, once', (t) => {
  const inSpec: readonly (readonly [string, () => Partial<Tone>, Line?])[] = [
    ['100 ms on and off', () => ({ onMs: 100, offMs: 100 })],
    ['50 ms on and off', () => ({})],
    ['40 ms on and off', () => ({ onMs: 40, offMs: 40 })],
    ['10 ms packets', () => ({}), { ptimeMs: 10 }],
    ['30 ms packets', () => ({}), { ptimeMs: 30 }],
    ['60 ms packets', () => ({}), { ptimeMs: 60 }],
    ['packets out of order', () => ({}), { swapped: true }],
    ['0 dBm0 a tone, which clips', () => ({ dbm0: 0 })],
    ['-25 dBm0', () => ({ dbm0: -25 })],
    ['-36 dBm0', () => ({ dbm0: -36 })],
    ['column 4 dB above', () => ({ twistDb: 4 })],
    ['column 8 dB below', () => ({ twistDb: -8 })],
    ['1.5 % high', () => ({ offset: 0.015 })],
    ['1.5 % low', () => ({ offset: -0.015 })],
    ['rows low, columns high', () => ({ rowOffset: -0.015, columnOffset: 0.015 })],
    ['noise 15 dB below a tone', () => ({}), { noiseDbm0: -25 }],
    [
      'anything in spec',
      () => ({
        onMs: between(40, 200),
        offMs: between(40, 200),
        dbm0: between(-25, -3),
        twistDb: between(-8, 4),
        rowOffset: between(-0.015, 0.015),
        columnOffset: between(-0.015, 0.015),
      }),
    ],
  ]
  for (const [name, tone, line] of inSpec) t.match(rounds(12, tone, line), { same: true }, name)
  t.end()
})

t.test('out of spec nothing is taken', (t) => {
  const outOfSpec: readonly (readonly [string, () => Partial<Tone>])[] = [
    ['3.5 % high', () => ({ offset: 0.035, onMs: 100 })],
    ['3.5 % low', () => ({ offset: -0.035, onMs: 100 })],
    ['row 3.5 % high', () => ({ rowOffset: 0.035, onMs: 100 })],
    ['column 3.5 % low', () => ({ columnOffset: -0.035, onMs: 100 })],
    ['20 ms', () => ({ onMs: 20, offMs: 80 })],
    ['column 15 dB below', () => ({ twistDb: -15 })],
    ['-50 dBm0', () => ({ dbm0: -50 })],
  ]
  for (const [name, tone] of outOfSpec) t.equal(rounds(12, tone).found, 0, name)
  t.end()
})

t.test('an interruption of 10 ms does not split a key, a pause of 40 ms does', (t) => {
  for (const key of ALL_KEYS) {
    const samples = dtmfTones([{ key, onMs: 120, offMs: 50 }], { leadMs: 60 + key })
    const start = Math.round((60 + key + between(30, 70)) * 8)
    const cut = (lengthMs: number) => samples.slice().fill(0, start, start + lengthMs * 8)
    t.equal(received(cut(10)).length, 1)
    t.equal(received(dtmfTones([1, 2].map(() => ({ key, onMs: 60, offMs: 40 })))).length, 2)
  }
  t.end()
})

t.test('a press is timed to some milliseconds, and is down until it ends', (t) => {
  const samples = dtmfTones([{ key: 5, onMs: 200, offMs: 100 }], { leadMs: 100 })
  const [press] = received(samples)
  t.ok(Math.abs((press?.startMs ?? 0) - 100) <= 6)
  t.ok(Math.abs((press?.endMs ?? 0) - 300) <= 6)
  t.match(press, { transport: 'tone', isDown: false })
  t.match(received(samples.subarray(0, 8 * 200)), [{ isDown: true }])
  t.end()
})

t.test('keys of 100 ms survive every twentieth packet lost', (t) => {
  t.match(
    rounds(12, () => ({ onMs: 100, offMs: 100 }), { lost: () => random.next() < 0.05 }),
    { same: true },
  )
  t.end()
})

t.test('noise, single tones and a start at another place make no key', (t) => {
  const noise = Int16Array.from({ length: 8_000 * 20 }, () => random.gaussian() * 3_000)
  t.same(received(noise), [])
  for (const hz of [440, 697, 941, 1_209, 1_633, 2_100])
    t.same(
      received(Int16Array.from({ length: 8_000 }, (_, index) => 8_000 * Math.sin((index * hz * Math.PI) / 4_000))),
      [],
    )
  const jumping = new ToneReceiver(() => t.fail('no key was sent'))
  for (let round = 0; round < 2_000; round += 1)
    jumping.accept(noise.subarray(0, random.below(500)), random.below(20_000) - 5_000, round)
  t.end()
})

t.test('no bytes make it throw, and bytes by chance make no key', (t) => {
  const bytes = (count: number, below: number) => Uint8Array.from({ length: count }, () => random.below(below))
  for (const decode of [decodeUlaw, decodeAlaw])
    for (const below of [2, 16, 128, 256]) {
      const receiver = new ToneReceiver(() => t.fail('bytes by chance made a key'))
      for (let packet = 0; packet < 1_500; packet += 1)
        receiver.accept(decode(bytes(160, below)), packet * 20, packet * 20 + 20)
    }
  let presses = 0
  const anyhow = new ToneReceiver(() => (presses += 1))
  let at = 0
  for (let round = 0; round < 5_000; round += 1) {
    // Bytes that repeat are tones of every kind; positions lie anywhere, in fractions, far apart and long ago.
    const period = bytes(1 + random.below(40), 256)
    const samples = decodeUlaw(
      Uint8Array.from({ length: random.below(1_500) }, (_, index) => period[index % period.length] ?? 0),
    )
    at = random.below(10) === 0 ? between(-1e9, 1e9) : at + between(-100, 300)
    anyhow.accept(samples, at, at)
  }
  t.ok(presses < 200, 'a tone by chance is seldom one of sixteen pairs')
  t.ok(Number.isFinite(anyhow.heardMs) || presses === 0)
  t.end()
})

t.test('wiping takes the audio, and what follows is heard as new', (t) => {
  const presses: KeyPress[] = []
  const receiver = new ToneReceiver((press) => presses.push(press))
  const samples = dtmfTones([{ key: 9, onMs: 100, offMs: 50 }], { leadMs: 0 })
  receiver.accept(samples.subarray(0, 240), 0, 0)
  receiver.wipe()
  receiver.accept(new Int16Array(1_600), 30, 230)
  t.same(presses, [])
  t.end()
})
