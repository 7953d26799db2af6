import { createServer } from 'node:net'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ChannelClient } from '../../src/kit/channel.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { hearRequests, SipServer, type SipDialog } from '../../src/sbc/sip-server.ts'
import { startSbc, type Sbc, type SbcOptions } from '../../src/sbc/sbc.ts'
import { startSipd, type Sipd } from '../../src/sipd/sipd.ts'
import { parseSbcToDesk, type CallView, type DeskToSbc, type SbcToDesk } from '../../src/wire/call-protocol.ts'
import { testTrunk } from '../fakes/test-trunk.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { TEST_FORM } from '../fakes/guarded-call.ts'
import { RtpParty } from '../fakes/rtp-party.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
const SECRET = 'a secret of the test'

async function sipd(): Promise<Sipd> {
  return startSipd({
    udp: [{ host: '127.0.0.1', port: 0 }],
    tcp: [],
    control: { host: '127.0.0.1', port: await freePort(), secret: SECRET },
    logger,
    metrics: new Metrics('test'),
  })
}

/** A SIP side outside the product, on a SIP server of its own; it answers every INVITE when told so. */
class Outside {
  readonly sipd: Sipd
  readonly server: SipServer
  readonly party: RtpParty
  endedCount = 0

  private constructor(sipd: Sipd, party: RtpParty) {
    this.sipd = sipd
    this.party = party
    this.server = new SipServer({
      ...sipd.addresses.control,
      secret: SECRET,
      logger,
      handlers: {
        connected: () => undefined,
        lost: () => undefined,
        options: (_request, response) => response.send(200),
        invite: (request, response) => {
          void this.server.answer(request, response, { sdp: party.sdp(), headers: {} }).then((dialog) => {
            if (dialog !== null) this.#watch(dialog)
          })
        },
      },
    })
  }

  static async start(t: Test, mark: number): Promise<Outside> {
    const outside = new Outside(await sipd(), await RtpParty.open({ mark }))
    t.teardown(async () => {
      outside.server.close()
      outside.party.close()
      await outside.sipd.close()
    })
    await outside.server.waitConnected()
    return outside
  }

  get port(): number {
    return this.sipd.addresses.udp[0]?.port ?? 0
  }

  async call(port: number, number: string): ReturnType<SipServer['invite']> {
    const result = await this.server.invite(
      `sip:${number}@127.0.0.1:${port}`,
      { sdp: this.party.sdp(), headers: { 'Content-Type': 'application/sdp' }, callingNumber: '4989' },
      { sent: () => undefined, provisional: () => undefined },
    )
    if (result.kind === 'answered') this.#watch(result.dialog)
    return result
  }

  #watch(dialog: SipDialog): void {
    dialog.on('destroy', () => {
      this.endedCount += 1
    })
    hearRequests(dialog)
  }
}

type Site = {
  readonly sbc: Sbc
  readonly sipd: Sipd
  readonly engine: Rtpengine
  readonly carrier: Outside
  readonly agent: Outside
  readonly metrics: Metrics
  readonly sipPort: number
  /** The last that a desk heard of each call. */
  readonly seen: Map<string, CallView>
}

/** Both outsides call from the same address, so that the first trunk, the carrier, is where all calls come from. */
async function site(t: Test): Promise<Site> {
  const [engine, own, carrier, agent] = await Promise.all([
    startRtpengine(),
    sipd(),
    Outside.start(t, 1),
    Outside.start(t, 2),
  ])
  const metrics = new Metrics('test')
  const sbc = await startSbc(options({ engine, own, agent, metrics, port: 0 }))
  const seen = new Map<string, CallView>()
  const keep = (message: SbcToDesk): void => {
    if (message.type === 'calls') for (const call of message.calls) seen.set(call.callId, call)
    if (message.type === 'call') seen.set(message.call.callId, message.call)
  }
  const desk = new ChannelClient<DeskToSbc, SbcToDesk>({
    host: '127.0.0.1',
    port: sbc.port,
    identity: sharedIdentity('desk'),
    peer: 'sbc',
    parse: parseSbcToDesk,
    message: keep,
    opened: () => void desk.send({ type: 'calls.watch' }),
  })
  t.teardown(async () => {
    desk.close()
    await sbc.close()
    await own.close()
    await engine.close()
  })
  await eventually(() => desk.isOpen)
  return { sbc, sipd: own, engine, carrier, agent, metrics, sipPort: own.addresses.udp[0]?.port ?? 0, seen }
}

