import t from 'tap'
import { frameTime, networkFields, requestSentFields, responseSentFields } from '../../src/sipd/frame-fields.ts'
import { fakeFlow } from './fake-flow.ts'

const { flow } = fakeFlow()

t.test('fields stand where drachtio-srf counts them, the frame id being before them', (t) => {
  t.equal(frameTime(new Date(2026, 10, 22, 3, 4, 5, 6)), '03:04:05.006000')
  const fresh = networkFields({ source: 'network', bytes: 9, flow, transactionId: 'x', dialogId: undefined })
  t.same(fresh.slice(0, 6), ['sip', 'network', '9', 'udp', '192.0.2.2', '5062'])
  t.same(fresh.slice(7), ['x', '', '192.0.2.1', '5060', ''])
  t.same(networkFields({ source: 'application', bytes: 9, flow, transactionId: 'x', dialogId: 'd' }).slice(7), [
    'x',
    'd',
    '',
  ])
  t.same(requestSentFields(9, flow, 'x').slice(7), ['x', 'Msg sent:', ''])
  t.same(responseSentFields(9, flow, { transactionId: 'x', dialogId: 'd' }).slice(7), ['x', 'd', '', 'Msg sent:', ''])
  t.end()
})
