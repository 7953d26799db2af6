import t from 'tap'
import { buildRtp, parseRtp } from '../../../src/cde/guard/rtp-packet.ts'
import { parseGuardToSbc } from '../../../src/wire/guard-protocol.ts'
import { openMasker } from '../../fakes/open-masker.ts'
import { payerStream } from '../../fakes/payer-stream.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { AGENT, ORDER, PAYER, WINDOW_ID, WindowBench } from '../../fakes/window-bench.ts'

const keysOf = (text: string) => Array.from(text, (key) => (key === '#' ? 11 : key === '*' ? 10 : Number(key)))
const CARD = keysOf('4111111111111111#1228#123#')
const settled = () => new Promise((resolve) => setImmediate(resolve))

for (const transport of ['events', 'inband', 'both'] as const)
  for (const masking of ['talk-through', 'hard'] as const)
    t.test(
      `a card keyed as ${transport} under ${masking} masking becomes a token, and no event reaches the agent`,
      async (t) => {
        const bench = new WindowBench({ order: { masking } }).open()
        bench.play(payerStream({ keys: CARD, transport, startMs: 1_005, onMs: 60, offMs: 60 }))
        t.equal(bench.progress?.state, 'storing')
        await settled()
        t.match(bench.progress, { state: 'finished', token: /^tok_/, lastFour: '1111', brand: 'visa', failure: null })
        t.same(bench.vault.cards, ['4111111111111111 1228 123'])
        t.same(bench.vault.keys, [WINDOW_ID])
        t.ok(
          bench.toAgent.every(({ datagram }) => ((datagram[1] ?? 0) & 0x7f) === 0),
          'only audio leaves',
        )
        const endMs = bench.nowMs
        bench.runTo(endMs + 5_000)
        t.equal(bench.times('safe-to-close').length, 1)
        t.ok((bench.times('safe-to-close')[0] ?? 0) <= endMs + 3_200)
        for (const { message } of bench.told)
          t.same(parseGuardToSbc(message), message, 'what is said fits the contract')
        t.notMatch(JSON.stringify(bench.told), /41111|11111|1228|"123"/)
      },
    )

t.test('keys before the proof are masked and not taken', async (t) => {
  const bench = new WindowBench()
  bench.order({ type: 'window.connect', windowId: WINDOW_ID, payer: PAYER, agent: AGENT })
  bench.play(payerStream({ keys: [9, 9, 9], transport: 'events', startMs: 1_005 }))
  t.same(bench.simple('window.capture'), [{ type: 'ok' }])
  bench.play(
    payerStream({
      keys: CARD,
      transport: 'events',
      startMs: bench.nowMs + 20,
      firstSequence: 100,
      firstTimestamp: 1_000_000,
    }),
  )
  await settled()
  t.same(bench.vault.cards, ['4111111111111111 1228 123'])
  t.ok(bench.toAgent.every(({ datagram }) => ((datagram[1] ?? 0) & 0x7f) === 0))
  t.end()
})

t.test('before the ports are known packets wait, and then only those of rtpengine pass', (t) => {
  const bench = new WindowBench({ order: { lookAheadMs: 10 } })
  const [first, second] = payerStream({ keys: [], transport: 'inband', startMs: 1_000 })
  if (first === undefined || second === undefined) throw new Error('no packets')
  t.same(bench.simple('window.capture'), [{ type: 'refused', code: 'not_connected' }])
  bench.window.fromPayer(first.datagram, PAYER, bench.nowMs)
  bench.window.fromPayer(first.datagram, { host: '127.0.0.1', port: 9 }, bench.nowMs)
  bench.window.fromAgent(first.datagram, AGENT, bench.nowMs)
  t.same(bench.toAgent, [])
  bench.order({ type: 'window.connect', windowId: WINDOW_ID, payer: PAYER, agent: AGENT })
  bench.runTo(1_020)
  bench.window.fromPayer(second.datagram, { host: '127.0.0.2', port: PAYER.port }, bench.nowMs)
  bench.window.fromAgent(second.datagram, PAYER, bench.nowMs)
  bench.runTo(1_050)
  const counts = { fromPayer: 1, fromAgent: 1, toPayer: 1, toAgent: 1, dropped: 3 }
  t.match(bench.simple('window.count'), [{ type: 'counted', counts }])
  t.end()
})

