import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { eventually } from '../fakes/eventually.ts'
import { PASSWORD, startExample } from '../fakes/example-site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { TrunkPeer } from '../fakes/trunk-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const ASKED_MS_MAX = 15_000
const ACCOUNT = '15550100'
const DOMAIN = 'sip.carrier.example.com'

t.test('freepbx.yaml runs: registered at the carrier, a PBX by address', { timeout: FILE_MS_MAX }, async (t) => {
  const carrier = await TrunkPeer.open({
    host: '127.0.0.16',
    transport: 'udp',
    mark: 0x11,
    challenge: { status: 401, realm: DOMAIN, user: ACCOUNT, password: PASSWORD },
  })
  const pbx = await TrunkPeer.open({
    host: '127.0.0.17',
    transport: 'udp',
    mark: 0x22,
    // A queue answers for its agents.
    contact: (port) => `<sip:600@127.0.0.17:${port}>`,
    answerHeaders: { 'X-Agent': '201' },
  })
  t.teardown(() => Promise.all([carrier.close(), pbx.close()]))
  const peers = { '198.51.100.10': carrier, '192.0.2.20': pbx }
  const site = await startExample(t, 'freepbx', { authority: new SipAuthority(), peers })

  await t.test('it registers with its password, asks the PBX by OPTIONS, and answers those of the PBX', async (t) => {
    const registered = () => carrier.welcomed.find(({ method }) => method === 'REGISTER')
    await eventually(() => registered() !== undefined, ASKED_MS_MAX)
    const register = registered()
    if (register === undefined) return
    t.equal(register.uri, `sip:${DOMAIN}`)
    t.equal(valueOf(register, 'to'), `<sip:${ACCOUNT}@${DOMAIN}>`)
    await eventually(() => pbx.welcomed.some(({ method }) => method === 'OPTIONS'), ASKED_MS_MAX)
    pbx.raw.request(site.sip.udp, { method: 'OPTIONS' })
    await pbx.raw.nextResponse('OPTIONS', 200)
  })

  await t.test('a customer calls the number that is registered, and pays', async (t) => {
    const [payer, agent] = await Promise.all([
      carrier.calls(site.sip.udp, { uri: `sip:${ACCOUNT}@${site.sip.udp.host}:${site.sip.udp.port}` }),
      pbx.isCalled(),
    ])
    await site.pays(t, { payer, agent, as: '201' })
    t.equal((await payer.asks('BYE')).status, 200)
    await eventually(() => agent.isOver())
  })

  await t.test('an extension calls out, proved to the carrier', async (t) => {
    const [agent, payer] = await Promise.all([
      pbx.calls(site.sip.udp, {
        uri: 'sip:15550199@192.0.2.10',
        headers: { from: '<sip:201@192.0.2.20>;tag=b' },
      }),
      carrier.isCalled(),
    ])
    t.match(valueOf(payer.heard, 'authorization'), /^Digest username="15550100"/)
    t.equal((await agent.asks('BYE')).status, 200)
    await eventually(() => payer.isOver())
  })
})
