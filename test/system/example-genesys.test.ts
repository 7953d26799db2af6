import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { OUR_NAME, startExample } from '../fakes/example-site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { TrunkPeer } from '../fakes/trunk-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const ASKED_MS_MAX = 15_000
const UUI = '00c81e5d3f;encoding=hex'

t.test('genesys.yaml runs: TLS one-sided, SRTP, edges that share calls', { timeout: FILE_MS_MAX }, async (t) => {
  const authority = new SipAuthority()
  const names = ['lb01', 'lb02', 'lb03', 'lb04'].map((name) => `${name}.voice.example-region.pure.cloud`)
  const leaf = authority.leaf({ dns: names })
  const edges = await Promise.all(
    names.map((_, index) =>
      TrunkPeer.open({
        host: `127.0.0.${22 + index}`,
        transport: 'tls',
        identity: { ...leaf, authority: authority.certificate, serviceName: OUR_NAME, isOneWay: true },
        mark: 0x22,
        suites: ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_32'],
        answerHeaders: { 'X-Agent': 'anna' },
      }),
    ),
  )
  const carrier = await TrunkPeer.open({ host: '127.0.0.26', transport: 'udp', mark: 0x11 })
  t.teardown(() => Promise.all([carrier, ...edges].map((peer) => peer.close())))
  const peers = Object.fromEntries(edges.map((edge, index) => [names[index] ?? '', edge] as const))
  const site = await startExample(t, 'genesys', { authority, peers: { ...peers, '198.51.100.10': carrier } })
  const [first] = edges
  if (first === undefined) return

  await t.test('every edge is asked by OPTIONS', async (t) => {
    await eventually(
      () => edges.every(({ welcomed }) => welcomed.some(({ method }) => method === 'OPTIONS')),
      ASKED_MS_MAX,
    )
    for (const asked of first.welcomed) t.match(valueOf(asked, 'contact'), `<sip:${OUR_NAME}:`)
  })

  await t.test('a customer calls, the agent whom the edge names takes the payment', async (t) => {
    const calling = carrier.calls(site.sip.udp, {
      uri: 'sip:+15550100@192.0.2.10',
      headers: { from: '<sip:+15550199@198.51.100.10>;tag=a', 'User-to-User': UUI, 'X-Campaign': 'spring' },
    })
    await eventually(() => edges.some(({ invites }) => invites > 0), ASKED_MS_MAX)
    const edge = edges.find(({ invites }) => invites > 0) ?? first
    const [payer, agent] = await Promise.all([calling, edge.isCalled()])
    t.equal(valueOf(agent.heard, 'user-to-user'), UUI)
    t.equal(valueOf(agent.heard, 'x-campaign'), 'spring')
    await site.pays(t, { payer, agent, as: 'anna' })
    t.equal((await agent.asks('BYE')).status, 200)
    await eventually(() => payer.isOver())
  })

  await t.test('an agent calls a customer, who pays; the conversation is nobody else’s business', async (t) => {
    const [agent, payer] = await Promise.all([
      first.calls(site.sip.tls, {
        uri: `sip:+15550199@${OUR_NAME}:${site.sip.tls.port};transport=tls`,
        headers: {
          from: '<sip:+15550100@lb01.voice.example-region.pure.cloud>;tag=b',
          'X-Conversation-Id': '90a1',
          'X-Agent': 'anna',
          'User-to-User': UUI,
        },
      }),
      carrier.isCalled(),
    ])
    t.equal(valueOf(payer.heard, 'x-conversation-id'), undefined)
    t.equal(valueOf(payer.heard, 'x-agent'), undefined)
    t.equal(valueOf(payer.heard, 'user-to-user'), UUI)
    await site.pays(t, { payer, agent, as: 'anna' })
    t.equal((await payer.asks('BYE')).status, 200)
    await eventually(() => agent.isOver())
  })
})
