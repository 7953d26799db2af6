import t from 'tap'
import { ULAW_TO_LINEAR } from '../../../src/cde/guard/g711.ts'
import { Masker, type MaskerOptions } from '../../../src/cde/guard/masker.ts'
import { buildRtp, parseRtp, type RtpPacket } from '../../../src/cde/guard/rtp-packet.ts'
import { addSpeech, KEYS, keySeries, NOMINAL, toUlaw } from '../../fakes/dtmf-signal.ts'
import { recordedSpeech } from '../../fakes/recorded-speech.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const SSRC = 0x1234abcd

function newMasker(options: Partial<MaskerOptions> = {}): Masker {
  const own = { ssrc: 0x0badcafe, sequence: 65_530, timestamp: 4_294_967_000 }
  return new Masker({
    masking: 'talk-through',
    headers: 'same',
    own,
    noiseSeed: 99,
    law: 'ulaw',
    nowMs: 0,
    lookAheadMs: 40,
    ...options,
  })
}

type Sent = Partial<{
  sequence: number
  timestamp: number
  payload: Uint8Array
  payloadType: number
  ssrc: number
  marker: boolean
}>

function rtp(sent: Sent): Buffer {
  return buildRtp({
    payloadType: 0,
    marker: false,
    sequence: 0,
    timestamp: 0,
    ssrc: SSRC,
    payload: quiet(160),
    ...sent,
  })
}

/** Speech-like enough to pass the gate, and no byte of it like its neighbour: noise at -30 dBm0. */
function quiet(samples: number, seed = 1): Uint8Array {
  const random = seededRandom(seed)
  return toUlaw(Float64Array.from({ length: samples }, () => random.gaussian() * 500))
}

function event(sent: { readonly key: number; readonly duration: number; readonly end?: boolean }): Buffer {
  return Buffer.from([sent.key, sent.end === true ? 0x8a : 0x0a, sent.duration >> 8, sent.duration & 0xff])
}

/** Runs a list of datagrams, with the time of each, and returns what left with the time at which it was due. */
function run(
  masker: Masker,
  arrivals: readonly { readonly atMs: number; readonly datagram: Buffer }[],
): { readonly atMs: number; readonly packet: RtpPacket; readonly datagram: Buffer }[] {
  const left: { atMs: number; packet: RtpPacket; datagram: Buffer }[] = []
  const flush = (untilMs: number) => {
    for (;;) {
      const atMs = masker.nextDueMs
      if (atMs === undefined || atMs > untilMs) return
      for (const datagram of masker.due(atMs)) {
        const parsed = parseRtp(datagram)
        if (parsed.kind === 'rtp') left.push({ atMs, packet: parsed.packet, datagram })
        else t.fail('what leaves must be RTP')
      }
    }
  }
  for (const { atMs, datagram } of arrivals) {
    flush(atMs - 0.001)
    masker.accept(datagram, atMs)
  }
  flush(Number.POSITIVE_INFINITY)
  return left
}

function stream(audio: Uint8Array, options: { readonly size?: number; readonly payloadType?: number } = {}) {
  const size = options.size ?? 160
  return Array.from({ length: Math.floor(audio.length / size) }, (_, index) => ({
    atMs: ((index + 1) * size) / 8,
    datagram: rtp({
      payloadType: options.payloadType ?? 0,
      sequence: index,
      timestamp: index * size,
      payload: audio.subarray(index * size, (index + 1) * size),
    }),
  }))
}

t.test('speech-like audio passes whole, with the same header, after exactly the look-ahead', (t) => {
  for (const size of [80, 160, 240, 320]) {
    for (const payloadType of [0, 8]) {
      const arrivals = stream(quiet(4800), { size, payloadType })
      const masker = newMasker()
      const left = run(masker, arrivals)
      t.equal(left.length, arrivals.length)
      for (const [index, { atMs, datagram }] of left.entries()) {
        t.equal(atMs, (arrivals[index]?.atMs ?? 0) + 40)
        t.same(datagram.subarray(0, 12), arrivals[index]?.datagram.subarray(0, 12))
      }
      // Only what stands beside audio that is not known may be silenced: the first and the last blocks.
      t.ok(masker.counters.samplesMasked <= 160)
    }
  }
  t.end()
})

