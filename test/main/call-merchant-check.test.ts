import t from 'tap'
import { checkCallMerchants } from '../../src/main/call-merchant-check.ts'
import { completeRoute, type WrittenRoute } from '../../src/main/trunk-defaults.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

/** Of a site whose vault knows a shop, a hotel and a bank, and lets guards act for the first two. */
function problems(
  merchants: Readonly<Record<string, string>>,
  routes: readonly WrittenRoute[] = [],
): readonly string[] {
  const found: string[] = []
  const sides = { carrier: 'carrier', one: 'contact-centre', two: 'contact-centre' } as const
  const trunks = (['carrier', 'one', 'two'] as const).map((name) => {
    const merchant = merchants[name]
    return testTrunk({ name, side: sides[name], ...(merchant === undefined ? {} : { merchant }) })
  })
  const vault = { merchants: ['shop', 'hotel', 'bank'].map((name) => ({ name })), guardMerchants: ['shop', 'hotel'] }
  const configuration = { trunks, routes: routes.map(completeRoute), vault } as unknown as Configuration
  checkCallMerchants(configuration, (path, problem) => found.push([path.join('.'), problem].join(' ')))
  return found
}

t.test('a merchant that the vault does not know, or that guards may not act for, is named', (t) => {
  t.same(problems({ carrier: 'hotel', one: 'shop' }, [{ from: 'carrier', to: 'one', merchant: 'hotel' }]), [])
  t.same(problems({ carrier: 'nobody', two: 'bank' }, [{ from: 'carrier', to: 'one', merchant: 'bank' }]), [
    'trunks.0.merchant no merchant of the vault has this name',
    'trunks.2.merchant is a merchant that guards may not act for',
    'routes.0.merchant is a merchant that guards may not act for',
  ])
  t.end()
})

t.test('whose a card is must not hang on which trunk answers', (t) => {
  const route = { from: 'carrier', to: [{ trunk: 'one' }, { trunk: 'two' }] }
  const several =
    'routes.0.to leads to trunks of several merchants, and whichever answers would decide whose the card is'
  t.same(problems({ one: 'shop', two: 'hotel' }, [route]), [several])
  t.same(problems({ two: 'hotel' }, [route]), [several], 'the site has one, too')
  t.same(problems({ one: 'hotel', two: 'hotel' }, [route]), [])
  t.same(problems({ carrier: 'shop', one: 'shop', two: 'hotel' }, [route]), [], 'the trunk that it comes from says it')
  t.same(problems({ one: 'shop', two: 'hotel' }, [{ ...route, merchant: 'hotel' }]), [], 'the route says it')
  t.end()
})
