import t from 'tap'
import { measureRealPath } from '../../bench/leak/real-path.ts'
import { REAL_SCENARIOS } from '../../bench/leak/real-path-rows.ts'
import { loadVoices } from '../../bench/leak/voices.ts'
import { chanceLimit } from '../../src/demo/judge/chance-limit.ts'

const KEYING_MS = 7_000

t.test('no key is readable behind the whole product, whatever happens to the call mid-digit', async (t) => {
  const rows = [
    'both: events beside whole tones',
    'SIP INFO beside whole tones',
    'payer holds and resumes mid-digit',
    'payer changes from PCMU to PCMA and back mid-digit',
    'contact centre transfers by re-INVITE mid-digit',
    'agent cancels the window mid-digit',
    'windows opened and closed around keys',
    'payer hangs up mid-digit and sends on',
  ]
  const measure = await measureRealPath({
    voices: loadVoices({ secondsMax: 30 }),
    say: () => undefined,
    seed: 3,
    callsPerRow: 1,
    keyingMs: KEYING_MS,
    rows,
  })
  t.strictSame(
    measure.rows.map(({ name }) => name),
    rows,
  )
  for (const row of measure.rows) {
    t.equal(row.failed, 0, `${row.name}: every call came about`)
    t.equal(row.told, 0, `${row.name}: no event and no INFO reached the agent`)
    t.equal(row.unplaced, 0, `${row.name}: everything that reached the agent was judged`)
    t.ok(row.keys > 0, `${row.name}: keys were pressed`)
    t.equal(row.judges.multimon.hits, 0, `${row.name}: multimon-ng reads nothing`)
    t.equal(row.judges.spandsp.hits, 0, `${row.name}: spandsp reads nothing`)
    t.ok(row.control.multimon.hits > 0.6 * row.keys, `${row.name}: the control is read`)
  }
  const edges = measure.rows.find(({ clear }) => clear.keys > 0)
  t.ok(
    (edges?.clear.read ?? 0) > 0.6 * (edges?.clear.keys ?? 0),
    'the same judge reads the agent where no window is open',
  )
  const { hits, keys } = measure.together.matchedFilter
  t.ok(hits <= chanceLimit({ tries: keys, chance: 1 / 12 }), 'a matched filter that knows all times only guesses')
})

t.test('every row has a name of its own', (t) => {
  const names = REAL_SCENARIOS.map(({ scenario }) => scenario.name)
  t.equal(new Set(names).size, names.length)
  t.end()
})
