import t from 'tap'
import { callMerchant } from '../../src/sbc/call-merchant.ts'

t.test('the route says whose a call is, else the trunk it comes from, else the one it goes to, else the site', (t) => {
  const merchantOf = (route: string | null, caller: string | null, callee: string | null): string =>
    callMerchant({
      trunks: {
        routeMerchant: (asked) => {
          t.same(asked, { from: 'carrier', number: '4711' })
          return route
        },
      },
      caller: { name: 'carrier', merchant: caller },
      callee: { merchant: callee },
      number: '4711',
      merchant: 'site',
    })
  t.equal(merchantOf('hotel', 'shop', 'bank'), 'hotel')
  t.equal(merchantOf(null, 'shop', 'bank'), 'shop')
  t.equal(merchantOf(null, null, 'bank'), 'bank')
  t.equal(merchantOf(null, null, null), 'site')
  t.end()
})
