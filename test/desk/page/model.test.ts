import t from 'tap'
import { callsInOrder, FIRST_MODEL, isMasked, shownCall, step, type PageInput } from '../../../src/desk/page/model.ts'
import { callOf, paymentOf } from '../fake-sbc.ts'

const all = (...inputs: readonly PageInput[]) => inputs.reduce(step, FIRST_MODEL)
const snapshot = (...calls: ReturnType<typeof callOf>[]): PageInput => ({
  type: 'snapshot',
  sbc: 'up',
  synced: true,
  clockOffsetMs: 0,
  calls,
})
const call = (...more: Parameters<typeof callOf>): PageInput => ({ type: 'call', call: callOf(...more) })
const endedAtMs = Date.now()

t.test('the first running call is shown by itself, and stays shown when another arrives', (t) => {
  t.equal(shownCall(all(snapshot())), null)
  t.equal(shownCall(all(snapshot(), call('a'), call('b')))?.callId, 'a'.repeat(20))
  t.end()
})

t.test('an ended call stays in sight until a new one comes', (t) => {
  const model = all(snapshot(callOf('a')), call('a', { state: 'ended', endedAtMs }))
  t.equal(shownCall(model)?.state, 'ended')
  t.equal(shownCall(step(model, call('b')))?.callId, 'b'.repeat(20))
  t.end()
})

t.test('the call that the agent chose is shown', (t) => {
  const model = all(
    snapshot(callOf('a'), callOf('b')),
    { type: 'show', callId: 'b'.repeat(20) },
    call('a', { state: 'held' }),
  )
  t.equal(shownCall(model)?.callId, 'b'.repeat(20))
  t.equal(shownCall(step(model, { type: 'gone', callId: 'b'.repeat(20) }))?.callId, 'a'.repeat(20))
  t.end()
})

t.test('a desk that knows no calls yet does not empty the page', (t) => {
  const model = all(snapshot(callOf('a')), { type: 'lost' })
  const after = step(model, { type: 'snapshot', sbc: 'down', synced: false, clockOffsetMs: 0, calls: [] })
  t.equal(after.calls.size, 1)
  t.equal(after.sbc, 'down')
  t.equal(step(after, snapshot()).calls.size, 0)
  t.end()
})

t.test('losing the desk before anything was heard is still connecting, later it is reconnecting', (t) => {
  t.equal(all({ type: 'lost' }).connection, 'connecting')
  t.equal(all({ type: 'connected' }, { type: 'lost' }).connection, 'reconnecting')
  t.equal(all({ type: 'connected' }, { type: 'lost' }, { type: 'connected' }).connection, 'live')
  t.end()
})

t.test('running calls are listed before ended ones, the newest first', (t) => {
  const model = all(
    snapshot(
      callOf('a', { startedAtMs: endedAtMs - 3_000 }),
      callOf('b', { startedAtMs: endedAtMs - 1_000, state: 'ended', endedAtMs }),
      callOf('c', { startedAtMs: endedAtMs - 2_000 }),
    ),
  )
  t.same(
    callsInOrder(model).map(({ callId }) => callId[0]),
    ['c', 'a', 'b'],
  )
  t.end()
})

t.test('a payer counts as masked from the proof until the window is closed', (t) => {
  const masked = (state: ReturnType<typeof paymentOf>['state']) =>
    isMasked(callOf('a', { payment: paymentOf({ state }) }))
  t.same((['opening', 'capturing', 'storing', 'cooling', 'held', 'closed'] as const).map(masked), [
    false,
    true,
    true,
    true,
    true,
    false,
  ])
  t.notOk(isMasked(null))
  t.notOk(isMasked(callOf('a', { state: 'ended', payment: paymentOf() })))
  t.end()
})
