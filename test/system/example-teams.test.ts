import { connect } from 'node:tls'
import t from 'tap'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { OUR_NAME, startExample } from '../fakes/example-site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { TrunkPeer } from '../fakes/trunk-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const OPTIONS_MS_MAX = 15_000
const CARRIER = 0x11
const TEAMS = 0x22
const HOSTS = ['sip', 'sip2', 'sip3'].map((name) => `${name}.pstnhub.microsoft.com`)
/** What a server of the service names in Record-Route: by it, and not by the name that was called, a dialog goes on. */
const regional = (region: string): string => `sip-du-a-${region}.pstnhub.microsoft.com`
const USER = '+15550100'

/** What such a service says of a request from an SBC: it goes by the name in Contact and From, and takes SRTP alone. */
function serviceRules(request: SipRequest): number | null {
  const names = ['contact', 'from'].map((key) => /<sip:(?:[^@>]*@)?([^:;>]+)/.exec(valueOf(request, key) ?? '')?.[1])
  if (names.some((name) => name !== OUR_NAME)) return 403
  if (valueOf(request, 'replaces') !== undefined) return 400
  if (request.method !== 'INVITE') return null
  if (!/^sip:(\+\d+@)?sip\d?\.pstnhub\.microsoft\.com[:;]/.test(request.uri)) return 404
  if (!request.uri.includes('@') && !request.uri.includes(';x-m=')) return 400
  const body = request.body.toString('latin1')
  return /^m=audio \d+ RTP\/SAVP /m.test(body) && /^a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 /m.test(body) ? null : 488
}

