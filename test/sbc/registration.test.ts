import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { DigestGate, type DigestGateOptions } from '../../src/sbc/digest-gate.ts'
import { Registrations } from '../../src/sbc/registration.ts'
import { SipServer } from '../../src/sbc/sip-server.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { eventually } from '../fakes/eventually.ts'
import { testTrunk } from '../fakes/test-trunk.ts'
import { application, SECRET, serve, type AppRequest, type AppResponse } from '../sipd/application.ts'

const logger = createLogger({ role: 'test', level: 'silent' })

/** A registrar on a SIP server of its own, and the sbc's part that registers there, both over real SIP. */
async function bench(
  t: Test,
  registrar: (request: AppRequest, response: AppResponse) => void,
  password = 'secret of the trunk',
) {
  const far = await serve(t)
  const requests: AppRequest[] = []
  await application(t, far.sipd, (srf) =>
    srf.use('register', (request, response) => {
      requests.push(request)
      registrar(request, response)
    }),
  )
  const near = await serve(t)
  const sip = new SipServer({
    host: '127.0.0.1',
    port: near.sipd.addresses.control.port,
    secret: SECRET,
    logger,
    handlers: { invite: () => undefined, options: () => undefined, lost: () => undefined, connected: () => undefined },
  })
  t.teardown(() => sip.close())
  await sip.waitConnected()
  const trunks = new Trunks({
    trunks: [
      testTrunk({
        name: 'carrier',
        side: 'carrier',
        target: far.udp,
        registration: { user: '+4989', domain: 'carrier.example.com', expiresSeconds: 60 },
      }),
      testTrunk({ name: 'other', side: 'carrier' }),
    ],
    routes: [],
  }).all()
  const metrics = new Metrics('sbc')
  const lines: string[] = []
  const registrations = new Registrations({
    trunks,
    sip,
    secrets: { credentials: () => ({ user: 'trunk-user', password }) },
    logger: createLogger({ role: 'sbc', level: 'info', stream: { write: (line) => lines.push(line) } }),
    metrics,
    chance: () => 0,
  })
  t.teardown(() => registrations.close())
  const isRegistered = async (): Promise<string | undefined> =>
    /registered{trunk="carrier",role="sbc"} (\d)/.exec(await metrics.registry.metrics())?.[1]
  return { registrations, requests, lines, isRegistered, near }
}

function gate(algorithms: NonNullable<DigestGateOptions['algorithms']>): DigestGate {
  const passwordOf = (user: string): string | undefined => (user === 'trunk-user' ? 'secret of the trunk' : undefined)
  return new DigestGate({ realm: 'carrier.example.com', passwordOf, algorithms })
}

function judge(digests: DigestGate, request: AppRequest, response: AppResponse, headers: object = {}): void {
  const { method, uri } = request
  const answer = digests.check({ method, uri, credentials: [request.get('Authorization') ?? ''] })
  if (answer.kind === 'accepted') response.send(200, { headers: { Contact: request.get('Contact'), ...headers } })
  else response.send(401, { headers: { 'WWW-Authenticate': answer.challenges.join('\r\nWWW-Authenticate: ') } })
}

for (const algorithms of [['SHA-256', 'MD5'], ['MD5']] as const)
  t.test(
    `a carrier that asks for ${algorithms.join(' or ')} registers the trunk, and loses it at the end`,
    async (t) => {
      const digests = gate(algorithms)
      const { registrations, requests, lines, isRegistered, near } = await bench(t, (request, response) =>
        judge(digests, request, response),
      )
      await eventually(async () => (await isRegistered()) === '1')
      t.equal(requests.length, 2, 'challenged once, then proved')
      const [first, second] = requests
      t.equal(first?.uri, 'sip:carrier.example.com')
      t.match(first?.get('To'), '<sip:+4989@carrier.example.com>')
      t.match(first?.get('Contact'), `sip:+4989@127.0.0.1:${near.udp.port}`, 'calls come to where we are')
      t.equal(first?.get('Expires'), '60')
      t.equal(second?.get('Call-ID'), first?.get('Call-ID'))
      t.match(second?.get('Authorization'), new RegExp(`algorithm=${algorithms[0]}`))
      const sequences = [first, second].map((request) => Number.parseInt(request?.get('CSeq') ?? ''))
      t.equal(sequences[1], (sequences[0] ?? 0) + 1)
      t.match(lines, [/registered at the carrier/])
      await registrations.close()
      await registrations.close()
      const last = requests.at(-1)
      t.equal(last?.get('Expires'), '0')
      t.match(last?.get('Authorization'), /Digest/)
      t.equal(requests.length, 4)
    },
  )

t.test('a wrong password is not tried for ever, and the pause is told', async (t) => {
  const digests = gate(['SHA-256'])
  const { requests, lines, isRegistered } = await bench(
    t,
    (request, response) => judge(digests, request, response),
    'wrong',
  )
  await eventually(() => lines.length > 0)
  t.match(lines, [/"code":"registration_failed".*"trunk":"carrier".*"status":401.*"attempt":1.*"delayMs":15000/])
  t.equal(await isRegistered(), '0')
  t.equal(requests.length, 2)
})

t.test('a binding that is too short is asked for as long as the registrar wants it', async (t) => {
  const { requests, isRegistered } = await bench(t, (request, response) => {
    if (request.get('Expires') === '60') response.send(423, { headers: { 'Min-Expires': '1800' } })
    else response.send(200, { headers: { Contact: request.get('Contact'), Expires: '1800' } })
  })
  await eventually(async () => (await isRegistered()) === '1')
  t.same(
    requests.map((request) => request.get('Expires')),
    ['60', '1800'],
  )
})

t.test('a binding is refreshed before it ends, and a registrar that refuses names its pause', async (t) => {
  let refuses = false
  const { requests, lines } = await bench(t, (request, response) => {
    if (refuses) response.send(503, { headers: { 'Retry-After': '1' } })
    else response.send(200, { headers: { Contact: `${request.get('Contact') ?? ''};expires=1` } })
    refuses = !refuses
  })
  await eventually(() => requests.length >= 3 && lines.length >= 3, 15_000)
  t.match(lines, [/registered at/, /"status":503.*"delayMs":1000/, /registered at/])
})
