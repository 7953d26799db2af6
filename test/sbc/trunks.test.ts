import t from 'tap'
import { Trunks } from '../../src/sbc/trunks.ts'
import { testTrunk } from '../fakes/test-trunk.ts'
import type { TrunkConfiguration } from '../../src/wire/configuration.ts'

function trunk(name: string, side: TrunkConfiguration['side'], sources: readonly string[]): TrunkConfiguration {
  return testTrunk({ name, side, sources })
}

const trunks = new Trunks({
  trunks: [
    trunk('carrier', 'carrier', ['192.0.2.0/24', '2001:db8:1::/48', '198.51.100.7']),
    trunk('second', 'carrier', ['192.0.2.0/25', '203.0.113.0/24']),
    trunk('centre', 'contact-centre', ['10.0.0.0/8', '2001:db8:2::9']),
  ],
  routes: [
    { from: 'carrier', prefix: '49', merchant: null, to: [{ trunk: 'centre', priority: 1, weight: 100 }] },
    { from: 'carrier', prefix: '4', merchant: null, to: [{ trunk: 'second', priority: 1, weight: 100 }] },
    { from: 'centre', prefix: '', merchant: null, to: [{ trunk: 'carrier', priority: 1, weight: 100 }] },
    { from: 'second', prefix: '1', merchant: null, to: [{ trunk: 'nowhere', priority: 1, weight: 100 }] },
  ],
})

t.test('a source address tells the trunk, by single address and by CIDR range of both families', (t) => {
  t.equal(trunks.bySource('192.0.2.200')?.name, 'carrier')
  t.equal(trunks.bySource('198.51.100.7')?.name, 'carrier')
  t.equal(trunks.bySource('2001:db8:1:ffff::1')?.name, 'carrier')
  t.equal(trunks.bySource('10.255.0.1')?.name, 'centre')
  t.equal(trunks.bySource('2001:db8:2::9')?.name, 'centre')
  t.equal(trunks.bySource('::ffff:10.0.0.1')?.name, 'centre', 'an IPv4 address as an IPv6 socket shows it')
  t.end()
})

t.test('where two trunks hold an address, the first is taken', (t) => {
  t.equal(trunks.bySource('192.0.2.1')?.name, 'carrier')
  t.equal(trunks.bySource('203.0.113.1')?.name, 'second')
  t.end()
})

t.test('a stranger and what is no address belong to no trunk', (t) => {
  for (const address of [
    '198.51.100.8',
    '2001:db8:2::a',
    '9.255.255.255',
    '',
    'example.com',
    '10.0.0.1:5060',
    '10.0.0',
  ])
    t.equal(trunks.bySource(address), null, address)
  t.end()
})

t.test('a carrier is the side of the payer and a contact centre that of the agent', (t) => {
  t.equal(trunks.bySource('192.0.2.1')?.party, 'payer')
  t.equal(trunks.bySource('10.0.0.1')?.party, 'agent')
  t.end()
})

t.test('the first route that fits is taken', (t) => {
  t.same(routed('carrier', '4989'), ['centre'])
  t.same(routed('carrier', '43'), ['second'])
  t.same(routed('centre', ''), ['carrier'])
  t.end()
})

t.test('no route, or a route to a trunk that does not exist, leads nowhere', (t) => {
  t.same(routed('carrier', '5'), [])
  t.same(routed('carrier', ''), [])
  t.same(routed('second', '1'), [])
  t.same(routed('unheard-of', '49'), [])
  t.end()
})

t.test('the first route that fits says whose its calls are, unless it leaves that to its trunks', (t) => {
  const to = [{ trunk: 'centre', priority: 1, weight: 100 }] as const
  const shared = new Trunks({
    trunks: [],
    routes: [
      { from: 'carrier', prefix: '491', merchant: 'hotel', to },
      { from: 'carrier', prefix: '49', merchant: null, to },
      { from: 'carrier', prefix: '', merchant: 'shop', to },
    ],
  })
  const merchantOf = (number: string, from = 'carrier') => shared.routeMerchant({ from, number })
  t.equal(merchantOf('4917'), 'hotel')
  t.equal(merchantOf('4989'), null)
  t.equal(merchantOf('1'), 'shop')
  t.equal(merchantOf('1', 'centre'), null, 'no route')
  t.end()
})

t.test('the trunks of a route are tried by priority, and by chance within one', (t) => {
  let chance = 0
  const shared = new Trunks({
    trunks: ['one', 'two', 'last'].map((name) => trunk(name, 'contact-centre', ['10.0.0.1'])),
    routes: [
      {
        from: 'carrier',
        prefix: '',
        merchant: null,
        to: [
          { trunk: 'last', priority: 2, weight: 100 },
          { trunk: 'one', priority: 1, weight: 30 },
          { trunk: 'two', priority: 1, weight: 70 },
        ],
      },
    ],
    chance: () => chance,
  })
  const names = (): readonly string[] => shared.route({ from: 'carrier', number: '4' }).map(({ name }) => name)
  t.same(names(), ['one', 'two', 'last'])
  chance = 0.31
  t.same(names(), ['two', 'one', 'last'])
  t.same(
    shared.all().map(({ name }) => name),
    ['one', 'two', 'last'],
  )
  t.end()
})

function routed(from: string, number: string): readonly string[] {
  return trunks.route({ from, number }).map(({ name }) => name)
}