t.test('the agent is heard throughout, as it was said', (t) => {
  const bench = new WindowBench().open()
  const packets = payerStream({ keys: [1], transport: 'inband', startMs: 1_000 })
  for (const { datagram } of packets) bench.window.fromAgent(datagram, AGENT, bench.nowMs)
  t.same(
    bench.toPayer.map(({ datagram }) => datagram),
    packets.map(({ datagram }) => datagram),
  )
  t.end()
})

t.test('a drain waits for the payer’s next packet, sends what is held, and then nothing leaves', (t) => {
  const bench = new WindowBench().open()
  bench.simple('window.cancel')
  const packets = payerStream({ keys: [], transport: 'inband', startMs: 1_005, leadMs: 400 })
  bench.play(packets.slice(0, 10))
  const replies = bench.simple('window.drain')
  t.same(replies, [])
  bench.play(packets.slice(10, 11))
  t.same(replies, [{ type: 'drained' }])
  t.equal(bench.toAgent.length, 11)
  bench.play(packets.slice(11, 20))
  bench.runTo(bench.nowMs + 30_000)
  t.equal(bench.toAgent.length, 11, 'silent, also without keep-alive')
  t.same(bench.simple('window.drain'), [{ type: 'drained' }], 'asked twice')
  t.same(bench.simple('window.resume'), [{ type: 'ok' }])
  bench.play(packets.slice(20).map((packet) => ({ ...packet, atMs: bench.nowMs + 20 })))
  bench.runTo(bench.nowMs + 100)
  const ofPayer = bench.toAgent.filter(({ datagram }) => datagram.readUInt32BE(8) === 0x1234)
  t.equal(ofPayer.length, 11 + packets.length - 20, 'masked on after resume')
  t.end()
})

t.test('a drain without packets is done in time, and one during a key is refused until it is safe again', (t) => {
  const silent = new WindowBench().open()
  silent.simple('window.cancel')
  const replies = silent.simple('window.drain')
  silent.runTo(silent.nowMs + 100)
  t.same(replies, [{ type: 'drained' }])

  const bench = new WindowBench().open()
  bench.simple('window.cancel')
  const packets = payerStream({ keys: [5], transport: 'events', startMs: 1_005, leadMs: 100, onMs: 400 })
  bench.play(packets.filter(({ atMs }) => atMs < 1_200))
  const refused = bench.simple('window.drain')
  bench.play(packets.filter(({ atMs }) => atMs >= 1_200))
  t.same(refused, [{ type: 'refused', code: 'key_down' }])
  bench.runTo(bench.nowMs + 6_000)
  t.equal(bench.times('safe-to-close').length, 1)
  t.end()
})

t.test('while keys are awaited nobody can drain', (t) => {
  const bench = new WindowBench().open()
  t.same(bench.simple('window.drain'), [{ type: 'refused', code: 'wrong_state' }])
  t.end()
})

t.test('a key after the end starts the cool-down again, and safe-to-close is said again', (t) => {
  const bench = new WindowBench().open()
  bench.simple('window.cancel')
  bench.play(payerStream({ keys: [11], transport: 'events', startMs: 3_000 }))
  t.same(bench.times('safe-to-close'), [])
  bench.runTo(7_000)
  const [first] = bench.times('safe-to-close')
  t.ok(first !== undefined && first >= 6_200 && first < 6_500)
  bench.play(
    payerStream({ keys: [11], transport: 'events', startMs: 8_000, firstSequence: 1_000, firstTimestamp: 999_000 }),
  )
  bench.runTo(14_000)
  t.equal(bench.times('safe-to-close').length, 2)
  t.end()
})

t.test('without a form it masks, takes nothing, and says when the keys are quiet', (t) => {
  const bench = new WindowBench({ order: { form: null, masking: 'hard' } }).open()
  bench.play(payerStream({ keys: CARD, transport: 'both', startMs: 1_005 }))
  t.same(bench.times('safe-to-close'), [])
  t.match(bench.progress, { state: 'masking', fields: [] })
  t.same(bench.simple('window.cancel'), [{ type: 'ok' }])
  bench.runTo(bench.nowMs + 4_000)
  t.equal(bench.times('safe-to-close').length, 1)
  t.same(bench.vault.cards, [])
  t.end()
})

