import t from 'tap'
import { Masker } from '../../src/cde/guard/masker.ts'
import type { Masking } from '../../src/wire/window-progress.ts'
import { isPlainAudio, MarkedPayer, marksIn } from '../fakes/marked-payer.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { AGENT, PAYER, WINDOW_ID, WindowBench } from '../fakes/window-bench.ts'

const MASKER_ROUNDS = 12_000
const WINDOW_ROUNDS = 4_000
const STRANGER = { host: '127.0.0.1', port: 31_000 }

t.test('the marks are no bytes of the noise, in either law', (t) => {
  for (const law of ['ulaw', 'alaw'] as const) {
    const masker = newMasker({ masking: 'hard', seed: 5, law })
    const audio = Buffer.alloc(12 + 400, 0x80)
    let heard = 0
    for (let index = 0; index < 50; index += 1) {
      audio[1] = law === 'ulaw' ? 0 : 8
      audio.writeUInt16BE(index, 2)
      audio.writeUInt32BE(index * 400, 4)
      masker.accept(Buffer.from(audio), index * 50)
      for (const packet of masker.due(index * 50)) {
        heard += 1
        if (marksIn(packet) > 0) t.fail('noise has a mark')
      }
    }
    t.ok(heard > 40)
  }
  t.equal(marksIn(Buffer.alloc(20, 0x80)), 8, 'and a mark is seen')
  t.end()
})

for (const masking of ['hard', 'talk-through'] as const) {
  for (const seed of [1, 2, 3]) {
    t.test(`the masker in ${masking} never throws, and lets no marked byte of the payer out, seed ${seed}`, (t) => {
      const random = seededRandom(seed)
      const payer = new MarkedPayer(random, { isVoiceMarked: masking === 'hard' })
      const masker = newMasker({ masking, seed, headers: seed === 2 ? 'own' : 'same' })
      const bad = new Set<string>()
      let left = 0
      let nowMs = 0
      const judge = (packets: readonly Buffer[], kind: string) => {
        for (const packet of packets) {
          left += 1
          if (!isPlainAudio(packet)) bad.add(`${kind}: not plain audio`)
          if (marksIn(packet) > 0) bad.add(`${kind}: ${marksIn(packet)} marked bytes`)
        }
      }
      for (let round = 0; round < MASKER_ROUNDS; round += 1) {
        const { datagram, kind } = payer.next()
        masker.accept(datagram, nowMs)
        nowMs += random.below(14)
        judge(masker.due(nowMs), kind)
      }
      const drained = masker.drain(nowMs + 1_000)
      if (drained.kind === 'drained') judge(drained.packets, 'drain')
      t.same([...bad], [])
      t.ok(left > MASKER_ROUNDS / 20, `${left} packets left`)
      t.end()
    })
  }
}

for (const masking of ['hard', 'talk-through'] as const) {
  t.test(`a window in ${masking}, ordered about at random, lets no marked byte of the payer out`, (t) => {
    for (const seed of [1, 2, 3, 4]) {
      const seen = windowRun({ masking, seed })
      t.same(seen.bad, [], `seed ${seed}`)
      t.ok(seen.toAgent > 100, 'packets left')
    }
    t.end()
  })
}

function windowRun(plan: { readonly masking: Masking; readonly seed: number }): {
  readonly bad: readonly string[]
  readonly toAgent: number
} {
  const { masking, seed } = plan
  const random = seededRandom(seed)
  const payer = new MarkedPayer(random, { isVoiceMarked: masking === 'hard' })
  const bench = new WindowBench({
    order: { masking, headers: seed % 2 === 0 ? 'own' : 'same', codec: seed % 2 === 0 ? 'PCMA' : 'PCMU' },
    seed,
  })
  const connect = () => bench.order({ type: 'window.connect', windowId: WINDOW_ID, payer: PAYER, agent: AGENT })
  const marked = new Set<string>()
  for (let round = 0; round < WINDOW_ROUNDS; round += 1) {
    const { datagram, kind } = payer.next()
    if (masking !== 'hard' && kind !== 'voice') for (const run of runsOf(datagram)) marked.add(run)
    const from = random.next() < 0.05 ? STRANGER : PAYER
    bench.window.fromPayer(datagram, from, bench.nowMs)
    // The payer's bytes on the agent's side of the guard go back to the payer, if anywhere.
    if (random.next() < 0.05) bench.window.fromAgent(payer.next().datagram, AGENT, bench.nowMs)
    if (round === 40) connect()
    if (round === 60) bench.simple('window.capture')
    if (random.next() < 0.01) anOrder(bench, random.below(6), connect)
    bench.runTo(bench.nowMs + random.below(14))
  }
  bench.simple('window.release')
  bench.window.fromPayer(payer.next().datagram, PAYER, bench.nowMs)
  bench.runTo(bench.nowMs + 500)
  // Voice that passes is filtered, and may have any byte; but not eight in a row of what was marked.
  const leaks = (datagram: Buffer) =>
    masking === 'hard' ? marksIn(datagram) > 0 : runsOf(datagram).some((run) => marked.has(run))
  const bad = bench.toAgent.flatMap(({ datagram }, index) =>
    isPlainAudio(datagram) && !leaks(datagram) ? [] : [`packet ${index}: ${marksIn(datagram)} marked bytes`],
  )
  return { bad, toAgent: bench.toAgent.length }
}

/** Every eight bytes in a row, after the header. */
function runsOf(datagram: Buffer): readonly string[] {
  return Array.from({ length: Math.max(0, datagram.length - 19) }, (_, at) =>
    datagram.toString('latin1', 12 + at, 20 + at),
  )
}

function anOrder(bench: WindowBench, which: number, connect: () => unknown): void {
  const info = { type: 'window.info', windowId: WINDOW_ID, relay: which % 2 === 0 } as const
  switch (which) {
    case 0:
      connect()
      return
    case 1:
      bench.simple('window.drain')
      return
    case 2:
      bench.simple('window.resume')
      return
    case 3:
      bench.order({ type: 'window.clear', windowId: WINDOW_ID, field: null })
      return
    default:
      bench.order({ ...info, body: Buffer.from(`Signal=${which}\r\nDuration=99999999\r\n`).toString('base64') })
  }
}

function newMasker(options: {
  readonly masking: Masking
  readonly seed: number
  readonly headers?: 'same' | 'own'
  readonly law?: 'ulaw' | 'alaw'
}): Masker {
  const { masking, seed, headers = 'same', law = 'ulaw' } = options
  const own = { ssrc: 0x0102_0304, sequence: 65_500, timestamp: 0x7fff_ff00 }
  return new Masker({ masking, headers, own, noiseSeed: seed, law, nowMs: 0, lookAheadMs: 40 })
}
