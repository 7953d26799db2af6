import t, { type Test } from 'tap'
import { bothSucceeded, startSipSite, UDP_NUMBER, type SipSite } from '../fakes/sip-site.ts'
import { startLines, type SippStep } from '../fakes/sipp.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000

const OWN = '[media_ip]'
const BOTH_CODECS = '0 8 101'

/** An offer by whoever changes the call, what the other side must be offered, its answer, and what comes back. */
type Change = {
  readonly title: string
  readonly offer: { readonly CONNECTION: string; readonly TYPES: string; readonly DIRECTION: string }
  readonly OFFERED: string
  readonly answer: { readonly TYPES: string; readonly DIRECTION: string }
  readonly ANSWERED: string
}

const RESUME: Change = {
  title: 'resume',
  offer: { CONNECTION: OWN, TYPES: BOTH_CODECS, DIRECTION: 'a=sendrecv' },
  OFFERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 0 8 101.*a=sendrecv',
  answer: { TYPES: '0 101', DIRECTION: 'a=sendrecv' },
  ANSWERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 0 101.*a=sendrecv',
}
const CHANGES: readonly Change[] = [
  {
    title: 'hold by sendonly',
    offer: { CONNECTION: OWN, TYPES: BOTH_CODECS, DIRECTION: 'a=sendonly' },
    OFFERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 0 8 101.*a=sendonly',
    answer: { TYPES: '0 101', DIRECTION: 'a=recvonly' },
    ANSWERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 0 101.*a=recvonly',
  },
  {
    title: 'hold by inactive',
    offer: { CONNECTION: OWN, TYPES: BOTH_CODECS, DIRECTION: 'a=inactive' },
    OFFERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 0 8 101.*a=inactive',
    answer: { TYPES: '0 101', DIRECTION: 'a=inactive' },
    ANSWERED: 'RTP/AVP 0 101.*a=inactive',
  },
  {
    title: 'hold by the address 0.0.0.0, as RFC 2543 had it',
    offer: { CONNECTION: '0.0.0.0', TYPES: BOTH_CODECS, DIRECTION: 'a=sendrecv' },
    OFFERED: 'c=IN IP4 0.0.0.0.*RTP/AVP 0 8 101',
    answer: { TYPES: '0 101', DIRECTION: 'a=sendrecv' },
    ANSWERED: 'RTP/AVP 0 101',
  },
  {
    title: 'another codec',
    offer: { CONNECTION: OWN, TYPES: '8 101', DIRECTION: 'a=sendrecv' },
    // What the other side speaks now is offered too, behind it: rtpengine would transcode.
    OFFERED: 'RTP/AVP 8 .*101.*a=sendrecv',
    answer: { TYPES: '8 101', DIRECTION: 'a=sendrecv' },
    ANSWERED: 'c=IN IP4 127.0.0.1.*RTP/AVP 8 101.*a=sendrecv',
  },
]