t.test('when the sentinel hears a tone that packet is not sent, and the window is hard from then on', async (t) => {
  let heard = 0
  const bench = new WindowBench({ hearsTone: () => (heard += 1) === 5 }).open()
  bench.play(payerStream({ keys: [], transport: 'inband', startMs: 1_005, leadMs: 400 }))
  bench.runTo(bench.nowMs + 100)
  t.same(
    bench.told.filter(({ message }) => message.type === 'alarm').map(({ message }) => message),
    [{ type: 'alarm', windowId: WINDOW_ID, code: 'sentinel' }],
  )
  t.equal(bench.toAgent.length, heard - 1)
  t.equal(bench.progress?.masking, 'hard')
  t.match(await bench.metrics.registry.metrics(), /tonewall_guard_alarms_total\{code="sentinel"[^}]*\} 1/)
})

t.test(
  'with gate and filter out of order, not one key can be read: the window is hard, goes on, and is written down',
  async (t) => {
    const bench = new WindowBench({ newMasker: openMasker({ obeysHard: true }) }).open()
    bench.play(payerStream({ keys: CARD, transport: 'inband', startMs: 1_005, leadMs: 400 }))
    bench.runTo(bench.nowMs + 400)
    t.same(bench.audited, ['repeated'])
    t.equal(bench.times('alarm').length, 1)
    t.match(bench.progress, { masking: 'hard', failure: null })
    t.equal(bench.progress?.fields[0]?.entered, 16, 'the card is captured all the same')
    const payerAudio = new Set(
      payerStream({ keys: CARD, transport: 'inband', startMs: 0, leadMs: 400 }).map(({ datagram }) =>
        datagram.subarray(12).toString('latin1'),
      ),
    )
    const silence = Buffer.alloc(160, 0xff).toString('latin1')
    const passed = bench.toAgent.filter(({ datagram }) => {
      const payload = datagram.subarray(12).toString('latin1')
      return payload !== silence && payerAudio.has(payload)
    })
    t.equal(passed.length, 0, 'no packet with a tone in it left as it came')
    t.match(await bench.metrics.registry.metrics(), /tonewall_guard_masking_failed_total\{cause="repeated"[^}]*\} 1/)
  },
)

t.test('a masker that does not even obey hard ends the capture, and nothing of its leaves', (t) => {
  const bench = new WindowBench({ newMasker: openMasker({ obeysHard: false }) }).open()
  bench.play(payerStream({ keys: CARD, transport: 'inband', startMs: 1_005, leadMs: 400 }))
  bench.runTo(bench.nowMs + 400)
  t.same(bench.audited, ['repeated', 'hard_not_obeyed'])
  t.match(bench.progress, { state: 'failed', failure: 'sentinel_alarm', masking: 'hard' })
  t.same(bench.vault.cards, [], 'no card was stored')
  t.end()
})

t.test('an event packet on its way to the agent is an alarm of its own', (t) => {
  const bench = new WindowBench({ newMasker: openMasker({ obeysHard: true }) }).open()
  bench.play(payerStream({ keys: CARD, transport: 'events', startMs: 1_005, leadMs: 400 }))
  bench.runTo(bench.nowMs + 400)
  t.same(bench.audited, ['not_audio'])
  t.ok(bench.toAgent.every(({ datagram }) => ((datagram[1] ?? 0) & 0x7f) === 0))
  t.equal(bench.progress?.fields[0]?.entered, 16)
  t.end()
})

t.test('a tone that the sentinel hears while draining keeps the window between the parties', (t) => {
  let isTone = false
  const bench = new WindowBench({ hearsTone: () => isTone }).open()
  bench.simple('window.cancel')
  const packets = payerStream({ keys: [], transport: 'inband', startMs: 1_005, leadMs: 400 })
  bench.play(packets.slice(0, 10))
  isTone = true
  const replies = bench.simple('window.drain')
  bench.play(packets.slice(10, 11))
  t.same(replies, [{ type: 'refused', code: 'key_down' }])
  isTone = false
  const sent = bench.toAgent.length
  bench.play(packets.slice(11))
  bench.runTo(bench.nowMs + 100)
  t.equal(bench.toAgent.length, sent + packets.length - 11)
  t.equal(bench.progress?.masking, 'hard')
  t.end()
})

