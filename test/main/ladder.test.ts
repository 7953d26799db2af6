import t from 'tap'
import { ladderHead, ladderLines, stepsOf } from '../../src/main/ladder.ts'
import { summaryOf } from '../../src/main/message-summary.ts'
import type { CallTrace } from '../../src/wire/operator-protocol.ts'
import type { TracedMessage } from '../../src/wire/trace-protocol.ts'

const START = 1_795_335_000_000
const SDP =
  'v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/SAVP 8 101 0\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n' +
  'm=video 0 RTP/AVP 96\r\nc=IN IP4 192.0.2.9\r\n'

function message(
  sequence: number,
  callId: string,
  start: string,
  more: Partial<TracedMessage> & { readonly body?: string } = {},
): TracedMessage {
  const { body = '', ...rest } = more
  return {
    sequence,
    atMs: START + sequence * 10,
    direction: 'received',
    transport: 'udp',
    local: '192.0.2.1:5060',
    remote: '192.0.2.7:5060',
    text: `${start}\r\nCall-ID: ${callId}\r\nCSeq: ${sequence} INVITE\r\n\r\n${body}`,
    ...rest,
  }
}

const TRACE: CallTrace = {
  type: 'call.trace.report',
  callId: 'abcdefghijklmnopqrst',
  payerSipCallIds: ['p'],
  agentSipCallIds: ['a'],
  isEnded: false,
  messages: [
    message(1, 'p', 'INVITE sip:b@x SIP/2.0', { body: SDP }),
    message(2, 'a', 'INVITE sip:c@y SIP/2.0', { direction: 'sent', remote: '198.51.100.2:5070' }),
    message(3, 'a', 'SIP/2.0 180 Ringing', { remote: '198.51.100.2:5070' }),
    message(4, 'p', 'SIP/2.0 180 Ringing', { direction: 'sent' }),
  ],
  events: [{ atMs: START + 25, state: 'closed', outcome: 'token' }],
}

t.test('messages of both sides and window events stand in time, arrows point where the message went', (t) => {
  const steps = stepsOf(TRACE)
  t.same(
    steps.map(({ key }) => key),
    ['m1', 'm2', 'w0', 'm3', 'm4'],
  )
  const lines = steps.map((step) => ladderLines(step, START)[0] ?? '')
  t.match(lines[0], /^ +\+0\.010 +\|-+ INVITE -+>\| +\| {2}CSeq 1 INVITE$/)
  t.match(lines[1], /^ +\+0\.020 +\| +\|-+ INVITE -+>\|/)
  t.match(lines[2], /\|=+ window closed: token =+\|/)
  t.match(lines[3], /\| +\|<-+ 180 Ringing -+\|/)
  t.match(lines[4], /\|<-+ 180 Ringing -+\| +\|/)
  const bars = (line: string): readonly number[] => [...line.matchAll(/\|/g)].map(({ index }) => index).slice(0, 3)
  t.same(bars(lines[0] ?? ''), bars(lines[3] ?? ''), 'the three lines are straight')
  t.equal(lines[2]?.lastIndexOf('|'), bars(lines[0] ?? '')[2])
  t.match(
    ladderHead(TRACE, steps).join('\n'),
    /payer +tonewall +agent\n.*udp 192\.0\.2\.7:5060 +udp 198\.51\.100\.2:5070/,
  )
  t.end()
})

t.test('a description is told by kind, codecs, address and direction', (t) => {
  const [step] = stepsOf(TRACE)
  if (step === undefined) throw new Error('no step')
  const lines = ladderLines(step, START)
  t.match(lines[1], 'SDP audio PCMA telephone-event PCMU at 192.0.2.1:4000 RTP/SAVP sendonly')
  t.match(lines[2], 'SDP video 96 at 192.0.2.9:0 RTP/AVP sendrecv')
  t.end()
})

t.test('what a peer wrote cannot steer a terminal, nor break a line', (t) => {
  const hostile = summaryOf(
    'SIP/2.0 486 \u001b[2J\u009b31mBusy\r\nReason: Q.850;cause=17\u0007\rx\r\nno colon\r\n\r\n\u001b]0;x',
  )
  t.notMatch(JSON.stringify(hostile), /\\u001b|\u009b|\\u0007|\\r/)
  t.match(hostile, { title: /^486 \?\[2J\?31mBusy$/, details: ['reason: Q.850;cause=17??x'] })
  const step = stepsOf({
    ...TRACE,
    messages: [message(1, 'p', `INVITEANDSOMETHINGVERYVERYVERYLONG${'X'.repeat(90)} x`)],
  })[0]
  if (step === undefined) throw new Error('no step')
  t.equal(ladderLines(step, START)[0]?.indexOf('|', 20), (ladderLines(step, START)[0]?.indexOf('|') ?? 0) + 34)
  t.same(summaryOf(''), { callId: '', title: '', facts: 'CSeq ', details: [] })
  t.end()
})
