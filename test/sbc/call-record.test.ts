import t from 'tap'
import { CallEntry } from '../../src/sbc/call-entry.ts'
import { callRecord } from '../../src/sbc/call-record.ts'
import { causesOf } from '../../src/sbc/call-recorder.ts'
import type { InviteResult, SipServer } from '../../src/sbc/sip-server.ts'
import type { CallView, Payment } from '../../src/wire/call-protocol.ts'
import { needlesOf, searchBytes } from '../fakes/canary-search.ts'

const CARD = '4263982640269299'
const START = 1_795_335_000_000
const OFFER = 'v=0\r\nm=audio 4000 RTP/AVP 8 0 101\r\nc=IN IP4 192.0.2.1\r\na=rtpmap:101 telephone-event/8000\r\n'
const ANSWER = 'v=0\r\nm=audio 4002 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\n'

type Progress = Parameters<SipServer['invite']>[2]

/** A server whose targets answer as told, one result for each INVITE. */
function server(results: readonly ((progress: Progress) => InviteResult)[]): Pick<SipServer, 'invite'> {
  const left = [...results]
  return {
    invite: (_uri, _options, progress) =>
      Promise.resolve(left.shift()?.(progress) ?? { kind: 'rejected', status: 0, response: null }),
  }
}

function said(callId: string, status = 180): Parameters<Progress['provisional']>[0] {
  return { status, get: (name: string) => (name === 'Call-ID' ? callId : undefined) } as never
}

const PAYMENT: Payment = {
  windowId: 'w',
  form: 'card',
  masking: 'hard',
  state: 'opening',
  fields: [],
  token: null,
  lastFour: null,
  brand: null,
  failure: null,
  openMs: null,
  alarmed: false,
  payerSilent: false,
}

function entry(to = '18005550199') {
  const clock = { ms: START }
  const made = new CallEntry({
    sipCallId: `payer-${CARD}`,
    callerParty: 'payer',
    callerTrunk: 'carrier',
    from: '15551230001',
    to,
    isEmergency: false,
    dateMs: () => clock.ms,
    trunkOf: (target) => (target.startsWith('192.0.2.9') ? 'second' : 'first'),
  })
  return { clock, made }
}

const UNUSED = { sent: () => undefined, provisional: () => undefined }
const ORDER = { sdp: '', headers: {}, callingNumber: '1', credentials: null }

t.test('an answered call has its attempts, times, codecs, windows, quality and end', async (t) => {
  const { clock, made } = entry()
  const dialog = { sip: { callId: 'agent-leg' } } as never
  const watched = made.watching(
    server([
      () => ({ kind: 'rejected', status: 503, response: null }),
      (progress) => {
        clock.ms += 250
        progress.provisional(said('agent-leg', 100))
        progress.provisional(said('agent-leg'))
        clock.ms += 1_000
        return { kind: 'answered', dialog, response: null }
      },
    ]),
  )
  await watched.invite(`sip:${CARD}@192.0.2.1:5060;transport=udp`, ORDER, UNUSED)
  await watched.invite('sip:1@192.0.2.9:5060;transport=tcp', ORDER, UNUSED)
  let payment: Payment | null = null
  made.answered({
    facts: { callId: 'abcdefghijklmnopqrst', rtpengine: 'media-1', agent: 'anna', merchant: 'shop-1' },
    media: { sdpOf: (party) => (party === 'payer' ? OFFER : ANSWER) },
    view: () => ({ payerSipCallId: `payer-${CARD}`, agentSipCallId: 'agent-leg', payment }) as unknown as CallView,
  })
  payment = PAYMENT
  made.look()
  clock.ms += 3_000
  payment = { ...PAYMENT, state: 'capturing' }
  made.look()
  made.look()
  clock.ms += 5_000
  payment = { ...PAYMENT, state: 'closed', token: 'token' }
  made.look()
  made.look()
  payment = { ...PAYMENT, windowId: 'x' }
  made.look()
  clock.ms += 2_000
  made.end({ by: 'agent', reason: 'party_hung_up', q850Cause: 16, sipCause: null })
  const record = callRecord(made)
  t.match(record, {
    callId: 'abcdefghijklmnopqrst',
    direction: 'inbound',
    agent: 'anna',
    payerTrunk: 'carrier',
    agentTrunk: 'second',
    merchant: 'shop-1',
    agentSipCallIds: ['agent-leg'],
    startedAt: new Date(START).toISOString(),
    ringingAt: new Date(START + 250).toISOString(),
    answeredAt: new Date(START + 1_250).toISOString(),
    endedAt: new Date(START + 11_250).toISOString(),
    talkMs: 10_000,
    postDialDelayMs: 250,
    status: 200,
    endedBy: 'agent',
    reason: 'party_hung_up',
    q850Cause: 16,
    attempts: [
      { target: '192.0.2.1:5060;transport=udp', trunk: 'first', status: 503, ms: 0 },
      { target: '192.0.2.9:5060;transport=tcp', trunk: 'second', status: 200, ms: 1_250 },
    ],
    codecs: { payer: 'PCMU', agent: 'PCMU' },
    windows: [
      { ms: 8_000, outcome: 'token' },
      { ms: 2_000, outcome: 'call_ended' },
    ],
  })
  t.same(
    made.events.map(({ state, outcome }) => [state, outcome]),
    [
      ['opening', null],
      ['capturing', null],
      ['closed', 'token'],
      ['opening', null],
    ],
  )
  t.same(searchBytes(Buffer.from(JSON.stringify(record)), needlesOf(CARD)), [])
  t.notMatch(JSON.stringify(record), /lastFour|brand|"token":/)
})

t.test('a call to a card number, which nobody takes, has no digit of it', async (t) => {
  const { made } = entry(CARD)
  const watched = made.watching(server([() => ({ kind: 'rejected', status: 486, response: said('other-leg', 486) })]))
  await watched.invite(`sip:${CARD}@192.0.2.1`, ORDER, UNUSED)
  made.end({ by: 'agent', reason: 'refused', q850Cause: null, sipCause: null }, 486)
  const record = callRecord(made)
  t.match(record, {
    callId: null,
    answeredAt: null,
    talkMs: 0,
    status: 486,
    agentSipCallIds: ['other-leg'],
    media: null,
  })
  t.same(searchBytes(Buffer.from(JSON.stringify(record)), needlesOf(CARD)), [])
})

t.test('the other parts of a watched server are the server’s own', (t) => {
  const whole = { invite: server([]).invite, name: 'x', twice: (value: number) => value * 2 }
  const watched = entry().made.watching(whole)
  t.equal(watched.name, 'x')
  t.equal(watched.twice(4), 8)
  t.end()
})

t.test('causes are read from any Reason header', (t) => {
  t.same(causesOf('Q.850;cause=16;text="Normal, call clearing"'), { q850Cause: 16, sipCause: null })
  t.same(causesOf('SIP ;cause=200;text="x", Q.850 ; cause = 31'), { q850Cause: 31, sipCause: 200 })
  t.same(causesOf(''), { q850Cause: null, sipCause: null })
  t.same(causesOf('Q.850;cause=4263982640269299'), { q850Cause: null, sipCause: null })
  t.end()
})
