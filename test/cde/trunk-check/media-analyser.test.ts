import t from 'tap'
import { checkTrunk, TRUNK } from '../../fakes/checked-trunk.ts'
import { hostileRtp, randomBytes } from '../../fakes/hostile-input.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { sendPresses, type SentPress } from '../../fakes/trunk-sender.ts'

const KEYS = 12

/** Twelve presses at every phase against the packets. */
function presses(of: (atMs: number, index: number) => Partial<SentPress>): readonly SentPress[] {
  return Array.from({ length: KEYS }, (_, index) => {
    const atMs = 500 + index * 297
    return { key: index, atMs, toneMs: 100, event: null, ...of(atMs, index) }
  })
}

const events = (lagMs: number) => (atMs: number) => ({
  toneMs: lagMs,
  event: { sentMs: atMs + lagMs, startMs: atMs + lagMs, durationMs: 100 },
})

t.test('tones are measured in length, level, twist and frequency, in both laws', (t) => {
  for (const law of ['ulaw', 'alaw'] as const) {
    for (const [dbm0, twistDb, offset] of [
      [-3, 0, 0],
      [-12, -8, 0.01],
      [-25, 4, -0.02],
      [-36, 2, 0.03],
    ] as const) {
      const sent = presses((_, index) => ({ toneMs: 45 + index * 7, dbm0, twistDb, offset }))
      const heard = checkTrunk(sendPresses(sent, { law }))
      const name = `${law} at ${dbm0} dBm0, twist ${twistDb}, ${offset}`
      t.equal(heard.presses.length, KEYS, name)
      heard.presses.forEach(({ tone, event, info }, index) => {
        t.ok(
          Math.abs((tone?.durationMs ?? 0) - (45 + index * 7)) <= 2,
          `length within 2 ms: ${tone?.durationMs ?? 'none'}`,
        )
        t.ok(Math.abs((tone?.lowDbm0 ?? 0) - dbm0) <= 1, 'level within 1 dB')
        t.ok(Math.abs((tone?.twistDb ?? 0) - twistDb) <= 1, 'twist within 1 dB')
        t.same([tone?.leadMs, event, info], [null, null, null])
      })
      t.ok(Math.abs((heard.figures.offsetPercent?.median ?? 9) - offset * 100) <= 0.2, 'offset within 0.2 %')
      t.equal(heard.figures.media?.law, law)
    }
  }
  t.end()
})

t.test('a leading edge is measured to 5 ms, whatever its phase against the packets', (t) => {
  for (const leadMs of [10, 20, 30, 40, 55, 80]) {
    for (const suspend of [false, true]) {
      const heard = checkTrunk(sendPresses(presses(events(leadMs)), { suspend }))
      t.equal(heard.presses.length, KEYS)
      for (const { tone, event } of heard.presses) {
        t.equal(event?.durationMs, 100)
        // A sender that suspends its audio keeps back the packet in which the event begins.
        const least = suspend ? leadMs - 20 : leadMs
        const got = tone?.leadMs ?? 0
        t.ok(got >= least - 5 && got <= leadMs + 5, `${leadMs} ms${suspend ? ' cut' : ''} is ${got} ms`)
        t.equal(tone?.leadMs ?? 0, tone?.durationMs ?? 0, 'nothing goes beside the event')
      }
    }
  }
  t.end()
})

t.test('a tone that goes on beside its event is told with what was ahead of it', (t) => {
  const sent = presses((atMs) => ({ event: { sentMs: atMs + 40, startMs: atMs, durationMs: 100 } }))
  for (const { tone, event } of checkTrunk(sendPresses(sent)).presses) {
    t.ok(Math.abs((tone?.leadMs ?? 0) - 40) <= 5, `lead ${tone?.leadMs ?? 'none'}`)
    t.ok(Math.abs((tone?.durationMs ?? 0) - 100) <= 2)
    t.ok((tone?.eventLagMs ?? 99) >= 15 && (tone?.eventLagMs ?? 99) <= 45)
    t.match(event, { payloadType: 101, updateMs: 20, endPackets: 3, marker: true, statedDbm0: -10, restamped: 'none' })
  }
  t.end()
})

