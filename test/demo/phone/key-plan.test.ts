import t from 'tap'
import { audioSuspended, eventPackets, mixTones, planKeys } from '../../../src/demo/phone/key-plan.ts'

t.test('keys follow one another at the times asked for', (t) => {
  const keys = planKeys({ keys: '1#', transport: 'events', onMs: 50, offMs: 70 }, 1_000)
  t.same(
    keys?.map(({ key, start, end }) => ({ key, start, end })),
    [
      { key: '1', start: 1_000, end: 1_400 },
      { key: '#', start: 1_960, end: 2_360 },
    ],
  )
  t.equal(planKeys({ keys: '1x', transport: 'events' }, 0), undefined)
  t.end()
})

t.test('an event starts with the marker, grows by 20 ms and ends three times', (t) => {
  const keys = planKeys({ keys: '#', transport: 'events', onMs: 50 }, 160) ?? []
  const packets = [0, 160, 320, 480, 640].flatMap((at) => eventPackets(at, keys))
  t.same(
    packets.map(({ start, marker, payload }) => [start, marker, ...payload]),
    [
      [160, true, 11, 10, 0, 160],
      [160, false, 11, 10, 1, 64],
      [160, false, 11, 138, 1, 144],
      [160, false, 11, 138, 1, 144],
      [160, false, 11, 138, 1, 144],
    ],
  )
  t.same(
    [0, 160, 480, 640].map((at) => audioSuspended(at, keys)),
    [false, true, true, false],
  )
  t.end()
})

t.test('tones are mixed in only where they are in-band, to the sample', (t) => {
  const silence = () => new Int16Array(160)
  for (const [transport, sounds] of [
    ['events', false],
    ['info', false],
    ['inband', true],
    ['both', true],
  ] as const) {
    const audio = silence()
    mixTones(audio, 0, planKeys({ keys: '5', transport, onMs: 5 }, 80) ?? [])
    t.equal(
      audio.subarray(81, 120).some((sample) => sample !== 0),
      sounds,
      transport,
    )
    t.ok(audio.subarray(0, 80).every((sample) => sample === 0))
    t.ok(audio.subarray(120).every((sample) => sample === 0))
  }
  t.end()
})