t.test('no order of an sbc, in no state, makes a window throw', (t) => {
  const random = seededRandom(5)
  const simple = ['window.capture', 'window.cancel', 'window.drain', 'window.resume', 'window.count'] as const
  const fields = ['card-number', 'expiry', 'card-code', null] as const
  for (let round = 0; round < 200; round += 1) {
    const bench = new WindowBench({ order: { form: random.next() < 0.2 ? null : ORDER.form, lookAheadMs: 20 } })
    const packets = payerStream({ keys: CARD, transport: 'events', startMs: 1_005, onMs: 40, offMs: 40 })
    for (const { atMs, datagram } of packets.slice(0, random.below(packets.length))) {
      bench.runTo(atMs)
      bench.window.fromPayer(datagram, PAYER, bench.nowMs)
      if (random.next() < 0.8) continue
      const choice = random.below(9)
      const type = simple[choice]
      if (type !== undefined) bench.simple(type)
      else if (choice === 5) bench.order({ type: 'window.connect', windowId: WINDOW_ID, payer: PAYER, agent: AGENT })
      else if (choice === 6)
        bench.order({ type: 'window.clear', windowId: WINDOW_ID, field: fields[random.below(4)] ?? null })
      else if (choice === 7)
        bench.order({ type: 'window.info', windowId: WINDOW_ID, relay: random.next() < 0.5, body: 'U2lnbmFsPTU=' })
    }
    bench.runTo(bench.nowMs + 500)
    if (bench.toAgent.some(({ datagram }) => ((datagram[1] ?? 0) & 0x7f) !== 0)) t.fail('an event left')
    for (const { message } of bench.told) if (parseGuardToSbc(message) === null) t.fail('outside of the contract')
    bench.window.close()
  }
  t.end()
})

t.test('a payer who is silent is reported once, and both sides are kept alive every ten seconds', (t) => {
  const bench = new WindowBench({ order: { form: null } }).open()
  bench.runTo(1_000 + 35_000)
  t.equal(bench.times('alarm').length, 1)
  t.equal(bench.toAgent.length, 3)
  t.equal(bench.toPayer.length, 3)
  t.match(parseRtp(bench.toAgent[0]?.datagram ?? Buffer.alloc(0)), { kind: 'rtp', packet: { payloadType: 0 } })
  t.end()
})

t.test(
  'a payer of whom nothing came for half a minute ends the capture, and the masking stays until it is safe',
  (t) => {
    const bench = new WindowBench().open()
    bench.play(payerStream({ keys: [4, 1], transport: 'events', startMs: 1_005 }))
    const lastMs = bench.nowMs
    bench.runTo(lastMs + 29_000)
    t.match(bench.progress, { state: 'capturing', failure: null })
    t.equal(bench.times('alarm').length, 1, 'the agent knows already')
    bench.runTo(lastMs + 30_500)
    t.match(bench.progress, { state: 'failed', failure: 'payer_media_lost' })
    t.equal(bench.times('safe-to-close').length, 0)
    bench.runTo(lastMs + 34_500)
    t.equal(bench.times('safe-to-close').length, 1)
    t.end()
  },
)

t.test('a payer who keys by INFO, one who pauses and one who sends comfort noise is not given up', (t) => {
  const byInfo = new WindowBench().open()
  byInfo.runTo(20_000)
  byInfo.order({ type: 'window.info', windowId: WINDOW_ID, relay: false, body: Buffer.from('4').toString('base64') })
  byInfo.runTo(45_000)
  t.match(byInfo.progress, { state: 'capturing' })

  const pauses = new WindowBench().open()
  pauses.runTo(8_000)
  t.equal(pauses.times('payer-heard').length, 0)
  pauses.play(payerStream({ keys: [4], transport: 'events', startMs: 8_005 }))
  t.equal(pauses.times('payer-heard').length, 1)
  pauses.runTo(60_000)
  t.match(pauses.progress, { state: 'capturing' })
  t.equal(pauses.times('alarm').length, 2, 'each silence is told')

  const quiet = new WindowBench().open()
  const noise = buildRtp({
    marker: false,
    payloadType: 13,
    sequence: 1,
    timestamp: 1,
    ssrc: 1,
    payload: Buffer.from([60]),
  })
  quiet.window.fromPayer(noise, PAYER, quiet.nowMs)
  quiet.runTo(60_000)
  t.match(quiet.progress, { state: 'capturing' })
  t.end()
})