t.test('of what passes the frequencies of keys are taken away, and the rest is as loud as it came', (t) => {
  const random = seededRandom(8)
  const noise = Float64Array.from({ length: 16_000 }, () => random.gaussian() * 2000)
  const left = run(newMasker(), stream(toUlaw(noise)))
  const out = Float64Array.from(
    left.flatMap(({ packet }) => [...packet.payload].map((byte) => ULAW_TO_LINEAR[byte] ?? 0)),
  )
  const change = (hz: number) => 10 * Math.log10(powerAround(out, hz) / powerAround(noise, hz))
  for (const hz of [673, 697, 770, 941, 1075, 1209, 1477, 1633, 1690]) t.ok(change(hz) < -30, String(hz))
  for (const hz of [200, 300, 400, 2300, 2700, 3300]) t.ok(Math.abs(change(hz)) < 1.5, String(hz))
  t.end()
})

/** Of twenty lines around the frequency. */
function powerAround(samples: Float64Array, hz: number): number {
  let power = 0
  for (let line = hz - 10; line < hz + 10; line += 1) {
    let re = 0
    let im = 0
    for (let n = 800; n < samples.length - 800; n += 1) {
      re += (samples[n] ?? 0) * Math.cos((2 * Math.PI * line * n) / 8000)
      im += (samples[n] ?? 0) * Math.sin((2 * Math.PI * line * n) / 8000)
    }
    power += re * re + im * im
  }
  return power
}

t.test('in hard masking two calls that differ only in the keys leave byte by byte the same', (t) => {
  const call = (keys: readonly number[]) => {
    const series = { ...NOMINAL, tone: [640, 640] as const, gap: [640, 640] as const, keys }
    const { signal, presses } = keySeries(series, seededRandom(5))
    addSpeech({ signal, speech: recordedSpeech({ secondsMax: 30 }).samples, levelDbm0: -15, from: 0 })
    const arrivals = stream(toUlaw(signal))
    let sequence = arrivals.length
    for (const { key, start } of presses) {
      for (const duration of [160, 320, 480, 640, 640, 640]) {
        const payload = event({ key, duration, end: duration === 640 })
        const atMs = (start + duration) / 8 + 3
        arrivals.push({ atMs, datagram: rtp({ payloadType: 101, sequence, timestamp: start, payload }) })
        sequence += 1
      }
    }
    arrivals.sort((a, b) => a.atMs - b.atMs)
    const random = seededRandom(6)
    const masker = newMasker({ masking: 'hard' })
    return {
      left: run(
        masker,
        arrivals.filter(() => random.next() > 0.05),
      ),
      masker,
    }
  }
  const first = call(Array.from({ length: 12 }, (_, index) => index % KEYS))
  const second = call(Array.from({ length: 12 }, (_, index) => (index * 7 + 3) % KEYS))
  t.ok(first.left.length > 90)
  t.same(
    first.left.map(({ atMs, datagram }) => ({ atMs, datagram })),
    second.left.map(({ atMs, datagram }) => ({ atMs, datagram })),
  )
  t.same(first.masker.counters, second.masker.counters)
  t.equal(first.masker.counters.samplesMasked, first.masker.counters.samplesOut)
  t.end()
})

