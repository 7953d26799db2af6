import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Refusals, type RefusedPeer } from '../../src/kit/refusals.ts'
import { eventually } from '../fakes/eventually.ts'

type Code = 'one' | 'other'

function refusals(recordEveryMs: number) {
  const lines: string[] = []
  const counted: Code[] = []
  const recorded: RefusedPeer<Code>[] = []
  const made = new Refusals<Code>({
    logger: createLogger({ role: 'vault', level: 'warn', stream: { write: (line) => lines.push(line) } }),
    counted: (code) => counted.push(code),
    record: (refused) => recorded.push(refused),
    recordEveryMs,
  })
  return { made, lines, counted, recorded }
}

t.test('a flood is counted one by one, and has one line and one record', (t) => {
  const { made, lines, counted, recorded } = refusals(3_600_000)
  for (let index = 0; index < 5_000; index += 1) made.add('one', { address: '192.0.2.1' })
  t.equal(counted.length, 5_000)
  t.equal(lines.length, 1)
  t.same(recorded, [{ code: 'one', address: '192.0.2.1', count: 1 }])
  made.add('other', { address: undefined })
  t.same(recorded[1], { code: 'other', address: 'unknown', count: 1 }, 'another code has its own')
  made.close()
  made.close()
  t.same(recorded.slice(2), [{ code: 'one', address: '192.0.2.1', count: 4_999 }], 'and none is forgotten')
  made.add('one', { address: undefined })
  t.equal(recorded.length, 3)
  t.end()
})

t.test(
  'what came after the first is recorded with its number when the time is over, as long as there is any',
  async (t) => {
    const { made, recorded } = refusals(20)
    for (let index = 0; index < 3; index += 1) made.add('one', { address: '192.0.2.1' })
    await eventually(() => recorded.length === 2)
    t.same(recorded[1], { code: 'one', address: '192.0.2.1', count: 2 })
    made.close()
  },
)