t.test('a vault that refuses or does not answer fails the capture, which stays masked until it is safe', async (t) => {
  for (const [answer, failure] of [
    [{ type: 'refused', code: 'unknown_merchant' }, 'vault_refused'],
    [{ type: 'unavailable' }, 'vault_unavailable'],
  ] as const) {
    const bench = new WindowBench().open()
    bench.vault.answer = answer
    bench.play(payerStream({ keys: CARD, transport: 'events', startMs: 1_005 }))
    await settled()
    t.match(bench.progress, { state: 'failed', failure, token: null, lastFour: null })
    t.same(bench.simple('window.capture'), [{ type: 'refused', code: 'wrong_state' }])
    bench.runTo(bench.nowMs + 4_000)
    t.equal(bench.times('safe-to-close').length, 1)
  }
})

t.test('progress of dots comes at most ten times a second, the end at once', async (t) => {
  const bench = new WindowBench().open()
  bench.play(payerStream({ keys: CARD, transport: 'events', startMs: 1_005, onMs: 40, offMs: 40 }))
  await settled()
  const times = bench.times('progress')
  t.ok(times.length >= 12)
  const close = times.filter((atMs, index) => index > 0 && atMs - (times[index - 1] ?? 0) < 100)
  t.ok(close.length <= 4, 'only where the state changed')
  t.match(bench.told.at(-1)?.message, { progress: { state: 'finished' } })
})

t.test('keys by INFO fill fields, and the agent’s clear and cancel reach them', (t) => {
  const bench = new WindowBench().open()
  const info = (key: string) => {
    bench.runTo(bench.nowMs + 400)
    const body = Buffer.from(`Signal=${key}\r\nDuration=160\r\n`).toString('base64')
    bench.order({ type: 'window.info', windowId: WINDOW_ID, relay: true, body })
    bench.runTo(bench.nowMs + 400)
  }
  for (const key of '4111') info(key)
  t.match(bench.progress?.fields[0], { entered: 4, state: 'entering' })
  t.same(bench.order({ type: 'window.clear', windowId: WINDOW_ID, field: null }), [{ type: 'ok' }])
  bench.runTo(bench.nowMs + 200)
  t.match(bench.progress?.fields[0], { entered: 0, state: 'waiting' })
  t.same(bench.simple('window.cancel'), [{ type: 'ok' }])
  t.match(bench.progress, { state: 'cancelled' })
  t.same(bench.simple('window.cancel'), [{ type: 'refused', code: 'wrong_state' }])
  t.same(bench.order({ type: 'window.clear', windowId: WINDOW_ID, field: null }), [
    { type: 'refused', code: 'wrong_state' },
  ])
  t.end()
})

t.test('a released window is silent in both directions', (t) => {
  const bench = new WindowBench().open()
  bench.simple('window.release')
  const packets = payerStream({ keys: [1], transport: 'both', startMs: 1_005 })
  for (const { datagram } of packets) {
    bench.window.fromPayer(datagram, PAYER, bench.nowMs)
    bench.window.fromAgent(datagram, AGENT, bench.nowMs)
  }
  bench.window.tick(5_000)
  bench.window.close()
  t.same([bench.toAgent, bench.toPayer], [[], []])
  t.equal(bench.window.dueMs(5_000), Infinity)
  t.end()
})

t.test('a key in plain bytes is overwritten as soon as it was read, and held audio when the window ends', (t) => {
  const bench = new WindowBench().open()
  const packets = payerStream({ keys: [4, 2], transport: 'both', startMs: bench.nowMs })
  const events = packets.filter(({ datagram }) => datagram.length === 16)
  bench.play(packets)
  t.ok(events.length > 4)
  t.ok(
    events.every(({ datagram }) => datagram.every((byte) => byte === 0)),
    'events at once',
  )
  const last = packets.findLast(({ datagram }) => datagram.length > 16)?.datagram ?? Buffer.of(1)
  t.ok(last.subarray(12).some((byte) => byte !== 0))
  bench.simple('window.release')
  t.ok(
    last.subarray(12).every((byte) => byte === 0),
    'audio that was held at the end',
  )
  t.end()
})