t.test('events alone have no tone, and speech between them adds no key', (t) => {
  const random = seededRandom(3)
  const background = (): number => random.gaussian() * 400
  const sent = presses((atMs) => ({ ...events(0)(atMs) }))
  const heard = checkTrunk(sendPresses(sent, { background, suspend: true }))
  t.same(
    heard.presses.map(({ tone, event }) => [tone, event !== null]),
    sent.map(() => [null, true]),
  )
  t.end()
})

t.test('habits of senders are told: updates, ends, marker, new timestamps', (t) => {
  const sent = presses(events(0))
  const of = (habits: Parameters<typeof sendPresses>[1]) => checkTrunk(sendPresses(sent, habits)).presses
  for (const { event } of of({ updateMs: 50, endPackets: 1, marker: false, payloadType: 98 }))
    t.match(event, { updateMs: 50, endPackets: 1, marker: false, payloadType: 98 })
  const restamped = of({ restamp: 'each_packet' })
  t.equal(restamped.length, KEYS, 'a press whose packets all have new timestamps is one press')
  for (const { event } of restamped) t.match(event, { restamped: 'each_packet' })
  const ends = of({ restamp: 'end_packets' })
  t.equal(ends.length, KEYS)
  for (const { event, doubled } of ends)
    t.match({ event, doubled }, { event: { restamped: 'end_packets' }, doubled: false })
  t.end()
})

t.test('a press that is told twice at once is one press, and said to be doubled', (t) => {
  const sent = presses(events(0)).flatMap((press) => [
    press,
    { ...press, toneMs: 0, event: { sentMs: press.atMs + 130, startMs: press.atMs + 110, durationMs: 60 } },
  ])
  const heard = checkTrunk(sendPresses(sent))
  t.same(
    heard.presses.map(({ doubled }) => doubled),
    presses(events(0)).map(() => true),
  )
  t.end()
})

t.test('two presses of one key are two', (t) => {
  const sent = presses((atMs) => ({ ...events(30)(atMs), key: 7 }))
  t.equal(checkTrunk(sendPresses(sent)).presses.length, KEYS)
  const tones = Array.from({ length: 20 }, (_, index) => ({ key: 7, atMs: 500 + index * 103, toneMs: 50, event: null }))
  t.equal(checkTrunk(sendPresses(tones)).presses.length, 20, 'as tones of 50 ms')
  t.end()
})

t.test('keys that touch and share a row or column are kept apart', (t) => {
  const keys = [3, 9, 6, 5, 4, 4 + 3]
  for (const pauseMs of [0, 7]) {
    const sent = keys.map((key, index) => {
      const atMs = 500 + index * (80 + pauseMs)
      return { key, atMs, toneMs: 80, event: { sentMs: atMs + 20, startMs: atMs, durationMs: 80 } }
    })
    const heard = checkTrunk(sendPresses(sent)).presses
    t.equal(heard.length, keys.length)
    for (const { tone } of heard) t.ok(Math.abs((tone?.durationMs ?? 0) - 80) <= 5, String(tone?.durationMs))
  }
  t.end()
})

t.test('a tone right after the event of another key is a key, not its echo', (t) => {
  const atMs = 500
  const sent = [
    { key: 9, atMs, toneMs: 100, event: { sentMs: atMs + 20, startMs: atMs, durationMs: 100 } },
    { key: 7, atMs: atMs + 110, toneMs: 70, event: null },
  ]
  t.match(checkTrunk(sendPresses(sent)).presses, [{ event: {} }, { event: null, tone: { durationMs: 70 } }])
  t.end()
})

t.test('SIP INFO joins the press it belongs to, or is one of its own', (t) => {
  const sent = presses(events(0))
  const due = sent.map(({ key, atMs }) => ({ key, atMs: 5_000 + atMs + 160 }))
  const heard = checkTrunk(sendPresses(sent), {
    between: (analyser, nowMs) => {
      while (due[0] !== undefined && due[0].atMs <= nowMs) {
        const name = '0123456789*#'[due[0].key] ?? ''
        t.ok(analyser.info(Buffer.from(`Signal=${name}\r\nDuration=100\r\n`), true, due[0].atMs))
        due.shift()
      }
    },
  })
  t.equal(heard.presses.length, KEYS)
  for (const { info } of heard.presses) t.match(info, { contentType: 'application/dtmf-relay', count: 1, lagMs: 160 })
  let told = 0
  const alone = checkTrunk(sendPresses([], { lastMs: 3_000 }), {
    between: (analyser, nowMs) => {
      if (told === 3 || nowMs < 5_500 + told * 300) return
      told += 1
      analyser.info(Buffer.from('5'), false, nowMs)
      t.notOk(analyser.info(Buffer.from('no key'), false, nowMs))
    },
  })
  t.same(
    alone.presses.map(({ event, tone, info }) => [event, tone, info?.contentType]),
    Array.from({ length: 3 }, () => [null, null, 'application/dtmf']),
  )
  t.end()
})

