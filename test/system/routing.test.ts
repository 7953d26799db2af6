import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { bothSucceeded, startSipSite, UDP_NUMBER } from '../fakes/sip-site.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const METRIC_MS_MAX = 15_000

/** A target that hears everything and says nothing. */
async function silentTarget(t: Test, host: string): Promise<{ readonly host: string; readonly port: number }> {
  const socket = createSocket('udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return { host, port: socket.address().port }
}

t.test('routes over several targets and trunks, sipp at each end', { timeout: FILE_MS_MAX }, async (t) => {
  const silent = await silentTarget(t, '127.0.0.5')
  const refusing = { host: '127.0.0.6', port: await freePort() }
  const backup = { host: '127.0.0.7', port: await freePort() }
  const health = { everySeconds: 1, downAfter: 2, upAfter: 1 }
  const site = await startSipSite(t, (written: WrittenConfiguration) => ({
    ...written,
    sip: { ...written.sip, emergencyNumbers: ['112'] },
    trunks: [
      ...written.trunks.map((trunk) => ({
        ...trunk,
        ...(trunk.name === 'carrier'
          ? {
              trusted: true,
              headers: { in: ['X-*'] },
              limits: { calls: 1 },
              numbers: { in: [{ prefix: '00', strip: 2, prepend: '+' }] },
            }
          : {}),
      })),
      { name: 'silent', side: 'contact-centre' as const, sources: [silent.host], target: silent, health },
      {
        name: 'refusing',
        side: 'contact-centre' as const,
        sources: [refusing.host],
        target: refusing,
        health: null,
      },
      {
        name: 'backup',
        side: 'contact-centre' as const,
        sources: [backup.host],
        target: backup,
        health: null,
        headers: { out: ['X-Account'] },
        numbers: { out: [{ prefix: '+', strip: 1, prepend: '' }] },
      },
    ],
    routes: [
      {
        from: 'carrier',
        prefix: '+4989',
        to: [
          { trunk: 'silent', priority: 1 },
          { trunk: 'refusing', priority: 2 },
          { trunk: 'backup', priority: 3 },
        ],
      },
      {
        from: 'carrier',
        prefix: '+4930',
        to: [
          { trunk: 'silent', priority: 1 },
          { trunk: 'backup', priority: 2 },
        ],
      },
      { from: 'carrier', prefix: '112', to: 'backup' },
      ...written.routes.filter(({ from }) => from === 'carrier'),
    ],
  }))
  const { sip } = site
  const carrier = { local: { host: site.carrier.host }, remote: { ...sip, number: UDP_NUMBER } }
  const talk = ['talks', { TALKMS: '100' }] as const
  const as = (uri: string, from: string, headers: string) =>
    ['calls-as', { URI: uri, FROM: from, HEADERS: headers }] as const
  const metrics = async (): Promise<string> => {
    const { host, ports } = site.configuration.metrics
    return (await fetch(`http://${host}:${ports.sbc}/metrics`)).text()
  }

  await t.test(
    'silence, then 503, then the other trunk takes the call, with numbers and headers of its own',
    async (t) => {
      const refused = await site.run({
        local: refusing,
        steps: ['is-called', ['refuses', { STATUS: '503' }]],
        // OPTIONS are answered by sipp itself.
        arguments: ['-aa'],
      })
      const results = await site.call(
        { local: backup, steps: ['is-called', 'rings', 'answers', 'is-hung-up'] },
        {
          ...carrier,
          steps: [
            as(
              'tel:0049-89-123',
              '"Anna" <tel:+49-30-987>',
              'P-Asserted-Identity: <sip:004930987@secret.example.com>\nX-Account: 7\nX-Other: 8\nDiversion: <sip:0049301@secret.example.com>;reason=no-answer',
            ),
            'is-answered',
            talk,
            'hangs-up',
          ],
        },
      )
      bothSucceeded(t, results)
      t.equal((await refused.result()).exitCode, 0, 'the one before was asked')
      const [{ text } = { text: '' }] = results.callee.messages.filter(({ direction }) => direction === 'received')
      t.match(text, /^INVITE sip:4989123@127\.0\.0\.7:\d+;transport=udp SIP\/2\.0/)
      t.match(text, /From: ?<sip:4930987@127\.0\.0\.1/)
      t.match(text, /P-Asserted-Identity: <sip:4930987@127\.0\.0\.1/i)
      t.match(text, /Diversion: <sip:49301@127\.0\.0\.7:\d+>;reason=no-answer/i)
      t.match(text, /X-Account: 7/i)
      t.notMatch(text, /X-Other|secret|Anna/i)
      t.match(await metrics(), /tonewall_sbc_failovers_total{trunk="backup",role="sbc"} 1/)
    },
  )

  await t.test('a target that answers no OPTIONS is out, and is not waited for any more', async (t) => {
    await eventually(
      async () => new RegExp(`target="udp:${silent.host}:${silent.port}",role="sbc"} 0`).test(await metrics()),
      METRIC_MS_MAX,
    )
    const results = await site.call(
      { local: backup, steps: ['is-called', 'answers', 'is-hung-up'] },
      { ...carrier, steps: [as('sip:+4930123@h', '<sip:1@h>', 'X-A: 1'), 'is-answered', talk, 'hangs-up'] },
    )
    bothSucceeded(t, results)
    t.match(await metrics(), /tonewall_sbc_failovers_total{trunk="backup",role="sbc"} 1/, 'the other one was the first')
  })

  await t.test('a second call of one source is refused while one stands, an emergency is not', async (t) => {
    const standing = await site.run({ local: backup, steps: ['is-called', 'answers', 'is-hung-up'], calls: 2 })
    const first = site.run({
      ...carrier,
      steps: [
        as('sip:112@h', '<sip:1@h>', 'Priority: emergency'),
        'is-answered',
        ['talks', { TALKMS: '3000' }],
        'hangs-up',
      ],
      calls: 2,
      callsEachSecond: 50,
    })
    const results = await (await first).result()
    t.equal(results.exitCode, 0, 'two emergencies at one time')
    const callee = await standing.result()
    t.equal(callee.exitCode, 0)
    t.match(callee.messages.map(({ text }) => text).join(''), /Priority: emergency/i)
    const held = await site.run({ local: site.agent, steps: ['is-called', 'answers', 'is-hung-up'] })
    const holding = await site.run({
      ...carrier,
      steps: ['calls', 'is-answered', ['talks', { TALKMS: '3000' }], 'hangs-up'],
    })
    await eventually(async () => /tonewall_sbc_calls{role="sbc"} 1/.test(await metrics()), METRIC_MS_MAX)
    const refused = await site.run({
      ...carrier,
      steps: ['calls', ['is-refused', { STATUS: '503', PHRASE: 'Service Unavailable' }]],
    })
    t.equal((await refused.result()).exitCode, 0)
    t.match(await metrics(), /tonewall_sbc_limited_total{trunk="carrier",limit="calls",role="sbc"} 1/)
    t.equal((await holding.result()).exitCode, 0)
    t.equal((await held.result()).exitCode, 0)
  })
})