t.test(
  'an event packet never leaves: the first of each span becomes noise, the rest nothing, numbers close up',
  (t) => {
    const before = stream(quiet(800)) // five packets, sequence 0 to 4, time 0 to 799
    const events = [160, 320, 480, 480, 480].map((duration, index) => ({
      atMs: 120 + index * 20,
      datagram: rtp({
        payloadType: 101,
        marker: index === 0,
        sequence: 5 + index,
        timestamp: 800,
        payload: event({ key: 7, duration, end: index > 1 }),
      }),
    }))
    const after = [0, 1, 2, 3, 4, 5].map((index) => ({
      atMs: 220 + index * 20,
      datagram: rtp({ sequence: 10 + index, timestamp: 1600 + index * 160 }),
    }))
    const masker = newMasker()
    const left = run(masker, [...before, ...events, ...after])
    t.same(
      left.map(({ packet }) => packet.payloadType),
      left.map(() => 0),
    )
    t.same(
      left.map(({ packet }) => packet.sequence),
      left.map((_, index) => index),
    )
    t.same(
      left.map(({ packet }) => packet.timestamp),
      [0, 160, 320, 480, 640, 800, 960, 1120, 1600, 1760, 1920, 2080, 2240, 2400],
    )
    t.equal(masker.counters.dropped.event, 2)
    t.end()
  },
)

t.test('a payer that sends events beside its audio still gives continuous audio, masked around the event', (t) => {
  const arrivals = stream(quiet(4800))
  for (const [index, duration] of [160, 320, 480, 480].entries()) {
    const payload = event({ key: 3, duration, end: index > 1 })
    // Before the audio of the same time, so that it could be taken for a gap.
    const datagram = rtp({ payloadType: 120, sequence: 200 + index, timestamp: 1600, payload })
    arrivals.push({ atMs: 218 + index * 20, datagram })
  }
  arrivals.sort((a, b) => a.atMs - b.atMs)
  const renumbered = arrivals.map(({ atMs, datagram }, sequence) => {
    const copy = Buffer.from(datagram)
    copy.writeUInt16BE(sequence, 2)
    return { atMs, datagram: copy }
  })
  const left = run(newMasker(), renumbered)
  t.same(
    left.map(({ packet }) => [packet.sequence, packet.timestamp]),
    Array.from({ length: 30 }, (_, index) => [index, index * 160]),
  )
  const audio = quiet(4800)
  for (const { packet } of left) {
    const inside = packet.timestamp >= 1600 - 320 && packet.timestamp < 1600 + 480 + 320
    if (inside) t.notOk(packet.payload.equals(audio.subarray(packet.timestamp, packet.timestamp + 160)))
  }
  t.end()
})

t.test('events wrapped in RED, comfort noise and unknown payload types leave as noise or not at all', (t) => {
  const secret = Buffer.from(Array.from({ length: 40 }, (_, index) => 0x40 + index))
  const red = Buffer.concat([
    Buffer.from([0x80 | 101, 0, 0, 4, 101]),
    event({ key: 1, duration: 160 }),
    event({ key: 2, duration: 160 }),
  ])
  for (const [payloadType, payload] of [
    [13, secret],
    [98, secret],
    [100, red],
    [18, secret.subarray(0, 20)],
  ] as const) {
    const datagram = rtp({ payloadType, sequence: 10, timestamp: 1600, payload })
    const left = run(newMasker(), [...stream(quiet(1600)), { atMs: 220, datagram }])
    t.equal(left.length, 11)
    t.match(left[10]?.packet, { payloadType: 0, sequence: 10, timestamp: 1600 })
    t.equal(left[10]?.packet.payload.length, 160)
    t.notOk(left[10]?.datagram.includes(payload.subarray(0, 4)))
  }
  t.end()
})

t.test('RTCP, malformed packets and duplicates are dropped and counted', (t) => {
  const masker = newMasker()
  masker.accept(Buffer.from([0x80, 200, 0, 6, ...Array.from({ length: 24 }, () => 0)]), 0)
  masker.accept(Buffer.alloc(3), 0)
  masker.accept(rtp({ payload: new Uint8Array(900) }), 0)
  const left = run(
    masker,
    [...stream(quiet(320)), ...stream(quiet(320))].sort((a, b) => a.atMs - b.atMs),
  )
  t.equal(left.length, 2)
  t.match(masker.counters.dropped, { rtcp: 1, malformed: 1, payload_length: 1, duplicate: 2 })
  t.end()
})

