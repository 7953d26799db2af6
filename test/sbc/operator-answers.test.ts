import t from 'tap'
import { CallEntry } from '../../src/sbc/call-entry.ts'
import { OperatorAnswers, type SipdChannel } from '../../src/sbc/operator-answers.ts'
import { parseSbcToOperator, type LiveCall } from '../../src/wire/operator-protocol.ts'
import type { TracedMessage } from '../../src/wire/trace-protocol.ts'

const CARD = '4263982640269299'
const CALL: LiveCall = {
  callId: 'abcdefghijklmnopqrst',
  sipCallId: 'p@carrier',
  state: 'talking',
  direction: 'inbound',
  from: '15551230001',
  to: '18005550199',
  payerTrunk: 'carrier',
  agentTrunk: 'centre',
  merchant: 'shop',
  agent: 'agent',
  startedAtMs: 1_795_335_000_000,
  answeredAtMs: 1_795_335_001_000,
  window: 'capturing',
  rtpengine: 'media-1',
  payerCodec: 'PCMU',
  agentCodec: 'PCMA',
}

function message(sequence: number, text: string): TracedMessage {
  return {
    sequence,
    atMs: 1_795_335_000_000 + sequence,
    direction: 'received',
    transport: 'udp',
    local: '127.0.0.1:5060',
    remote: '127.0.0.2:5060',
    text,
  }
}

function entry(): CallEntry {
  const made = new CallEntry({
    sipCallId: 'p@carrier',
    callerParty: 'payer',
    callerTrunk: 'carrier',
    from: '1',
    to: '2',
    isEmergency: false,
    dateMs: () => 1_795_335_000_000,
    trunkOf: () => null,
  })
  made.callId = 'abcdefghijklmnopqrst'
  made.sipCallIds.agent.add('a')
  made.events.push({ atMs: 1_795_335_000_001, state: 'opening', outcome: null })
  return made
}

function sipd(messages: readonly TracedMessage[]) {
  const asked: (readonly string[])[] = []
  const channel: SipdChannel = {
    request: (question) => {
      asked.push(question.sipCallIds)
      return Promise.resolve({ kind: 'reply', message: { type: 'trace.messages', messages }, body: Buffer.alloc(0) })
    },
  }
  return { channel, asked }
}

function answers(found: CallEntry | null, calls: readonly LiveCall[] = []): OperatorAnswers {
  return new OperatorAnswers({ journal: { liveCalls: () => calls, find: () => found } })
}

t.test('calls are told a page at a time', async (t) => {
  const many = Array.from({ length: 1_200 }, () => CALL)
  const operators = answers(null, many)
  const first = await operators.answer({ type: 'calls.list', skip: 0 })
  const second = await operators.answer({ type: 'calls.list', skip: 1_000 })
  if (first.type !== 'calls.report' || second.type !== 'calls.report') throw new Error('no report')
  t.equal(first.calls.length, 1_000)
  t.equal(second.calls.length, 200)
  t.equal(second.total, 1_200)
  t.same(parseSbcToOperator(JSON.parse(JSON.stringify(first))), first)
})

t.test('a trace has the messages of both legs in order, and the window events', async (t) => {
  const operators = answers(entry())
  const { channel, asked } = sipd([message(2, 'second'), message(1, 'first')])
  operators.add(channel)
  const report = await operators.answer({ type: 'call.trace', call: 'abcdefghijklmnopqrst' })
  t.same(asked, [['p@carrier', 'a']])
  t.match(report, {
    type: 'call.trace.report',
    callId: 'abcdefghijklmnopqrst',
    payerSipCallIds: ['p@carrier'],
    agentSipCallIds: ['a'],
    isEnded: false,
    messages: [{ text: 'first' }, { text: 'second' }],
    events: [{ state: 'opening' }],
  })
  t.same(parseSbcToOperator(JSON.parse(JSON.stringify(report))), report)
})

t.test('a card number in what sipd says does not go on', async (t) => {
  const operators = answers(entry())
  operators.add(sipd([message(1, `INVITE sip:${CARD}@x SIP/2.0`)]).channel)
  const report = await operators.answer({ type: 'call.trace', call: 'a' })
  t.notMatch(JSON.stringify(report), CARD)
})

t.test('a call of no journal is asked for by its Call-ID, and is unknown when sipd has nothing', async (t) => {
  const operators = answers(null)
  t.match(await operators.answer({ type: 'call.trace', call: 'x' }), { code: 'no_sipd' })
  const unknowing = sipd([])
  operators.add(unknowing.channel)
  t.match(await operators.answer({ type: 'call.trace', call: 'x' }), { code: 'unknown_call' })
  t.same(unknowing.asked, [['x']])
  operators.remove(unknowing.channel)
  const silent: SipdChannel = { request: () => Promise.resolve({ kind: 'timeout' }) }
  operators.add(silent)
  t.match(await operators.answer({ type: 'call.trace', call: 'x' }), { code: 'no_answer' })
  operators.remove(silent)
  operators.add(sipd([message(1, 'one')]).channel)
  t.match(await operators.answer({ type: 'call.trace', call: 'x' }), { callId: null, isEnded: true })
})