t.test('loss, repetition and order are exact, and figures of presses stay', (t) => {
  const sent = presses((atMs) => ({ event: { sentMs: atMs + 20, startMs: atMs, durationMs: 100 } }))
  const packets = sendPresses(sent)
  const random = seededRandom(9)
  const lost = new Set(
    packets.map((_, index) => index).filter((index) => index > 3 && index < packets.length - 3 && random.next() < 0.05),
  )
  const kept = packets.flatMap((packet, index) => {
    if (lost.has(index)) return []
    if (index % 50 === 20) return [packet, packet]
    return [index % 40 === 10 ? { ...packet, atMs: packet.atMs + 25 } : packet]
  })
  const heard = checkTrunk(kept)
  t.equal(heard.figures.media?.lost, lost.size)
  t.equal(heard.figures.media?.packets, packets.length - lost.size)
  t.equal(heard.figures.media?.duplicates, kept.length - (packets.length - lost.size))
  t.ok((heard.figures.media?.reordered ?? 0) > 0)
  t.equal(heard.figures.media?.ptimeMs, 20)
  t.equal(heard.presses.length, KEYS)
  t.end()
})

t.test('jitter and packet time are told', (t) => {
  const random = seededRandom(4)
  const steady = checkTrunk(
    sendPresses(
      presses(() => ({})),
      { ptimeMs: 30 },
    ),
  )
  t.match(steady.figures.media, { ptimeMs: 30, jitterMs: 0, latePercentile95Ms: 0 })
  const uneven = sendPresses(presses(() => ({}))).map((packet) => ({
    ...packet,
    atMs: packet.atMs + random.next() * 15,
  }))
  const media = checkTrunk(uneven).figures.media
  t.ok((media?.jitterMs ?? 0) > 3 && (media?.jitterMs ?? 0) < 15)
  t.ok((media?.latePercentile95Ms ?? 0) > 10 && (media?.latePercentile95Ms ?? 0) < 16)
  t.end()
})

t.test('garbage and strangers neither throw nor change a figure', (t) => {
  const packets = sendPresses(presses((atMs) => ({ event: { sentMs: atMs + 20, startMs: atMs, durationMs: 100 } })))
  const clean = checkTrunk(packets)
  const random = seededRandom(11)
  const below = (limit: number): number => Math.floor(random.next() * limit)
  const other = sendPresses(
    presses(() => ({ dbm0: -20 })),
    { ssrc: 0x0bad_0bad },
  )
  let count = 0
  const attacked = checkTrunk(packets, {
    between: (analyser, nowMs) => {
      for (let index = 0; index < 6; index += 1) {
        count += 1
        const bytes = index % 2 === 0 ? hostileRtp(below, count) : randomBytes(below, below(1_600))
        analyser.receive(bytes, index % 3 === 0 ? TRUNK : { host: '127.0.0.66', port: 9 }, nowMs)
        analyser.info(randomBytes(below, below(300)), below(2) === 0, -1e9)
      }
      const stranger = other[count % other.length]
      if (stranger !== undefined)
        analyser.receive(Buffer.from(stranger.datagram), { host: '127.0.0.66', port: 9 }, nowMs)
    },
  })
  t.same(
    attacked.presses.filter(({ event }) => event !== null).map(({ tone, event }) => ({ tone, event })),
    clean.presses.map(({ tone, event }) => ({ tone, event })),
  )
  t.same({ ...attacked.figures, strangers: 0 }, { ...clean.figures, strangers: 0 })
  t.ok(attacked.figures.strangers > 1_000)
  t.end()
})

t.test('without RTP, or before anything was agreed, there is nothing to say', (t) => {
  t.same(checkTrunk([]).figures, { media: null, offsetPercent: null, strangers: 0 })
  t.end()
})
