import t from 'tap'
import { CallJournal } from '../../src/sbc/call-journal.ts'
import type { CallEntry } from '../../src/sbc/call-entry.ts'
import type { CallRecord } from '../../src/sbc/call-record.ts'

const CARD = '4263982640269299'

function journal() {
  const clock = { ms: 1_795_335_000_000 }
  const records: CallRecord[] = []
  const made = new CallJournal({ dateMs: () => clock.ms, finished: (record) => records.push(record) })
  const begin = (sipCallId: string, to = '2'): CallEntry => {
    const entry = made.begin({
      sipCallId,
      callerParty: 'payer',
      callerTrunk: 'carrier',
      from: '1',
      to,
      isEmergency: false,
      trunkOf: () => null,
    })
    if (entry === null) throw new Error('no room')
    return entry
  }
  return { clock, records, made, begin }
}

const ENDING = { by: 'payer', reason: 'cancelled', q850Cause: null, sipCause: null } as const

t.test('a call is found while it lives and for some minutes after, the newest of a name first', (t) => {
  const { clock, made, begin, records } = journal()
  const first = begin('same')
  first.end(ENDING, 487)
  made.finish(first)
  made.finish(first)
  t.equal(records.length, 1)
  t.equal(made.find('same'), first)
  const second = begin('same')
  t.equal(made.find('same'), second)
  clock.ms += 16 * 60_000
  second.end(ENDING, 487)
  t.same(made.liveCalls(), [], 'one that ended is not shown as live while its quality is asked for')
  made.finish(second)
  t.equal(made.find('same'), second)
  t.equal(made.find('unknown'), null)
  t.end()
})

t.test('ended calls are not kept without limit', (t) => {
  const { made, begin } = journal()
  for (let index = 0; index < 5_050; index += 1) {
    const entry = begin(`call-${index}`)
    entry.end(ENDING, 487)
    made.finish(entry)
  }
  t.equal(made.find('call-0'), null)
  t.ok(made.find('call-5049'))
  t.equal(made.size, 0)
  t.end()
})

t.test('live calls are shown with what is known of them, and no card number', (t) => {
  const { made, begin } = journal()
  begin('ringing', CARD)
  t.same(made.liveCalls(), [
    {
      callId: null,
      sipCallId: 'ringing',
      state: 'ringing',
      direction: 'inbound',
      from: '1',
      to: '................',
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
    },
  ])
  t.end()
})

t.test('no more INVITEs are looked after than there can be calls', (t) => {
  const { begin } = journal()
  for (let index = 0; index < 20_000; index += 1) begin(`c${index}`)
  t.throws(() => begin('one more'))
  t.end()
})