function options(of: {
  readonly engine: Rtpengine
  readonly own: Sipd
  readonly agent: Outside
  readonly metrics: Metrics
  readonly port: number
}): SbcOptions {
  return {
    configuration: {
      sip: {
        udp: [],
        tcp: [],
        tls: null,
        resolvers: [],
        sessionTimer: null,
        strangers: 'refuse',
        emergencyNumbers: [],
        server: 'embedded',
        control: of.own.addresses.control,
        secretFile: '',
      },
      trunks: [
        testTrunk({ name: 'carrier', side: 'carrier', target: { host: '127.0.0.1', port: 9 } }),
        testTrunk({
          name: 'centre',
          side: 'contact-centre',
          target: { host: '127.0.0.1', port: of.agent.port },
        }),
      ],
      routes: [{ from: 'carrier', prefix: '4', merchant: null, to: [{ trunk: 'centre', priority: 1, weight: 100 }] }],
      rtpengines: [{ name: 'engine', host: '127.0.0.1', port: of.engine.port, start: null }],
      guards: [],
      sbc: { host: '127.0.0.1', port: of.port },
      forms: [TEST_FORM],
      merchant: 'shop',
      callRecords: null,
    },
    sipSecret: SECRET,
    identity: sharedIdentity('sbc'),
    logger,
    metrics: of.metrics,
  }
}

t.test(
  'a call goes from one trunk to the other, with media, and its end on one side is its end on the other',
  async (t) => {
    const one = await site(t)
    const result = await one.carrier.call(one.sipPort, '4711')
    if (result.kind !== 'answered') return void t.fail('not answered')
    await eventually(() => [...one.seen.values()].some((call) => call.state === 'talking'))
    one.carrier.party.sendTo(result.response?.body ?? '')
    await one.agent.party.hears((heard) => heard.mark === 1)
    await result.dialog.destroy({})
    await eventually(() => one.agent.endedCount === 1)
    await eventually(() => [...one.seen.values()].every((call) => call.state === 'ended'))
    const text = await one.metrics.registry.metrics()
    t.match(text, /tonewall_sbc_invites_total\{[^}]*outcome="answered"[^}]*\} 1/)
    t.match(text, /tonewall_sbc_calls\{[^}]*\} 0/)
  },
)

t.test('an INVITE that no route fits is refused and counted', async (t) => {
  const one = await site(t)
  t.match(await one.carrier.call(one.sipPort, '5555'), { kind: 'rejected', status: 404 })
  t.match(await one.metrics.registry.metrics(), /tonewall_sbc_invites_total\{[^}]*outcome="refused"[^}]*\} 1/)
})

t.test('an rtpengine that dies ends its calls on both sides within 3 s', async (t) => {
  const one = await site(t)
  t.equal((await one.carrier.call(one.sipPort, '4711')).kind, 'answered')
  await one.engine.close()
  const diedMs = performance.now()
  await eventually(() => one.agent.endedCount === 1 && one.carrier.endedCount === 1)
  t.ok(performance.now() - diedMs < 3_000)
  t.match(await one.carrier.call(one.sipPort, '4711'), { kind: 'rejected', status: 503 })
})

t.test('a SIP server that dies ends the calls, and the sbc takes calls again when it is back', async (t) => {
  const one = await site(t)
  t.equal((await one.carrier.call(one.sipPort, '4711')).kind, 'answered')
  await eventually(() => one.seen.size === 1)
  const control = one.sipd.addresses.control
  await one.sipd.close()
  await eventually(() => [...one.seen.values()].every((call) => call.state === 'ended'))
  const again = await startSipd({
    udp: [{ host: '127.0.0.1', port: 0 }],
    tcp: [],
    control: { ...control, secret: SECRET },
    logger,
    metrics: new Metrics('test'),
  })
  t.teardown(() => again.close())
  const port = again.addresses.udp[0]?.port ?? 0
  await eventually(async () => (await one.carrier.call(port, '4711')).kind === 'answered', 8_000)
  t.pass('and answers')
})

t.test('close hangs up every call on both sides, and can be called twice', async (t) => {
  const one = await site(t)
  t.equal((await one.carrier.call(one.sipPort, '4711')).kind, 'answered')
  const startedMs = performance.now()
  await Promise.all([one.sbc.close(), one.sbc.close()])
  t.ok(performance.now() - startedMs < 3_000)
  await eventually(() => one.agent.endedCount === 1 && one.carrier.endedCount === 1)
})

t.test('a port for desks that is taken is a system error, and nothing is left running', async (t) => {
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const [engine, own, agent] = await Promise.all([startRtpengine(), sipd(), Outside.start(t, 2)])
  await t.rejects(startSbc(options({ engine, own, agent, metrics: new Metrics('test'), port })), { code: 'EADDRINUSE' })
  taken.close()
  await own.close()
  await engine.close()
})

t.end()