t.test(
  'teams.yaml runs: TLS with certificates on both sides, SRTP, failover, payments',
  { timeout: FILE_MS_MAX },
  async (t) => {
    const authority = new SipAuthority()
    const leaf = authority.leaf({ dns: ['sip.pstnhub.microsoft.com', '*.pstnhub.microsoft.com'] })
    const identity = { ...leaf, authority: authority.certificate, serviceName: OUR_NAME }
    const service = (host: string, region: string) =>
      TrunkPeer.open({
        host,
        transport: 'tls',
        identity,
        mark: TEAMS,
        suites: ['AES_CM_128_HMAC_SHA1_80'],
        contact: (port) => `<sip:api-du-a-eu.pstnhub.microsoft.com:${port};x-i=90a1;x-c=5d3e/s/1/7f>`,
        recordRoute: (port) => `<sip:${regional(region)}:${port};transport=tls;lr>`,
        refuses: serviceRules,
      })
    const first = await service('127.0.0.11', 'eu')
    const second = await service('127.0.0.12', 'us')
    const third = await service('127.0.0.13', 'as')
    const carrier = await TrunkPeer.open({ host: '127.0.0.14', transport: 'udp', mark: CARRIER })
    const backup = await TrunkPeer.open({ host: '127.0.0.15', transport: 'udp', mark: CARRIER })
    t.teardown(() => Promise.all([first, second, third, carrier, backup].map((peer) => peer.close())))
    const site = await startExample(t, 'teams', {
      authority,
      peers: {
        [HOSTS[0] ?? '']: first,
        [HOSTS[1] ?? '']: second,
        [HOSTS[2] ?? '']: third,
        '198.51.100.10': carrier,
        '198.51.100.11': backup,
      },
    })
    for (const [region, { address }] of Object.entries({ eu: first, us: second, as: third }))
      site.dns.set(regional(region), 'A', [{ type: 'A', address: address.host }])

    await t.test('its OPTIONS name us by our domain, and those of the service are answered', async (t) => {
      await eventually(
        () => [first, second, third].every(({ welcomed }) => welcomed.some(({ method }) => method === 'OPTIONS')),
        OPTIONS_MS_MAX,
      )
      const [options] = first.welcomed
      if (options === undefined) return void t.fail('no OPTIONS')
      const port = site.sip.tls.port
      t.equal(valueOf(options, 'contact'), `<sip:${OUR_NAME}:${port};transport=tls>`)
      t.match(valueOf(options, 'from'), `<sip:${OUR_NAME}:${port}>;tag=`)
      t.match(valueOf(options, 'via'), `SIP/2.0/TLS ${OUR_NAME}:${port};`)
      first.raw.request(site.sip.tls, { method: 'OPTIONS', uri: `sip:${OUR_NAME}:${port};transport=tls` })
      t.match(valueOf(await first.raw.nextResponse('OPTIONS', 200), 'allow'), /\bINVITE\b/)
      t.same(
        [first, second, third].flatMap(({ refused }) => refused),
        [],
      )
    })

    await t.test('who shows no certificate is not heard, wherever it comes from', async (t) => {
      // From the address of a peer: strangers by address do not come so far.
      const way = Object.assign({ localAddress: first.address.host }, site.sip.tls)
      const stranger = connect({ ...way, ca: authority.certificate, servername: OUR_NAME })
      const heard: Buffer[] = []
      stranger.on('data', (bytes: Buffer) => heard.push(bytes))
      stranger.on('error', () => undefined)
      stranger.write(`OPTIONS sip:${OUR_NAME} SIP/2.0\r\nContent-Length: 0\r\n\r\n`)
      await eventually(() => stranger.closed, OPTIONS_MS_MAX)
      t.same(heard, [])
    })

    await t.test('a customer of the carrier calls, pays, and the service hangs up', async (t) => {
      const [payer, agent] = await Promise.all([
        carrier.calls(site.sip.udp, {
          uri: `sip:00${USER.slice(1)}@192.0.2.10`,
          headers: { from: '<sip:0044201111@198.51.100.10>;tag=a' },
        }),
        first.isCalled(),
      ])
      t.match(valueOf(agent.heard, 'from'), `<sip:+44201111@${OUR_NAME}:`)
      t.match(valueOf(agent.heard, 'session-expires'), /^1800\b/)
      t.match(payer.told, /^m=audio \d+ RTP\/AVP /m)
      t.notMatch(payer.told, /^a=crypto/m)
      await site.pays(t, { payer, agent, as: USER })
      t.equal((await agent.asks('BYE')).status, 200)
      await eventually(() => payer.isOver())
    })

    await t.test(
      'a user of the service calls a customer, who pays; whom the call was forwarded by is told',
      async (t) => {
        const [agent, payer] = await Promise.all([
          first.calls(site.sip.tls, {
            uri: `sip:+44201111@${OUR_NAME}:${site.sip.tls.port};user=phone;transport=tls`,
            headers: {
              from: `<sip:${USER}@sip.pstnhub.microsoft.com;user=phone>;tag=b`,
              'History-Info': `<sip:+15550177@sip.pstnhub.microsoft.com>;index=1, <sip:${USER}@sip.pstnhub.microsoft.com>;index=1.1`,
              'P-Asserted-Identity': `<sip:${USER}@sip.pstnhub.microsoft.com>`,
              'X-MS-TenantId': '5d3e',
            },
          }),
          carrier.isCalled(),
        ])
        t.ok(
          payer.heard.kind === 'request' && payer.heard.uri.startsWith('sip:0044201111@'),
          'as the carrier writes it',
        )
        t.match(valueOf(payer.heard, 'from'), '<sip:0015550100@')
        t.match(valueOf(payer.heard, 'history-info'), /<sip:0015550177@[\d.]+:\d+>;index=1/)
        t.notMatch(payer.heard.headers.map(({ value }) => value).join(), /pstnhub/, 'nothing names the service')
        t.match(valueOf(agent.heard, 'contact'), `<sip:${OUR_NAME}:`)
        t.match(agent.told, /^a=crypto:1 AES_CM_128_HMAC_SHA1_80 /m)
        await site.pays(t, { payer, agent, as: USER })
        t.equal((await payer.asks('BYE')).status, 200)
        await eventually(() => agent.isOver())
      },
    )

    await t.test('a REFER leads back to the service, in its own words', async (t) => {
      const [payer, agent] = await Promise.all([
        carrier.calls(site.sip.udp, { uri: `sip:${USER}@192.0.2.10` }),
        first.isCalled(),
      ])
      const referTo = `sip:sip.pstnhub.microsoft.com:5061;transport=tls;x-m=8:orgid:fce2158f;x-t=2d88cb42`
      const referredBy = `<sip:sip.pstnhub.microsoft.com:5061;x-m=8:orgid:bdc0511a;x-ti=9cfa2ad6;x-tt=${'aHR0cHM6'.repeat(60)}>`
      const headers = { 'Refer-To': `<${referTo}>`, 'Referred-By': referredBy }
      const [accepted, colleague] = await Promise.all([agent.asks('REFER', headers), first.isCalled()])
      t.equal(accepted.status, 202)
      t.equal(colleague.heard.kind === 'request' && colleague.heard.uri, referTo)
      t.equal(valueOf(colleague.heard, 'referred-by'), referredBy)
      await eventually(() => agent.isOver())
      payer.talks()
      colleague.talks()
      await colleague.media.hears(CARRIER)
      await payer.media.hears(TEAMS)
      t.equal(colleague.media.failures, 0)
      t.equal((await payer.asks('BYE')).status, 200)
      await eventually(() => colleague.isOver())
    })

    await t.test('the second region takes a call that the first refuses', async (t) => {
      first.refusesCalls = 503
      const [payer, agent] = await Promise.all([
        carrier.calls(site.sip.udp, { uri: `sip:${USER}@192.0.2.10` }),
        second.isCalled(),
      ])
      t.ok(agent.heard.kind === 'request' && agent.heard.uri.includes('@sip2.pstnhub.microsoft.com'))
      t.equal((await payer.asks('BYE')).status, 200)
      await eventually(() => agent.isOver())
      first.refusesCalls = null
    })
  },
)
