import t from 'tap'
import {
  hostileFrame,
  hostileHttp,
  hostileRtp,
  hostileSip,
  throwBytes,
  throwDatagrams,
  throwFrames,
} from '../fakes/hostile-input.ts'
import { udpPortsOf } from '../fakes/process-ports.ts'
import { seededRandom } from '../fakes/seeded-random.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'
import { CARD_KEYS, SiteLine } from '../fakes/site-line.ts'
import { PAYER_ADDRESS, Site } from '../fakes/site.ts'
import { nothingRecovered } from './failure-assertions.ts'

const SEED = 1_729
/** Of each kind, as many as a few seconds of a window take. */
const DATAGRAMS = 2_000
const CONNECTIONS = 60
const CLOSED_MS_MAX = 20_000
const COOL_DOWN_MS = 1_000
const FILE_MS_MAX = 100_000
/** An address that no trunk names, and nobody's leg. */
const STRANGER = '127.0.0.99'

t.setTimeout(FILE_MS_MAX)

t.test('damaged SIP, SDP, RTP, HTTP and control frames in a window end nothing and leak nothing', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  // Each refused connection is a line; here are hundreds.
  const say = (line: string) => (line.includes('refused') ? undefined : t.comment(line))
  const site = await Site.start({ lines: 1, guards: 1, coolDownMs: COOL_DOWN_MS, say })
  const line = await SiteLine.open(site, { line: 0 })
  t.teardown(async () => {
    await line.close()
    await site.close()
  })
  const { configuration } = site
  const [udp] = configuration.sip.udp
  const [tcp] = configuration.sip.tcp
  const [guard] = configuration.guards
  const [rtpengine] = configuration.rtpengines
  if (udp === undefined || tcp === undefined || guard === undefined || rtpengine === undefined)
    throw new Error('the test configuration lacks something')
  const { ports } = configuration.metrics
  const pids = site.pids()
  await line.call()
  await line.openWindow()
  await line.press(CARD_KEYS.slice(0, 8), 'both')

  const random = (salt: number) => {
    const source = seededRandom(SEED + salt)
    return (below: number) => source.below(below)
  }
  const guardPorts = udpPortsOf(site.pidOf('guard-1'))
  const mediaPorts = udpPortsOf(site.pidOf('media-1')).filter((port) => port !== rtpengine.port)
  t.ok(guardPorts.length >= 2, 'the sockets of the window are known to the attacker')
  t.ok(mediaPorts.length >= 4)
  const sipFrom = random(1)
  const rtpFrom = random(2)
  const others = random(3)
  await Promise.all([
    throwDatagrams({ from: PAYER_ADDRESS, to: udp, count: DATAGRAMS, make: (index) => hostileSip(sipFrom, index) }),
    throwDatagrams({ from: STRANGER, to: udp, count: DATAGRAMS / 4, make: (index) => hostileSip(sipFrom, index) }),
    ...[...guardPorts, ...mediaPorts].map((port, _, all) =>
      throwDatagrams({
        from: STRANGER,
        to: { host: '127.0.0.1', port },
        count: Math.ceil((2 * DATAGRAMS) / all.length),
        make: (index) => hostileRtp(rtpFrom, index),
      }),
    ),
    // The customer goes on meanwhile.
    line.press(CARD_KEYS.slice(8, 12), 'both'),
  ])
  const desk = { host: configuration.desk.host, port: configuration.desk.port }
  let cut = 0
  for (let count = 0; count < CONNECTIONS; count += 1) {
    const ended = await Promise.all([
      throwBytes(desk, hostileHttp(others)),
      throwBytes(tcp, hostileSip(others, count)),
      throwBytes(configuration.sip.control, hostileFrame(others)),
      ...[guard, configuration.vault, configuration.sbc].map((to) => throwBytes(to, hostileFrame(others))),
      count % 4 === 0
        ? throwFrames({ to: guard, identity: sharedIdentity('sbc'), peer: 'guard', bytes: hostileFrame(others) })
        : false,
    ])
    cut += ended.at(-1) === true ? 1 : 0
  }
  t.ok(cut > 0, 'a guard cuts off an sbc that says nonsense')

  await line.press(CARD_KEYS.slice(12), 'both')
  await line.finishForm('both')
  t.match(
    (await line.untilPayment(({ token }) => token !== null, CLOSED_MS_MAX)).token,
    /^tok_/,
    'the payment completes',
  )
  await line.untilState('closed', CLOSED_MS_MAX)
  t.same(site.pids(), pids, 'no process was started again')
  t.ok((await site.counted(ports.sipd, 'tonewall_sipd_malformed_total', 'transport="udp"')) > 0, 'sipd counts')
  t.ok((await site.counted(ports.sipd, 'tonewall_sipd_malformed_total', 'transport="control"')) > 0)
  t.equal(await site.counted(ports.sipd, 'tonewall_sipd_faults_total'), 0, 'nothing made it stumble')
  t.ok(
    (await site.counted(guard.metricsPort, 'tonewall_guard_packets_total', 'direction="wrong_source"')) >
      DATAGRAMS / 10,
    'the guard counts',
  )
  t.ok((await site.counted(ports.desk, 'tonewall_desk_requests_total', 'status_class="4xx"')) > 0, 'the desk counts')
  await line.payer.hangup()
  await nothingRecovered(t, line)
})
