import { getEventListeners } from 'node:events'
import t from 'tap'
import { AbortWait } from '../../src/sbc/abort-wait.ts'

t.test('a signal is heard before and after the wait began', async (t) => {
  t.equal(await new AbortWait(AbortSignal.abort(), 'over').happened, 'over')
  const stop = new AbortController()
  const wait = new AbortWait(stop.signal, 'over')
  stop.abort()
  t.equal(await wait.happened, 'over')
})

t.test('a wait that is forgotten leaves nothing at the signal, however often', (t) => {
  const stop = new AbortController()
  const wait = new AbortWait(stop.signal, null)
  t.equal(getEventListeners(stop.signal, 'abort').length, 1)
  wait.forget()
  wait.forget()
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
  t.end()
})

t.end()
