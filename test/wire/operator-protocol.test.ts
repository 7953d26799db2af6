import t from 'tap'
import { parseDeskToSbc } from '../../src/wire/call-protocol.ts'
import { parseOperatorToSbc, parseSbcToOperator, type LiveCall } from '../../src/wire/operator-protocol.ts'

const CALL: LiveCall = {
  callId: 'abcdefghijklmnopqrst',
  sipCallId: '3697b2@carrier.example',
  state: 'ringing',
  direction: 'inbound',
  from: '+15551230001',
  to: '18005550199',
  payerTrunk: 'carrier',
  agentTrunk: null,
  merchant: null,
  agent: null,
  startedAtMs: 1_795_335_000_000,
  answeredAtMs: null,
  window: null,
  rtpengine: null,
  payerCodec: 'PCMU',
  agentCodec: '-',
}
const TRACE = {
  type: 'call.trace.report',
  callId: null,
  payerSipCallIds: ['p'],
  agentSipCallIds: [],
  isEnded: true,
  messages: [],
  events: [{ atMs: 1_795_335_000_000, state: 'closed', outcome: 'token' }],
}

t.test('an operator asks for calls and traces, a desk cannot', (t) => {
  for (const question of [
    { type: 'calls.list', skip: 0 },
    { type: 'call.trace', call: 'abc@x' },
    { type: 'site.configuration' },
  ]) {
    t.same(parseOperatorToSbc(question), question)
    t.equal(parseDeskToSbc(question), null)
  }
  t.same(parseOperatorToSbc({ type: 'calls.watch' }), { type: 'calls.watch' })
  t.end()
})

t.test('what does not fit is refused', (t) => {
  for (const question of [
    { type: 'calls.list' },
    { type: 'calls.list', skip: -1 },
    { type: 'call.trace', call: '' },
    { type: 'call.trace', call: 'a b' },
    { type: 'call.trace', call: 'x'.repeat(201) },
    { type: 'call.trace', call: 'x', more: 1 },
  ])
    t.equal(parseOperatorToSbc(question), null, JSON.stringify(question).slice(0, 60))
  t.end()
})

t.test('answers are read field by field', (t) => {
  for (const answer of [
    { type: 'calls.report', calls: [CALL], total: 1 },
    TRACE,
    { type: 'operator.refused', code: 'no_sipd' },
    { type: 'site.configuration.report', version: '0.1.0' },
    { type: 'selftest.report', results: [] },
  ])
    t.same(parseSbcToOperator(answer), answer)
  for (const answer of [
    { type: 'calls.report', calls: [{ ...CALL, token: 'x' }], total: 1 },
    { type: 'calls.report', calls: [{ ...CALL, from: 'x'.repeat(65) }], total: 1 },
    { type: 'calls.report', calls: Array<LiveCall>(1_001).fill(CALL), total: 1_001 },
    { ...TRACE, events: [{ atMs: 1_795_335_000_000, state: 'closed', outcome: '4263982640269299' }] },
    { type: 'operator.refused', code: 'anything' },
    { type: 'site.configuration.report', version: '4263982640269299.0.0' },
  ])
    t.equal(parseSbcToOperator(answer), null)
  t.end()
})
