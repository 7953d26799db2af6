import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Drain } from '../../src/sbc/drain.ts'
import { SiteOrders, type ReloadOutcome } from '../../src/sbc/site-orders.ts'
import { siteReplyShape } from '../../src/wire/site-protocol.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
const drain = new Drain({ count: () => ({ calls: 2, ringing: 0 }), drained: () => undefined, logger })

t.test('a drain is begun, looked at and undone', async (t) => {
  const orders = new SiteOrders({ drain, reload: () => Promise.reject(new Error('not asked')) })
  t.match(await orders.answer({ type: 'site.drain', on: true, seconds: 60 }), { draining: true, secondsLeft: 60 })
  t.match(await orders.answer({ type: 'site.look' }), { draining: true, calls: 2 })
  t.match(await orders.answer({ type: 'site.drain', on: false, seconds: null }), { draining: false, secondsLeft: null })
  t.equal(drain.isOn, false)
})

t.test('one reload at a time; what it says fits the protocol whatever a file holds', async (t) => {
  const outcomes: ReloadOutcome[] = [
    { kind: 'reloaded', keys: ['trunks'] },
    { kind: 'refused', texts: ['/é\n.yaml:3 key', 'x'.repeat(1_000), ''] },
  ]
  const asked: (string | null)[] = []
  const orders = new SiteOrders({
    drain,
    reload: (file) => {
      asked.push(file)
      const outcome = outcomes.shift()
      return outcome === undefined ? Promise.reject(new Error('broken')) : Promise.resolve(outcome)
    },
  })
  const [done, crossed] = await Promise.all([
    orders.answer({ type: 'site.reload', file: null }),
    orders.answer({ type: 'site.reload', file: '/other.yaml' }),
  ])
  t.same(done, { type: 'site.reloaded', keys: ['trunks'] })
  t.match(crossed, { type: 'site.refused', code: 'busy' })
  const refused = await orders.answer({ type: 'site.reload', file: '/other.yaml' })
  t.match(refused, { type: 'site.refused', code: 'refused', texts: ['/??.yaml:3 key', /^x+$/, '?'] })
  t.ok(siteReplyShape(refused))
  t.match(await orders.answer({ type: 'site.reload', file: null }), { code: 'refused', texts: [/logs/] })
  t.same(asked, [null, '/other.yaml', null])
})
