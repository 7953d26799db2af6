import t from 'tap'
import { completeRoute, completeTrunk } from '../../src/main/trunk-defaults.ts'

const OPTIONS = { file: (name: string) => `/site/${name}`, lookAheadMs: 40 }

t.test('a carrier is not trusted and may not transfer, a contact centre is and may', (t) => {
  const target = { host: '192.0.2.1' }
  t.match(completeTrunk({ name: 'a', side: 'carrier', sources: [], target }, OPTIONS), {
    trusted: false,
    transfers: 'refuse',
    merchant: null,
  })
  t.match(completeTrunk({ name: 'b', side: 'contact-centre', sources: [], target }, OPTIONS), {
    trusted: true,
    transfers: 'follow',
  })
  t.end()
})

t.test('one target and several come out alike', (t) => {
  const trunk = { name: 'a', side: 'carrier', sources: [] } as const
  const target = { host: 'sip.example.com', transport: 'tls' } as const
  const one = completeTrunk({ ...trunk, target }, OPTIONS)
  t.same(one.targets, [{ host: 'sip.example.com', port: null, transport: 'tls', priority: 1, weight: 100 }])
  t.same(completeTrunk({ ...trunk, targets: [target] }, OPTIONS), one)
  t.throws(() => completeTrunk({ ...trunk, targets: [] }, OPTIONS))
  t.end()
})

t.test('passwords are files of the configuration, and a registration is of the domain of its target', (t) => {
  const completed = completeTrunk(
    {
      name: 'a',
      side: 'carrier',
      sources: [],
      target: { host: 'sip.example.com' },
      credentials: { user: 'tonewall', passwordFile: 'secret' },
      registration: { user: '4989' },
    },
    OPTIONS,
  )
  t.same(completed.credentials, { user: 'tonewall', passwordFile: '/site/secret' })
  t.same(completed.registration, { user: '4989', domain: 'sip.example.com', expiresSeconds: 600 })
  t.end()
})

t.test('a route leads to a trunk by its name or to several', (t) => {
  t.same(completeRoute({ from: 'a', to: 'b' }), {
    from: 'a',
    prefix: '',
    to: [{ trunk: 'b', priority: 1, weight: 100 }],
    merchant: null,
  })
  t.equal(completeRoute({ from: 'a', to: 'b', merchant: 'hotel' }).merchant, 'hotel')
  t.same(
    completeRoute({
      from: 'a',
      to: [
        { trunk: 'b', priority: 2 },
        { trunk: 'c', weight: 1 },
      ],
    }).to,
    [
      { trunk: 'b', priority: 2, weight: 100 },
      { trunk: 'c', priority: 1, weight: 1 },
    ],
  )
  t.throws(() => completeRoute({ from: 'a', to: [] }))
  t.end()
})
