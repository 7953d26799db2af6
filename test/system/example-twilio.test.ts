import t from 'tap'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { OUR_NAME, PASSWORD, startExample } from '../fakes/example-site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { TrunkPeer } from '../fakes/trunk-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const DOMAIN = 'example.pstn.twilio.com'

/** What such a trunk takes: its own domain in the request URI, and numbers in E.164. */
function trunkRules(request: SipRequest): number | null {
  if (!/@example\.pstn\.(ashburn\.)?twilio\.com[:;]/.test(request.uri)) return 403
  const isE164 = request.uri.startsWith('sip:+') && /<sip:\+\d+@/.test(valueOf(request, 'from') ?? '')
  return isE164 ? null : 400
}

t.test('twilio.yaml runs: credentials, TLS one-sided, SRTP, two PBXs', { timeout: FILE_MS_MAX }, async (t) => {
  const authority = new SipAuthority()
  const leaf = authority.leaf({ dns: ['*.pstn.twilio.com', '*.pstn.ashburn.twilio.com'] })
  const edge = (host: string) =>
    TrunkPeer.open({
      host,
      transport: 'tls',
      identity: { ...leaf, authority: authority.certificate, serviceName: OUR_NAME, isOneWay: true },
      mark: 0x11,
      suites: ['AES_CM_128_HMAC_SHA1_80'],
      challenge: { status: 407, realm: 'sip.twilio.com', user: 'tonewall', password: PASSWORD },
      refuses: trunkRules,
    })
  const near = await edge('127.0.0.18')
  const any = await edge('127.0.0.19')
  const pbxs = await Promise.all(
    ['127.0.0.20', '127.0.0.21'].map((host) =>
      TrunkPeer.open({ host, transport: 'udp', mark: 0x22, contact: (port) => `<sip:201@${host}:${port}>` }),
    ),
  )
  const [one, two] = pbxs
  if (one === undefined || two === undefined) return
  t.teardown(() => Promise.all([near, any, one, two].map((peer) => peer.close())))
  const peers = { 'example.pstn.ashburn.twilio.com': near, [DOMAIN]: any, '192.0.2.20': one, '192.0.2.21': two }
  const site = await startExample(t, 'twilio', { authority, peers })

  await t.test('a customer calls by the origination URI over TLS, and pays at a PBX over UDP', async (t) => {
    // One of the two is away: the other gets what both would share.
    two.refusesCalls = 503
    const [payer, agent] = await Promise.all([
      near.calls(site.sip.tls, {
        uri: `sip:+15550100@${OUR_NAME}:${site.sip.tls.port};transport=tls`,
        headers: {
          from: '<sip:+15550199@pstn.twilio.com>;tag=a',
          'X-Twilio-CallSid': 'CA90a1',
          'X-Twilio-VerStat': 'TN-Validation-Passed-A',
        },
      }),
      one.isCalled(),
    ])
    t.match(payer.told, /^a=crypto:1 AES_CM_128_HMAC_SHA1_80 /m)
    const said = agent.heard.headers.map(({ name, value }) => `${name}: ${value}`)
    t.ok(
      said.some((line) => /^X-Twilio-CallSid: CA90a1$/i.test(line)),
      'the name of the call goes on',
    )
    t.notOk(
      said.some((line) => /verstat/i.test(line)),
      'and no header that the PBX was not promised',
    )
    await site.pays(t, { payer, agent, as: '201' })
    t.equal((await payer.asks('BYE')).status, 200)
    await eventually(() => agent.isOver())
  })

  await t.test('a PBX calls out: in E.164, proved by digest, at the next target when one has no room', async (t) => {
    near.refusesCalls = 503
    const [agent, payer] = await Promise.all([
      one.calls(site.sip.udp, { uri: 'sip:15550199@192.0.2.10', headers: { from: '<sip:15550100@192.0.2.20>;tag=b' } }),
      any.isCalled(),
    ])
    t.ok(payer.heard.kind === 'request' && payer.heard.uri.startsWith(`sip:+15550199@${DOMAIN}:`))
    t.match(valueOf(payer.heard, 'proxy-authorization'), /^Digest username="tonewall"/)
    t.match(valueOf(payer.heard, 'contact'), `@${OUR_NAME}:`)
    t.match(payer.told, /^m=audio \d+ RTP\/SAVP /m)
    t.same(
      any.refused.map(({ status }) => status),
      [407],
      'it was asked once, and nothing else was wrong',
    )
    t.equal((await payer.asks('BYE')).status, 200)
    await eventually(() => agent.isOver())
  })
})
