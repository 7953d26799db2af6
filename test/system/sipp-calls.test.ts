import t from 'tap'
import { bothSucceeded, startSipSite, UDP_NUMBER, UNKNOWN_NUMBER } from '../fakes/sip-site.ts'
import { startLines } from '../fakes/sipp.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000

/** Calls one after the other through one running product. */
t.test('a carrier and an agent, both sipp', { timeout: FILE_MS_MAX }, async (t) => {
  const site = await startSipSite(t)
  const { sip, agent } = site
  const carrier = { local: { host: site.carrier.host }, remote: { ...sip, number: UDP_NUMBER } }
  const waiting = { local: agent }
  const talk = ['talks', { TALKMS: '100' }] as const

  await t.test('a call rings, is answered, and the carrier hangs up', async (t) => {
    const results = await site.call(
      { ...waiting, steps: ['is-called', ['rings', { RINGMS: '50' }], 'answers', 'is-hung-up'] },
      { ...carrier, steps: ['calls', 'hears-ringing', 'is-answered', talk, 'hangs-up'] },
    )
    bothSucceeded(t, results)
    t.same(startLines(results.callee.messages, 'received'), ['INVITE', 'ACK', 'BYE'])
  })

  await t.test('the agent hangs up', async (t) => {
    const results = await site.call(
      { ...waiting, steps: ['is-called', 'rings', 'answers', talk, 'hangs-up'] },
      { ...carrier, steps: ['calls', 'is-answered', 'is-hung-up'] },
    )
    bothSucceeded(t, results)
  })

  await t.test('an agent calls out through the carrier', async (t) => {
    const results = await site.call(
      { local: site.carrier, steps: ['is-called', 'rings', 'answers', 'is-hung-up'] },
      {
        local: { host: agent.host },
        remote: { ...sip, number: UDP_NUMBER },
        steps: ['calls', 'is-answered', 'hangs-up'],
      },
    )
    bothSucceeded(t, results)
  })

  await t.test('early media is passed on with its description, and the answer repeats it', async (t) => {
    const results = await site.call(
      { ...waiting, steps: ['is-called', 'sends-early-media', 'answers', 'is-hung-up'] },
      { ...carrier, steps: ['calls', 'hears-early-media', 'is-answered', talk, 'hangs-up'] },
    )
    bothSucceeded(t, results)
    const ports = results.caller.messages
      .filter(({ direction }) => direction === 'received')
      .flatMap(({ text }) => /m=audio (\d+) /.exec(text)?.[1] ?? [])
    t.equal(ports.length, 2)
    t.equal(new Set(ports).size, 1, 'early media and the call have one port')
  })

  await t.test(
    'refusals reach the caller with their status and its own phrase, and nothing of who refused',
    async (t) => {
      const refusals = [
        ['486', 'Busy Here'],
        ['404', 'Not Found'],
        ['480', 'Temporarily Unavailable'],
        ['503', 'Service Unavailable'],
        ['603', 'Decline'],
      ] as const
      for (const [STATUS, PHRASE] of refusals) {
        const results = await site.call(
          {
            ...waiting,
            steps: ['is-called', 'rings', ['refuses', { STATUS }]],
          },
          { ...carrier, steps: ['calls', ['is-refused', { STATUS, PHRASE }]] },
        )
        bothSucceeded(t, results)
        const heard = results.caller.messages.filter(({ direction }) => direction === 'received')
        t.notMatch(heard.map(({ text }) => text).join(''), /Smith|Agent-Phone-9|agent\.internal|desk 12|127\.0\.0\.3/)
      }
    },
  )

  await t.test('a caller who offers nothing is offered in the 200, and answers in its ACK', async (t) => {
    const results = await site.call(
      { ...waiting, steps: [['is-called', { CODECS: '0 8 9 101' }], 'rings', 'answers', 'is-hung-up'] },
      { ...carrier, steps: ['calls-without-offer', 'is-offered-late', 'hangs-up'] },
    )
    bothSucceeded(t, results)
  })

  await t.test('a caller who gives up while it rings hears 487, and the agent CANCEL', async (t) => {
    const results = await site.call(
      { ...waiting, steps: ['is-called', 'rings', 'is-cancelled'] },
      {
        ...carrier,
        steps: ['calls', 'hears-ringing', 'cancels', ['is-refused', { STATUS: '487', PHRASE: 'Request Terminated' }]],
      },
    )
    bothSucceeded(t, results)
    t.same(startLines(results.callee.messages, 'received'), ['INVITE', 'CANCEL', 'ACK'])
  })

  await t.test('requests that cannot become a call are refused by Tonewall itself', async (t) => {
    const alone = [
      { number: UNKNOWN_NUMBER, from: site.carrier.host, send: 'calls', STATUS: '404', PHRASE: 'Not Found' },
      { number: UDP_NUMBER, from: '127.0.0.77', send: 'calls', STATUS: '403', PHRASE: 'Forbidden' },
    ]
    for (const { number, from, send, STATUS, PHRASE } of alone) {
      const caller = await site.run({
        local: { host: from },
        remote: { ...sip, number },
        steps: [send, ['is-refused', { STATUS, PHRASE }]],
      })
      const { exitCode, errors } = await caller.result()
      t.equal(exitCode, 0, `${STATUS} ${errors}`)
    }
  })

  await t.test('OPTIONS of a trunk is answered', async (t) => {
    const pinging = await site.run({ ...carrier, steps: [['pings', { STATUS: '200', PHRASE: 'OK' }]] })
    const { exitCode, errors } = await pinging.result()
    t.equal(exitCode, 0, errors)
  })
})
