import t, { type Test } from 'tap'
import { RawPhone } from '../fakes/raw-phone.ts'
import { bothSucceeded, startSipSite, TCP_NUMBER, UDP_NUMBER, type SipSite } from '../fakes/sip-site.ts'
import { startLines, type Sipp, type SippResult, type SippStep } from '../fakes/sipp.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 90_000

const reports = (status: string): SippStep => [
  'is-asked',
  { METHOD: 'NOTIFY', ASKED: `Event: refer.*message/sipfrag.*SIP/2.0 ${status}`, STATUS: '200' },
]
const refer = (header: string): SippStep => [
  'asks',
  { METHOD: 'REFER', HEADER: header, BODY: '', STATUS: '202', ANSWERED: '^SIP/2.0 202 Accepted' },
]

t.test('transfers, every telephone a sipp', { timeout: FILE_MS_MAX }, async (t) => {
  const site = await startSipSite(t)

  await t.test('blind, to a telephone at another trunk: the payer hears nothing of it and goes on', async (t) => {
    const { carrier, target } = await transferred(t, site, {
      agent: [
        refer(`Refer-To: <sip:${TCP_NUMBER}@${site.tcpAgent.host}>\nReferred-By: <sip:anna@127.0.0.3>`),
        reports('100 Trying'),
        reports('180 Ringing'),
        reports('200 OK'),
        'hangs-up',
      ],
      target: ['is-called', 'rings', 'answers', 'is-hung-up'],
      carrierMs: '1500',
    })
    t.same(carrier, ['100 Trying', '180 Ringing', '200 OK', '200 OK'])
    t.match(target, ['INVITE', 'ACK', 'BYE'])
  })

  await t.test('refused by whoever is called: its status is told, and the agent has the call again', async (t) => {
    const { carrier } = await transferred(t, site, {
      agent: [
        refer(`Refer-To: <sip:${TCP_NUMBER}@${site.tcpAgent.host}>`),
        reports('100 Trying'),
        reports('486 Busy Here'),
        'is-hung-up',
      ],
      target: ['is-called', ['refuses', { STATUS: '486' }]],
      carrierMs: '800',
    })
    t.same(carrier, ['100 Trying', '180 Ringing', '200 OK', '200 OK'])
  })

  await t.test('asked for before the answer: 491, and the call rings on until its caller gives up', async (t) => {
    const early = { METHOD: 'REFER', HEADER: `Refer-To: <sip:${TCP_NUMBER}@${site.tcpAgent.host}>`, STATUS: '491' }
    const { callee, caller } = await site.call(
      { local: site.agent, steps: [['asks-early', early], 'is-cancelled'] },
      {
        local: { host: site.carrier.host },
        remote: { ...site.sip, number: UDP_NUMBER },
        steps: ['calls', 'hears-ringing', ['cancels', { WAITMS: '1500' }]],
      },
    )
    bothSucceeded(t, { callee, caller })
  })

  await t.test(
    'attended, between two calls of ours: the second party moves over, and both calls become one',
    async (t) => {
      await withPhone(site, async (phone) => {
        const second = await site.run({
          local: site.carrier,
          steps: ['is-called', 'rings', 'answers', MOVES, 'is-hung-up'],
        })
        const carrier = await calling(site, '2500')
        const first = await phone.isCalled()
        const consulted = await phone.calls(UDP_NUMBER)
        const name = `${consulted.callId};to-tag=${consulted.peer};from-tag=${consulted.own}`
        const target = `Refer-To: <sip:${UDP_NUMBER}@127.0.0.1?Replaces=${encodeURIComponent(name)}>`
        t.match(await phone.asks('REFER', first, target), /^SIP\/2\.0 202/)
        t.match(
          await phone.hears((message) => /^NOTIFY[^]*SIP\/2\.0 200/.test(message)),
          /terminated;reason=noresource/,
        )
        await phone.hears((message) => message.startsWith('BYE ') && message.includes(consulted.callId))
        t.match(await phone.asks('BYE', first), /^SIP\/2\.0 200/)
        succeeded(t, 'carrier', await carrier.result())
        succeeded(t, 'second party', await second.result())
      })
    },
  )

  await t.test('an INVITE with Replaces takes the place of the leg that it names, and of no other', async (t) => {
    await withPhone(site, async (phone) => {
      const carrier = await calling(site, '1500')
      const first = await phone.isCalled()
      const wrong = `Replaces: ${first.callId};to-tag=${first.own};from-tag=${first.peer}`
      await t.rejects(phone.calls(UDP_NUMBER, wrong), { message: /481/ }, 'the tags as the other side has them')
      const replaced = `Replaces: ${first.callId};to-tag=${first.peer};from-tag=${first.own}`
      await t.rejects(phone.calls(UDP_NUMBER, replaced.replace('Replaces', 'Join')), { message: /488/ })
      const next = await phone.calls(UDP_NUMBER, replaced)
      await phone.hears((message) => message.startsWith('BYE ') && message.includes(first.callId))
      await phone.hears((message) => message.startsWith('BYE ') && message.includes(next.callId))
      succeeded(t, 'carrier', await carrier.result())
    })
  })
})

const MOVES: SippStep = [
  'is-offered-again',
  { OFFERED: 'RTP/AVP 0 8 101.*a=sendrecv', TYPES: '0 101', DIRECTION: 'a=sendrecv' },
]

function calling(site: SipSite, TALKMS: string): Promise<Sipp> {
  return site.run({
    local: { host: site.carrier.host },
    remote: { ...site.sip, number: UDP_NUMBER },
    steps: ['calls', 'is-answered', ['talks', { TALKMS }], 'hangs-up'],
  })
}

async function withPhone(site: SipSite, use: (phone: RawPhone) => Promise<void>): Promise<void> {
  const phone = await RawPhone.open(site.agent, site.sip)
  try {
    await use(phone)
  } finally {
    phone.close()
  }
}

/** A call to an agent who transfers it; the carrier hangs up. What the carrier and the target received. */
async function transferred(
  t: Test,
  site: SipSite,
  steps: { readonly agent: readonly SippStep[]; readonly target: readonly SippStep[]; readonly carrierMs: string },
): Promise<{ readonly carrier: readonly string[]; readonly target: readonly string[] }> {
  const target = await site.run({ local: site.tcpAgent, transport: 'tcp', steps: steps.target })
  const agent = await site.run({ local: site.agent, steps: ['is-called', 'rings', 'answers', ...steps.agent] })
  const carrier = await site.run({
    local: { host: site.carrier.host },
    remote: { ...site.sip, number: UDP_NUMBER },
    steps: ['calls', 'is-answered', ['talks', { TALKMS: steps.carrierMs }], 'hangs-up'],
  })
  const results = await Promise.all([carrier.result(), agent.result(), target.result()])
  for (const [index, result] of results.entries()) succeeded(t, ['carrier', 'agent', 'target'][index] ?? '', result)
  const [carrierResult, , targetResult] = results
  return {
    carrier: startLines(carrierResult.messages, 'received'),
    target: startLines(targetResult.messages, 'received'),
  }
}

function succeeded(t: Test, who: string, { exitCode, errors, messages }: SippResult): void {
  t.equal(exitCode, 0, `every step of the ${who} went as it must`)
  if (exitCode !== 0) t.comment(errors, ...messages.map(({ direction, text }) => `\n${direction} ${text}`))
}