t.test('header extensions, contributing sources, padding and marker bits of the payer are not copied', (t) => {
  const plain = stream(quiet(800))
  const dressed = plain.map(({ atMs, datagram }) => {
    const head = Buffer.from(datagram.subarray(0, 12))
    head[0] = 0x80 | 0x20 | 0x10 | 1
    head[1] = (head[1] ?? 0) | 0x80
    const extra = Buffer.from([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 5, 6, 7, 8])
    return { atMs, datagram: Buffer.concat([head, extra, datagram.subarray(12), Buffer.from([0, 2])]) }
  })
  t.same(
    run(newMasker(), dressed).map(({ datagram }) => datagram),
    run(newMasker(), plain).map(({ datagram }) => datagram),
  )
  t.end()
})

t.test('lost packets stay lost for the receiver, late ones keep their number and are masked', (t) => {
  const audio = quiet(3200)
  const arrivals = stream(audio)
  const [late] = arrivals.splice(5, 1)
  arrivals.splice(9, 1)
  if (late !== undefined) arrivals.push({ atMs: 300, datagram: late.datagram })
  arrivals.sort((a, b) => a.atMs - b.atMs)
  const left = run(newMasker(), arrivals)
  const sequences = left.map(({ packet }) => packet.sequence)
  t.same(
    sequences.slice().sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  )
  const found = left.find(({ packet }) => packet.sequence === 5)
  t.equal(found?.atMs, 340)
  t.notOk(found?.packet.payload.equals(audio.subarray(800, 960)))
  t.end()
})

t.test('packets that change places inside the look-ahead are placed right, and leave as if none had', (t) => {
  const inOrder = stream(quiet(3200))
  const arrivals = inOrder.map(({ atMs, datagram }, index) => ({
    atMs: index % 2 === 0 ? atMs + 25 : atMs,
    datagram,
  }))
  arrivals.sort((a, b) => a.atMs - b.atMs)
  const left = run(newMasker(), arrivals).sort((a, b) => a.packet.sequence - b.packet.sequence)
  const expected = run(newMasker(), inOrder)
  t.equal(left.length, 20)
  const same = left.filter(({ datagram }, index) => expected[index]?.datagram.equals(datagram))
  t.ok(same.length >= 14, String(same.length))
  t.end()
})

t.test('a clock that drifts, loss, crossing, duplicates and changes of packet time never lengthen the delay', (t) => {
  const SIZES = [160, 80, 480, 240, 320] as const
  for (const [drift, masking] of [
    [1.0005, 'talk-through'],
    [0.9995, 'talk-through'],
    [1.0005, 'hard'],
  ] as const) {
    const random = seededRandom(31)
    const audio = quiet(8_000, 5)
    const cameMs = new Map<number, number>()
    const arrivals: { atMs: number; datagram: Buffer }[] = []
    let at = 0
    for (let sequence = 0; at < 60 * 8_000; sequence += 1) {
      const size = SIZES[Math.floor(at / 8_000) % SIZES.length] ?? 160
      const start = at % (audio.length - size)
      const datagram = rtp({ sequence, timestamp: at, payload: audio.subarray(start, start + size) })
      at += size
      const atMs = (at / 8) * drift + random.next() * 30
      if (random.next() < 0.05) continue
      cameMs.set(sequence, atMs)
      arrivals.push({ atMs, datagram })
      if (random.next() < 0.03) arrivals.push({ atMs: atMs + 12, datagram: Buffer.from(datagram) })
    }
    arrivals.sort((a, b) => a.atMs - b.atMs)
    const masker = newMasker({ masking })
    const left = run(masker, arrivals)
    t.equal(left.length, cameMs.size, 'each packet that came leaves once')
    const late = left.filter(({ atMs, packet }) => Math.abs(atMs - (cameMs.get(packet.sequence) ?? 0) - 40) > 1e-6)
    t.same(late, [], 'after the look-ahead, the last like the first')
    t.equal(masker.counters.resyncs, 0)
  }
  t.end()
})

