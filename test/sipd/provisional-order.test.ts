import t from 'tap'
import { EMPTY_BODY, header, type SipResponse } from '../../src/sipd/message.ts'
import { ProvisionalOrder } from '../../src/sipd/provisional-order.ts'

function provisional(options: {
  readonly tag: string
  readonly rseq?: string
  readonly require?: string
}): SipResponse {
  return {
    kind: 'response',
    status: 183,
    reason: 'Session Progress',
    headers: [
      header('To', `<sip:a@127.0.0.1>;tag=${options.tag}`),
      ...(options.rseq === undefined ? [] : [header('RSeq', options.rseq)]),
      ...(options.require === undefined ? [] : [header('Require', options.require)]),
    ],
    body: EMPTY_BODY,
  }
}

const reliable = (tag: string, rseq: string) => provisional({ tag, rseq, require: '100rel' })

t.test('a reliable provisional passes once, and only the next after it', (t) => {
  const order = new ProvisionalOrder()
  t.equal(order.isNew(reliable('a', '70')), true, 'the first may have any number')
  t.equal(order.isNew(reliable('a', '70')), false)
  t.equal(order.isNew(reliable('a', '72')), false)
  t.equal(order.isNew(reliable('a', '71')), true)
  t.equal(order.isNew(reliable('a', '70')), false)
  t.end()
})

t.test('each fork counts for itself', (t) => {
  const order = new ProvisionalOrder()
  t.equal(order.isNew(reliable('a', '1')), true)
  t.equal(order.isNew(reliable('b', '9')), true)
  t.equal(order.isNew(reliable('a', '2')), true)
  t.end()
})

t.test('one that is not reliable always passes, one whose number is none never', (t) => {
  const order = new ProvisionalOrder()
  for (const response of [provisional({ tag: 'a' }), provisional({ tag: 'a', rseq: '1' })]) {
    t.equal(order.isNew(response), true)
    t.equal(order.isNew(response), true)
  }
  for (const rseq of ['one', '1.5']) t.equal(order.isNew(reliable('a', rseq)), false)
  t.end()
})
