import t from 'tap'
import { Metrics } from '../../src/kit/metrics.ts'
import { CallMetrics } from '../../src/sbc/call-metrics.ts'
import type { LiveCall } from '../../src/wire/operator-protocol.ts'
import { sampleRecord } from '../fakes/call-records.ts'

const RINGING: LiveCall = {
  callId: null,
  sipCallId: 'c',
  state: 'ringing',
  direction: 'inbound',
  from: '1',
  to: '2',
  payerTrunk: 'carrier',
  agentTrunk: null,
  merchant: null,
  agent: null,
  startedAtMs: 1_795_335_000_000,
  answeredAtMs: null,
  window: null,
  rtpengine: null,
  payerCodec: '-',
  agentCodec: '-',
}

t.test('what is over counts by trunk, outcome, delay and quality', async (t) => {
  const metrics = new Metrics('sbc')
  const calls = new CallMetrics({ metrics, trunks: ['carrier', 'centre'] })
  calls.over(sampleRecord({}))
  const refused = { target: 'x', trunk: 'centre', status: 503, ms: 3 }
  calls.over(sampleRecord({ answeredAt: null, status: 503, media: null, attempts: [refused, refused] }))
  calls.over(sampleRecord({ answeredAt: null, status: 487, reason: 'cancelled', media: null, attempts: [] }))
  calls.over(
    sampleRecord({ answeredAt: null, status: 486, media: null, attempts: [{ ...refused, trunk: 'not-configured' }] }),
  )
  const text = await metrics.registry.metrics()
  for (const line of [
    'tonewall_sbc_seizures_total{trunk="centre",role="sbc"} 3',
    'tonewall_sbc_seizures_total{trunk="none",role="sbc"} 1',
    'tonewall_sbc_answers_total{trunk="centre",role="sbc"} 1',
    'tonewall_sbc_calls_total{direction="inbound",outcome="answered",role="sbc"} 1',
    'tonewall_sbc_calls_total{direction="inbound",outcome="failed",role="sbc"} 1',
    'tonewall_sbc_calls_total{direction="inbound",outcome="cancelled",role="sbc"} 1',
    'tonewall_sbc_calls_total{direction="inbound",outcome="refused",role="sbc"} 1',
    'tonewall_sbc_mos_count{role="sbc"} 2',
    'tonewall_sbc_talk_seconds_sum{role="sbc"} 60',
  ])
    t.ok(text.includes(line), line)
})

t.test('calls of now are counted when they are asked for, at each of their trunks', async (t) => {
  const metrics = new Metrics('sbc')
  const calls = new CallMetrics({ metrics, trunks: ['carrier', 'centre'] })
  let live: readonly LiveCall[] = [RINGING, { ...RINGING, state: 'talking', agentTrunk: 'centre' }]
  calls.shows(() => live)
  const read = async (): Promise<readonly string[]> =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith('tonewall_sbc_calls_by{'))
  t.same(await read(), [
    'tonewall_sbc_calls_by{state="ringing",direction="inbound",trunk="carrier",role="sbc"} 1',
    'tonewall_sbc_calls_by{state="ringing",direction="inbound",trunk="none",role="sbc"} 1',
    'tonewall_sbc_calls_by{state="talking",direction="inbound",trunk="carrier",role="sbc"} 1',
    'tonewall_sbc_calls_by{state="talking",direction="inbound",trunk="centre",role="sbc"} 1',
  ])
  live = []
  t.same(await read(), [])
})
