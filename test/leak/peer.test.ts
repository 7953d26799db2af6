import t from 'tap'
import { multimonJudge } from '../../bench/leak/judges/multimon.ts'
import { PEER_ROWS, peerScenario } from '../../bench/leak/peer.ts'
import { playPeerJob } from '../../bench/leak/peer-call.ts'
import { PeerRelay, type PeerSetting } from '../../bench/leak/peer-relay.ts'
import { SendingClock } from '../../bench/leak/real-path-clock.ts'
import { prepareJob } from '../../bench/leak/real-path-job.ts'
import { scenarioNamed } from '../../bench/leak/scenarios.ts'

const KEYS = 12
const OFF: PeerSetting = { name: 'off', security: 'off', delayBufferMs: 0 }
const DROP: PeerSetting = { name: 'drop', security: 'drop', delayBufferMs: 0 }
const SILENCE: PeerSetting = { name: 'silence', security: 'silence', delayBufferMs: 100 }

t.test('rtpengine alone: blocks what it blocks, and its relay gives the judges all else', async (t) => {
  const relay = await PeerRelay.start()
  const clock = new SendingClock()
  t.teardown(async () => {
    clock.close()
    await relay.close()
  })
  const tried = [
    { name: 'in-band', setting: OFF, hits: KEYS, told: 0 },
    { name: 'events, no tone in the audio', setting: OFF, hits: KEYS, told: KEYS },
    { name: 'events, no tone in the audio', setting: DROP, hits: 0, told: 0 },
    { name: 'both: events beside whole tones', setting: DROP, hits: KEYS, told: 0 },
    { name: 'in-band', setting: SILENCE, hits: 0, told: 0 },
    { name: '-40 dBm0', setting: SILENCE, hits: KEYS, told: 0 },
  ]
  const finish = await Promise.all(
    tried.map(({ name, setting }, index) => {
      const job = prepareJob(peerScenario(scenarioNamed(name)), { keys: KEYS, seed: index, voices: [], leadMs: 500 })
      return playPeerJob(job, { relay, setting, clock, index })
    }),
  )
  for (const [index, { name, setting, hits, told }] of tried.entries()) {
    const call = finish[index]?.()
    if (call === undefined) continue
    const judge = multimonJudge()
    await judge.hear(call.agent)
    t.strictSame({ told: call.told, unplaced: call.unplaced }, { told, unplaced: 0 }, `${name}, ${setting.name}`)
    const verdict = await judge.verdict()
    // A busy machine may cost a key of twelve.
    t.ok(Math.abs(verdict.hits - hits) <= 1, `${name}, ${setting.name}: ${verdict.hits} of ${verdict.keys} read`)
  }
})

t.test('every row of the peer is one of the grid', (t) => {
  for (const name of PEER_ROWS) t.equal(scenarioNamed(name).name, name)
  t.end()
})
