import t from 'tap'
import { FIRST_TIMESTAMP, payerPackets } from '../../../bench/leak/payer-packets.ts'
import { KEYS, PLAIN, type Scenario } from '../../../bench/leak/scenario.ts'
import { NASTIEST, scenarioNamed, SCENARIOS } from '../../../bench/leak/scenarios.ts'
import { LINEAR, makeStimulus, RMS_0_DBM0 } from '../../../bench/leak/stimulus.ts'
import { loadVoices } from '../../../bench/leak/voices.ts'

const scenario = (told: Partial<Scenario>): Scenario => ({ ...PLAIN, name: 'test', axis: 'crossing', at: 0, ...told })
const voices = loadVoices({ secondsMax: 20 })

function rms(samples: ArrayLike<number>, from: number, to: number): number {
  let energy = 0
  for (let n = from; n < to; n += 1) energy += (samples[n] ?? 0) ** 2
  return Math.sqrt(energy / (to - from))
}

function db(ratio: number): number {
  return 20 * Math.log10(ratio)
}

t.test('every scenario has a name of its own, and the knee tries scenarios of the grid', (t) => {
  t.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length)
  t.ok(SCENARIOS.length >= 60)
  for (const name of NASTIEST) t.equal(scenarioNamed(name).name, name)
  t.end()
})

t.test('one seed gives one call, another another', (t) => {
  const talk = scenario({ talkOverDb: 0, noise: { kind: 'white', snrDb: 20 } })
  const make = (seed: number) => makeStimulus(talk, { seed, voices })
  const isAlike = (first: number, second: number) => Buffer.compare(make(first).audio, make(second).audio) === 0
  t.ok(isAlike(3, 3))
  t.notOk(isAlike(3, 4))
  t.end()
})

t.test('tones have the level and the twist that are told, and begin at every phase', (t) => {
  const twisted = scenario({ levelDbm0: -20, twistDb: 6, toneMs: [100, 100], keysPerCall: 200 })
  const { presses, audio, tone } = makeStimulus(twisted, { seed: 1, voices })
  const linear = Int16Array.from(audio, (byte) => LINEAR.ulaw[byte] ?? 0)
  for (const press of presses.slice(0, 10)) {
    const level = db(rms(linear, press.start + 80, press.start + 720) / RMS_0_DBM0)
    t.ok(Math.abs(level + 20) < 1, `level ${level}`)
    t.ok(rms(tone, press.start, press.start + press.samples) > 0)
  }
  t.ok(new Set(presses.map(({ start }) => start % 160)).size > 80)
  t.equal(new Set(presses.map(({ key }) => key)).size, KEYS.length)
  t.end()
})

t.test('speech is as loud as told against the tones, while it is active', (t) => {
  const { speech } = makeStimulus(scenario({ talkOverDb: 6 }), { seed: 2, voices })
  const active = speech.filter((sample) => Math.abs(sample) > 200)
  t.ok(active.length > speech.length / 10)
  t.ok(Math.abs(db(rms(active, 0, active.length) / RMS_0_DBM0) - -4) < 6)
  t.end()
})

t.test('packets are lost as often, and in such bursts, as told', (t) => {
  for (const [loss, burst] of [
    [0.1, 1],
    [0.3, 1],
    [0.1, 4],
  ] as const) {
    const lossy = scenario({ keysPerCall: 400, network: { loss, burst, jitterMs: 0, duplicates: 0 } })
    const stimulus = makeStimulus(lossy, { seed: 5, voices })
    const came = new Set(payerPackets(lossy, stimulus, 6).map(({ position }) => position))
    const all = Array.from({ length: stimulus.audio.length / 160 }, (_, index) => came.has(index * 160))
    const lost = all.filter((isThere) => !isThere).length
    const bursts = all.filter((isThere, index) => !isThere && all[index - 1] !== false).length
    t.ok(Math.abs(lost / all.length - loss) < 0.25 * loss, `lost ${lost / all.length}`)
    t.ok(Math.abs(lost / bursts - Math.max(burst, 1 / (1 - loss))) < 1, `bursts of ${lost / bursts}`)
  }
  t.end()
})

t.test('events replace the audio, or stand beside it, and end three times', (t) => {
  const events = scenario({
    transport: { tone: { leadMs: 20 }, events: 'instead' },
    toneMs: [100, 100],
    keysPerCall: 3,
  })
  const stimulus = makeStimulus(events, { seed: 7, voices })
  const packets = payerPackets(events, stimulus, 8)
  const sent = packets.filter(({ kind }) => kind === 'event')
  const [press] = stimulus.presses
  t.equal(sent.filter(({ datagram }) => (datagram[13] ?? 0) >= 0x80).length, 9)
  t.equal(sent[0]?.position, (press?.start ?? 0) + 160)
  t.equal(sent[0]?.datagram.readUInt32BE(4), (FIRST_TIMESTAMP + (press?.start ?? 0) + 160) % 2 ** 32)
  t.equal(rms(stimulus.tone, (press?.start ?? 0) + 160, (press?.start ?? 0) + 800), 0)
  t.ok(packets.length - sent.length < stimulus.audio.length / 160)
  const beside = { ...events, transport: { tone: 'whole', events: 'beside' } as const }
  const all = payerPackets(beside, makeStimulus(beside, { seed: 7, voices }), 8)
  t.equal(all.filter(({ kind }) => kind === 'audio').length, stimulus.audio.length / 160)
  t.end()
})

t.test('late packets change places, and some come twice', (t) => {
  const late = scenario({ network: { loss: 0, burst: 1, jitterMs: 60, duplicates: 0.1 } })
  const packets = payerPackets(late, makeStimulus(late, { seed: 9, voices }), 10)
  t.ok(packets.every(({ atMs }, index) => index === 0 || atMs >= (packets[index - 1]?.atMs ?? 0)))
  t.ok(packets.some(({ position }, index) => position < (packets[index - 1]?.position ?? 0)))
  t.ok(new Set(packets.map(({ position }) => position)).size < packets.length)
  t.end()
})
