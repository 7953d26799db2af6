import t from 'tap'
import { Metrics } from '../../src/kit/metrics.ts'
import { createSipdMetrics } from '../../src/sipd/sipd-metrics.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'

t.test('labels come from fixed sets, whatever a peer invents', async (t) => {
  const metrics = new Metrics('sipd')
  const sipd = createSipdMetrics(metrics)
  sipd.received('udp', fakeRequest('DANCE-4111111111111111'))
  sipd.received('tcp', fakeResponse(fakeRequest('INVITE'), 486))
  sipd.malformed('control')
  sipd.limited('slow_sender')
  sipd.counts({ serverTransactions: 1, clientTransactions: 2, dialogs: 3, applications: 4 })
  const text = await metrics.registry.metrics()
  t.match(text, 'tonewall_sipd_messages_total{transport="udp",kind="other",role="sipd"} 1')
  t.match(text, 'tonewall_sipd_messages_total{transport="tcp",kind="4xx",role="sipd"} 1')
  t.match(text, 'tonewall_sipd_malformed_total{transport="control",role="sipd"} 1')
  t.match(text, 'tonewall_sipd_limited_total{limit="slow_sender",role="sipd"} 1')
  t.match(text, 'tonewall_sipd_dialogs{role="sipd"} 3')
  t.notMatch(text, '4111')
})
