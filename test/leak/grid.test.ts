import t from 'tap'
import { JUDGES } from '../../bench/leak/judges/panel.ts'
import { CHANCE } from '../../bench/leak/scenario.ts'
import { runScenario } from '../../bench/leak/scenario-run.ts'
import { scenarioNamed } from '../../bench/leak/scenarios.ts'
import { loadVoices } from '../../bench/leak/voices.ts'

/** A fixed sample of the attack bench's grid: the bench itself tries every scenario with tens of thousands of keys. */
const KEYS = 600

/** 3.3 standard deviations above one in twelve of 600: luck goes there once in two thousand times. */
const HITS_AT_CHANCE_MAX = 73

/** A receiver that names one key in a hundred of what it should not hear has heard something. */
const READ_MAX = 6

type Sample = {
  readonly name: string
  /** Part of the keys that the matched filter must name of what arrived: else the sample proves nothing. */
  readonly control: number
}

const SAMPLES: readonly Sample[] = [
  { name: 'in-band', control: 0.99 },
  { name: '40 ms of tone, then events', control: 0.99 },
  { name: '-45 dBm0', control: 0.97 },
  { name: 'tones of 10 ms', control: 0.97 },
  { name: '+3.5 % off', control: 0.99 },
  { name: 'talk-over 0 dB', control: 0.95 },
  { name: 'talk-over +6 dB, tones of 20 ms', control: 0.85 },
  { name: 'talk-over 0 dB, tones of 5 ms', control: 0.6 },
  { name: 'packets of 60 ms, loss 30 %', control: 0.9 },
  { name: 'everything at once', control: 0.9 },
]

const voices = loadVoices({ secondsMax: 30 })

for (const [index, sample] of SAMPLES.entries()) {
  t.test(`four judges are left to chance: ${sample.name}`, async (t) => {
    const result = await runScenario(scenarioNamed(sample.name), { keys: KEYS, seed: 77 + index, voices })
    t.equal(result.keys, KEYS)
    t.equal(result.chance, CHANCE)
    for (const judge of JUDGES) {
      const { hits } = result.judges[judge]
      const isReceiver = judge === 'multimon' || judge === 'spandsp'
      t.ok(hits <= (isReceiver ? READ_MAX : HITS_AT_CHANCE_MAX), `${judge}: ${hits} of ${KEYS}`)
    }
    const { hits, keys } = result.control.matchedFilter
    t.ok(hits >= sample.control * keys, `control of the matched filter: ${hits} of ${keys}`)
    t.notOk(result.control.learned.blind, 'the learned attacker reads what arrived')
    t.equal(result.foreign, 0, 'nothing but audio left')
    t.ok(result.delayMs <= result.lookAheadMs + 5, `delay ${result.delayMs} ms`)
    t.ok(result.leakedDb < -20, `leaked ${result.leakedDb} dB`)
  })
}

t.test('multimon-ng and spandsp read plain keys of what arrived', async (t) => {
  const { control } = await runScenario(scenarioNamed('tones of 60 ms'), { keys: 100, seed: 5, voices })
  t.equal(control.multimon.hits, 100)
  t.equal(control.spandsp.hits, 100)
})