t.test('with headers of its own the window is one stream, whatever SSRC, sequence and time the payer jumps to', (t) => {
  const first = stream(quiet(1600))
  const second = stream(quiet(1600, 2)).map(({ atMs, datagram }, index) => {
    const copy = Buffer.from(datagram)
    copy.writeUInt16BE(40_000 + index, 2)
    copy.writeUInt32BE(77_000_000 + index * 160, 4)
    copy.writeUInt32BE(0x55555555, 8)
    return { atMs: atMs + 200, datagram: copy }
  })
  const masker = newMasker({ headers: 'own' })
  const left = run(masker, [...first, ...second])
  t.equal(left.length, 20)
  for (const [index, { packet }] of left.entries()) {
    t.equal(packet.ssrc, 0x0badcafe)
    t.equal(packet.sequence, (65_530 + index) & 0xffff)
    const start = left[0]?.packet.timestamp ?? 0
    t.equal(packet.timestamp, (start + index * 160) >>> 0)
  }
  t.equal(masker.counters.resyncs, 1)
  t.end()
})

t.test('no sequence number of an SSRC leaves twice, whatever the payer repeats', (t) => {
  const random = seededRandom(31)
  for (const headers of ['same', 'own'] as const) {
    const masker = newMasker({ headers })
    const arrivals = Array.from({ length: 3000 }, (_, index) => {
      const restart = random.next() < 0.01 ? random.below(65_536) : 0
      const kind = random.next()
      return {
        atMs: index * 10,
        datagram: rtp({
          ssrc: SSRC + random.below(3),
          sequence: index + random.below(6) + restart,
          timestamp: index * 80 + random.below(3) * 80 + restart,
          payloadType: kind < 0.2 ? 101 : kind < 0.25 ? 13 : 0,
          payload: kind < 0.2 ? event({ key: 1, duration: random.below(1000), end: kind < 0.1 }) : quiet(80, index),
        }),
      }
    })
    const seen = new Map<string, number>()
    for (const [index, { packet }] of run(masker, arrivals).entries()) {
      const name = String(packet.ssrc).concat(':', String(packet.sequence))
      const before = seen.get(name)
      if (before !== undefined && index - before < 60_000) t.fail('a sequence number left twice')
      seen.set(name, index)
    }
    t.ok(seen.size > 1000)
  }
  t.end()
})

t.test('a turn to hard masks what is held as well', (t) => {
  const masker = newMasker()
  const arrivals = stream(quiet(1600))
  for (const { atMs, datagram } of arrivals) masker.accept(datagram, atMs)
  masker.toHard()
  masker.due(1000)
  t.equal(masker.counters.samplesMasked, 1600)
  t.end()
})

t.test('draining hands out what is held at once, and nothing leaves afterwards', (t) => {
  const masker = newMasker()
  for (const { atMs, datagram } of stream(quiet(1600))) {
    masker.due(atMs)
    masker.accept(datagram, atMs)
  }
  const drained = masker.drain(205)
  t.equal(drained.kind === 'drained' && drained.packets.length, 2)
  masker.accept(rtp({ sequence: 11, timestamp: 1600 }), 220)
  t.same(masker.due(1000), [])
  t.equal(masker.nextDueMs, undefined)
  t.equal(masker.counters.dropped.drained, 1)
  t.same(masker.drain(1000), { kind: 'drained', packets: [] })
  t.end()
})

t.test('draining is refused while an event or a tone is held, and nothing changes', (t) => {
  const tone = keySeries({ ...NOMINAL, keys: [5], gap: [100, 100] }, seededRandom(3))
  const audio = toUlaw(tone.signal).subarray(0, 1120)
  const withTone = newMasker()
  for (const { atMs, datagram } of stream(audio)) withTone.accept(datagram, atMs)
  t.same(withTone.drain(141), { kind: 'key-down' })
  const withEvent = newMasker()
  withEvent.accept(rtp({}), 0)
  withEvent.accept(
    rtp({ payloadType: 101, sequence: 1, timestamp: 160, payload: event({ key: 1, duration: 160 }) }),
    20,
  )
  t.same(withEvent.drain(30), { kind: 'key-down' })
  t.equal(withEvent.quietForMs(30), 0)
  t.equal(withEvent.due(100).length, 2)
  t.end()
})