t.test('a call that changes while it lasts, both sides sipp', { timeout: FILE_MS_MAX }, async (t) => {
  const site = await startSipSite(t)

  for (const change of CHANGES) {
    for (const changer of ['carrier', 'agent'] as const) {
      await t.test(`${change.title} and back by re-INVITE of the ${changer}`, async (t) => {
        const changes = [...offering('INVITE', change), ...offering('INVITE', RESUME)]
        const follows = [following(change), following(RESUME)]
        await connected(t, site, changer === 'carrier' ? [changes, follows] : [follows, changes])
      })
    }
  }

  await t.test('UPDATE with a description reaches the other side as a change', async (t) => {
    const [hold] = CHANGES
    if (hold === undefined) throw new Error('no change')
    await connected(t, site, [
      [...offering('UPDATE', hold), ...offering('UPDATE', RESUME)],
      [following(hold), following(RESUME)],
    ])
  })

  await t.test('UPDATE without a description is answered, and tells nobody', async (t) => {
    const update = { METHOD: 'UPDATE', HEADER: 'Supported: timer', BODY: '', STATUS: '200', ANSWERED: '200 OK' }
    const { carrier } = await connected(t, site, [[['asks', update]], []])
    t.notOk(carrier.includes('INVITE'))
  })

  await t.test('an offerless re-INVITE is answered with what stands', async (t) => {
    const offerless = {
      METHOD: 'INVITE',
      HEADER: 'Supported: timer',
      BODY: '',
      STATUS: '200',
      ANSWERED: 'RTP/AVP 0 101.*a=sendrecv',
    }
    const { agent } = await connected(t, site, [[['asks', offerless], 'acknowledges'], []])
    t.same(agent, ['INVITE', 'ACK', 'BYE'], 'the agent hears nothing of it')
  })

  await t.test('a change that the other side refuses is refused with its status, and the call goes on', async (t) => {
    const [hold] = CHANGES
    if (hold === undefined) throw new Error('no change')
    const refused = {
      METHOD: 'INVITE',
      HEADER: 'Content-Type: application/sdp',
      BODY: 'v=0\no=x 1 2 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 8\n',
      STATUS: '488',
      ANSWERED: '488 Not Acceptable Here',
    }
    await connected(t, site, [
      [['asks', refused], 'acknowledges-refusal', ...offering('INVITE', hold), ...offering('INVITE', RESUME)],
      [['refuses-again', { STATUS: '488' }], following(hold), following(RESUME)],
    ])
  })

  for (const from of ['carrier', 'agent'] as const) {
    await t.test(`INFO of the ${from} is relayed with its type and body, and its answer comes back`, async (t) => {
      const info = {
        METHOD: 'INFO',
        HEADER: 'Content-Type: application/dtmf-relay',
        BODY: 'Signal=5\nDuration=160\n',
        STATUS: '200',
        ANSWERED: '^SIP/2.0 200 OK',
      }
      const asked = { METHOD: 'INFO', ASKED: 'application/dtmf-relay.*Signal=5.*Duration=160', STATUS: '200' }
      const steps: readonly [SippStep[], SippStep[]] = [[['asks', info]], [['is-asked', asked]]]
      await connected(t, site, from === 'carrier' ? steps : [steps[1], steps[0]])
    })
  }

  await t.test('REFER of the carrier is refused, and the call goes on', async (t) => {
    const refer = {
      METHOD: 'REFER',
      HEADER: 'Refer-To: <sip:19005550100@127.0.0.9>',
      BODY: '',
      STATUS: '405',
      ANSWERED: '^SIP/2.0 405 Method Not Allowed.*Allow: INVITE',
    }
    const { agent } = await connected(t, site, [[['asks', refer]], []])
    t.notOk(agent.includes('REFER'), 'the other side hears nothing of it')
  })

  await t.test('OPTIONS inside a call is answered', async (t) => {
    const options = {
      METHOD: 'OPTIONS',
      HEADER: 'Accept: application/sdp',
      BODY: '',
      STATUS: '200',
      ANSWERED: '200 OK',
    }
    await connected(t, site, [[['asks', options]], []])
  })
})

function offering(METHOD: 'INVITE' | 'UPDATE', change: Change): readonly SippStep[] {
  const offer: SippStep = ['offers-again', { METHOD, ...change.offer, ANSWERED: change.ANSWERED }]
  return METHOD === 'INVITE' ? [offer, 'acknowledges'] : [offer]
}

function following(change: Change): SippStep {
  return ['is-offered-again', { OFFERED: change.OFFERED, ...change.answer }]
}

/** One call in which each side does its steps; the carrier hangs up. The value: what each side received. */
async function connected(
  t: Test,
  site: SipSite,
  steps: readonly [carrier: readonly SippStep[], agent: readonly SippStep[]],
): Promise<{ readonly carrier: readonly string[]; readonly agent: readonly string[] }> {
  const results = await site.call(
    {
      local: site.agent,
      steps: ['is-called', 'rings', 'answers', ...steps[1], 'is-hung-up'],
    },
    {
      local: { host: site.carrier.host },
      remote: { ...site.sip, number: UDP_NUMBER },
      steps: ['calls', 'is-answered', ...steps[0], ['talks', { TALKMS: '100' }], 'hangs-up'],
    },
  )
  bothSucceeded(t, results)
  return {
    carrier: startLines(results.caller.messages, 'received'),
    agent: startLines(results.callee.messages, 'received'),
  }
}
