import t from 'tap'
import { encodeFrame, FrameReader } from '../../src/kit/frame.ts'
import { parseSbcToGuard, type SbcToGuard } from '../../src/wire/guard-protocol.ts'
import { seededRandom, type SeededRandom } from '../fakes/seeded-random.ts'
import { SBC_TO_GUARD } from '../fakes/wire-samples.ts'
import type { WindowOrder } from '../../src/cde/guard/window.ts'
import { WINDOW_ID, WindowBench } from '../fakes/window-bench.ts'

const ROUNDS = 20_000
/** What an sbc that was taken over, or a defect, might put in the place of a field. */
const STRANGE: readonly unknown[] = [
  null,
  -1,
  1e308,
  '4263982640269299',
  '',
  [],
  {},
  true,
  'a'.repeat(5_000),
  { host: '::1', port: 0 },
]

t.test('orders bent in any field are refused, or are whole orders that a window takes without a fault', (t) => {
  const random = seededRandom(4_733)
  let taken = 0
  let refused = 0
  let bench = new WindowBench()
  for (let round = 0; round < ROUNDS; round += 1) {
    const sample = SBC_TO_GUARD[random.below(SBC_TO_GUARD.length)]
    const order = parseSbcToGuard(bent(structuredClone<unknown>(sample), random))
    if (order === null) {
      refused += 1
      continue
    }
    taken += 1
    if (round % 100 === 0) bench = new WindowBench()
    // Only a window's own orders reach a window; its id was looked up before.
    if (isOfWindow(order)) bench.order({ ...order, windowId: WINDOW_ID })
    bench.runTo(bench.nowMs + random.below(30))
  }
  t.ok(refused > ROUNDS / 10, 'most that is bent is refused')
  t.ok(taken > ROUNDS / 10, 'and what is whole is taken')
  t.end()
})

t.test('frames of orders, cut and damaged, give whole orders or end the channel, and never throw', (t) => {
  const random = seededRandom(2_198)
  let whole = 0
  for (let round = 0; round < ROUNDS / 2; round += 1) {
    const sample = SBC_TO_GUARD[random.below(SBC_TO_GUARD.length)]
    const bytes = Buffer.concat([
      encodeFrame({ id: round, m: sample }),
      encodeFrame({ m: sample }, Buffer.alloc(30, 7)),
    ])
    for (let hits = random.below(6); hits > 0; hits -= 1) bytes[random.below(bytes.length)] = random.below(256)
    const reader = new FrameReader()
    for (let from = 0; from < bytes.length;) {
      const to = Math.min(bytes.length, from + 1 + random.below(120))
      const frames = reader.push(Buffer.from(bytes.subarray(from, to)))
      if (frames === 'malformed') break
      for (const { header } of frames) {
        const message: unknown = typeof header === 'object' && header !== null && 'm' in header ? header.m : null
        if (parseSbcToGuard(message) !== null) whole += 1
      }
      from = to
    }
    reader.wipe()
  }
  t.ok(whole > ROUNDS / 10)
  t.end()
})

function isOfWindow(order: SbcToGuard): order is WindowOrder {
  return order.type.startsWith('window.') && order.type !== 'window.prepare'
}

/** The same with one field, at any depth, changed, added or left out; now and then as it was. */
function bent(value: unknown, random: SeededRandom): unknown {
  if (random.below(4) === 0 || typeof value !== 'object' || value === null) return value
  const record = value as Record<string, unknown>
  const names = Object.keys(record)
  const name = names[random.below(names.length)] ?? 'type'
  switch (random.below(4)) {
    case 0:
      Reflect.deleteProperty(record, name)
      return record
    case 1:
      record['more'] = STRANGE[random.below(STRANGE.length)]
      return record
    case 2:
      record[name] = bent(record[name], random)
      return record
    default:
      record[name] = STRANGE[random.below(STRANGE.length)]
      return record
  }
}