t.test('told to expect keys it takes less for a tone', (t) => {
  const arrivals = stream(toUlaw(Float64Array.from(recordedSpeech({ secondsMax: 60 }).samples)))
  const masked = (tellEveryMs: number) => {
    const masker = newMasker()
    for (const { atMs, datagram } of arrivals) {
      masker.due(atMs)
      if (atMs % tellEveryMs === 0) masker.expectKeys()
      masker.accept(datagram, atMs)
    }
    return masker.counters.samplesMasked
  }
  t.ok(masked(2000) > masked(Infinity))
  t.end()
})

t.test('quiet time counts from the last event or tone', (t) => {
  const masker = newMasker()
  run(masker, stream(quiet(8000)))
  t.equal(masker.quietForMs(1200), 1200)
  masker.accept(
    rtp({ payloadType: 101, sequence: 60, timestamp: 8000, payload: event({ key: 1, duration: 80, end: true }) }),
    1210,
  )
  t.equal(masker.quietForMs(1510), 300)
  t.end()
})

t.test('in hard masking too it is told by evidence how long no key was there', (t) => {
  const { signal, presses } = keySeries({ ...NOMINAL, keys: [5], gap: [8000, 8000] }, seededRandom(3))
  const masker = newMasker({ masking: 'hard' })
  const arrivals = stream(toUlaw(signal))
  run(masker, arrivals)
  const lastMs = arrivals.at(-1)?.atMs ?? 0
  const [press] = presses
  const endMs = ((press?.start ?? 0) + (press?.samples ?? 0)) / 8
  const quietMs = masker.quietForMs(lastMs + 40)
  t.ok(Math.abs(lastMs - endMs - quietMs) < 40, String(quietMs))
  t.end()
})

t.test('no datagram makes it throw, and no payer bytes leave in hard masking, nor events in talk-through', (t) => {
  const random = seededRandom(3550)
  for (const masking of ['hard', 'talk-through'] as const) {
    const masker = newMasker({ masking })
    let nowMs = 0
    let inside = new Set<string>()
    let events: Buffer[] = []
    for (let round = 0; round < 15_000; round += 1) {
      if (round % 500 === 0) {
        inside = new Set()
        events = []
      }
      const datagram = hostile(random, round)
      for (let at = 12; at + 8 <= datagram.length; at += 1) inside.add(datagram.toString('latin1', at, at + 8))
      if (datagram.length === 16) events.push(datagram.subarray(12))
      masker.accept(datagram, nowMs)
      nowMs += random.below(12)
      for (const packet of masker.due(nowMs)) {
        if (masking === 'talk-through') {
          if (packet.length < 50 && events.some((payload) => packet.subarray(12).equals(payload)))
            t.fail('an event left')
          if (((packet[1] ?? 0) & 0x7f) !== 0 && ((packet[1] ?? 0) & 0x7f) !== 8) t.fail('another payload type left')
          continue
        }
        for (let at = 12; at + 8 <= packet.length; at += 1) {
          if (inside.has(packet.toString('latin1', at, at + 8))) t.fail('payer bytes left')
        }
      }
    }
    t.ok(masker.counters.packetsOut > 1000)
  }
  t.end()
})

function hostile(random: ReturnType<typeof seededRandom>, round: number): Buffer {
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))
  const kind = random.below(10)
  if (kind === 0) return bytes(random.below(60))
  const payload =
    kind < 3
      ? bytes(4 * (1 + random.below(5)))
      : bytes([80, 160, 240, 160, 160, random.below(300)][random.below(6)] ?? 0)
  const wild = random.next() < 0.03
  const datagram = rtp({
    payloadType: kind < 3 ? 96 + random.below(32) : kind === 3 ? random.below(128) : random.below(2) * 8,
    sequence: wild ? random.below(65_536) : round,
    timestamp: wild ? random.below(4_294_967_296) : round * 80,
    ssrc: SSRC + (random.next() < 0.01 ? random.below(8) : 0),
    payload,
  })
  if (random.next() < 0.05) datagram[0] = random.below(256)
  return datagram
}
