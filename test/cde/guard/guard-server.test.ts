import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import t from 'tap'
import { parseCardBody } from '../../../src/cde/card-body.ts'
import { EgressSentinel } from '../../../src/cde/guard/egress-sentinel.ts'
import { guardMetrics } from '../../../src/cde/guard/guard-metrics.ts'
import { listenForSbcs } from '../../../src/cde/guard/guard-server.ts'
import { SelfTests } from '../../../src/cde/guard/self-test/self-tests.ts'
import { OpenWindows } from '../../../src/cde/guard/open-windows.ts'
import type { WindowRecord, WindowRecorded } from '../../../src/cde/guard/window-record.ts'
import { VaultClient } from '../../../src/cde/vault-client.ts'
import { parseVaultRequest, type VaultReply, type VaultRequest } from '../../../src/cde/vault-protocol.ts'
import { ChannelClient, listenChannel } from '../../../src/kit/channel.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { GuardLink } from '../../../src/sbc/guard-link.ts'
import { parseGuardToSbc, type GuardToSbc, type SbcToGuard } from '../../../src/wire/guard-protocol.ts'
import { eventually } from '../../fakes/eventually.ts'
import { payerStream } from '../../fakes/payer-stream.ts'
import { sharedIdentity } from '../../fakes/shared-certificates.ts'
import { ORDER, WINDOW_ID } from '../../fakes/window-bench.ts'

const HOST = '127.0.0.1'
const DEADLINE = { deadlineMs: 2_000 }
const OWNER = 'abcdefghijklmnop'
const OTHER_OWNER = 'bcdefghijklmnopq'

const lines: string[] = []
const logger = createLogger({ role: 'guard', level: 'debug', stream: { write: (line) => lines.push(line) } })

/** A vault that answers every card with the same token and keeps what it got, with a port of its own. */
const cards: string[] = []
const vault = await listenChannel<VaultReply, VaultRequest>({
  host: HOST,
  port: 0,
  identity: sharedIdentity('vault'),
  allow: ['guard'],
  logger,
  accept: () => ({
    parse: parseVaultRequest,
    message: (_request, body, reply) => {
      const card = parseCardBody(body)
      cards.push(card === null ? 'malformed' : card.pan.join(''))
      reply({ type: 'tokenized', token: 'tok_abcdefghijklmnopqrst1_1111', lastFour: '1111', brand: 'visa' })
    },
    closed: () => undefined,
  }),
})
t.teardown(() => vault.close())

/** What sbcs reported for the audit record; the third finds no room. */
const reported: string[] = []

async function startServer(
  options: {
    readonly windowsMax?: number
    readonly abandonedMs?: number
    readonly record?: Pick<WindowRecord, 'opened' | 'closed'>
  } = {},
) {
  const { windowsMax = 3, ...rest } = options
  const metrics = new Metrics('guard')
  const client = new VaultClient({ host: HOST, port: vault.port, identity: sharedIdentity('guard') })
  const windows = new OpenWindows({
    media: HOST,
    windowsMax,
    vault: client,
    newSentinel: () => new EgressSentinel(),
    audit: () => undefined,
    clockMs: () => performance.now(),
    dateMs: () => Date.now(),
    logger,
    metrics: guardMetrics(metrics),
    ...rest,
  })
  const identity = sharedIdentity('guard')
  const selfTests = new SelfTests({
    host: HOST,
    clockMs: () => performance.now(),
    logger,
    metrics: guardMetrics(new Metrics('test')),
    failed: () => undefined,
  })
  const listener = await listenForSbcs({
    host: HOST,
    port: 0,
    identity,
    windows,
    selfTests,
    windowsMax,
    report: (act) => reported.push(act.cause) < 3,
    logger,
  })
  return {
    port: listener.port,
    windows,
    metrics,
    close: async () => {
      windows.close()
      windows.close()
      selfTests.close()
      client.close()
      await listener.close()
    },
  }
}

/** An sbc's channel, and all that the guard said on it unasked. */
async function connectSbc(port: number, owner = OWNER) {
  const heard: GuardToSbc[] = []
  const waiting = new Set<() => void>()
  const client = new ChannelClient<SbcToGuard, GuardToSbc>({
    host: HOST,
    port,
    identity: sharedIdentity('sbc'),
    peer: 'guard',
    parse: parseGuardToSbc,
    message: (message) => {
      heard.push(message)
      for (const wake of waiting) wake()
    },
    opened: () => client.send({ type: 'sbc.hello', owner }),
  })
  const until = async (is: (message: GuardToSbc) => boolean): Promise<GuardToSbc> => {
    const timeout = AbortSignal.timeout(8_000)
    for (;;) {
      const found = heard.find(is)
      if (found !== undefined) return found
      await new Promise<void>((resolve, reject) => {
        waiting.add(resolve)
        timeout.addEventListener('abort', () => reject(new Error('the guard did not say it in time')))
      })
    }
  }
  const ask = async (message: SbcToGuard): Promise<GuardToSbc | string> => {
    const answer = await client.request(message, DEADLINE)
    return answer.kind === 'reply' ? answer.message : answer.kind
  }
  await until((message) => message.type === 'guard.hello')
  return { heard, until, ask, close: () => client.close() }
}

async function udp(): Promise<{ readonly socket: Socket; readonly port: number; readonly got: Buffer[] }> {
  const socket = createSocket('udp4')
  socket.bind(0, HOST)
  await once(socket, 'listening')
  const got: Buffer[] = []
  socket.on('message', (datagram) => got.push(datagram))
  return { socket, port: socket.address().port, got }
}

t.test(
  'a window over real sockets: greeted, prepared, connected, captured, tokenized, drained, released',
  async (t) => {
    const server = await startServer()
    const sbc = await connectSbc(server.port)
    t.same(sbc.heard[0], { type: 'guard.hello', windowsOpen: [], windowsMax: 3 })
    const [payer, agent] = [await udp(), await udp()]
    t.teardown(async () => {
      payer.socket.close()
      agent.socket.close()
      sbc.close()
      await server.close()
    })
    const prepared = await sbc.ask({ ...ORDER, coolDownMs: 500, lookAheadMs: 40 })
    if (typeof prepared === 'string' || prepared.type !== 'prepared') throw new Error('not prepared')
    t.same(server.windows.ids, [WINDOW_ID])
    t.same(await sbc.ask(ORDER), { type: 'refused', code: 'window_exists' })
    const addresses = { payer: { host: HOST, port: payer.port }, agent: { host: HOST, port: agent.port } }
    t.same(await sbc.ask({ type: 'window.connect', windowId: WINDOW_ID, ...addresses }), { type: 'ok' })
    t.same(await sbc.ask({ type: 'window.capture', windowId: WINDOW_ID }), { type: 'ok' })

    const keys = Array.from('4111111111111111', Number)
    const card = payerStream({
      keys: [...keys, 1, 2, 3, 0, 1, 2, 3],
      transport: 'events',
      startMs: 0,
      onMs: 40,
      offMs: 40,
    })
    const startedMs = performance.now()
    for (const { atMs, datagram } of card) {
      const waitMs = startedMs + atMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      payer.socket.send(datagram, prepared.payer.port, HOST)
      if (((datagram[1] ?? 0) & 0x7f) === 0) agent.socket.send(datagram, prepared.agent.port, HOST)
    }
    const finished = await sbc.until((message) => message.type === 'progress' && message.progress.state === 'finished')
    t.match(finished, { progress: { token: /^tok_/, lastFour: '1111', brand: 'visa' } })
    t.same(cards, ['4111111111111111'])
    await sbc.until((message) => message.type === 'safe-to-close')
    t.same(await sbc.ask({ type: 'window.drain', windowId: WINDOW_ID }), { type: 'drained' })
    const audio = card.filter(({ datagram }) => ((datagram[1] ?? 0) & 0x7f) === 0).length
    const counted = await sbc.ask({ type: 'window.count', windowId: WINDOW_ID })
    t.match(counted, {
      type: 'counted',
      counts: { fromPayer: card.length, fromAgent: audio, toPayer: audio, dropped: 0 },
    })
    t.equal(agent.got.length, typeof counted !== 'string' && counted.type === 'counted' ? counted.counts.toAgent : -1)
    t.ok(agent.got.length >= audio, 'all audio, and noise where only events were')
    t.ok(agent.got.every((datagram) => ((datagram[1] ?? 0) & 0x7f) === 0))
    t.equal(payer.got.length, audio)
    t.same(await sbc.ask({ type: 'window.release', windowId: WINDOW_ID }), { type: 'ok' })
    t.same(await sbc.ask({ type: 'window.count', windowId: WINDOW_ID }), { type: 'refused', code: 'unknown_window' })
    t.match(await server.metrics.registry.metrics(), /tonewall_guard_keys_total\{transport="event"[^}]*\} 23/)
    t.notMatch(lines.join(), /41111|11111111/)
  },
)

t.test(
  'a window takes no key before it is written down, and none when it cannot be; it masks all the same',
  async (t) => {
    const closed: string[] = []
    let tell: (recorded: WindowRecorded) => void = () => undefined
    const server = await startServer({
      record: {
        opened: () => new Promise((resolve) => (tell = resolve)),
        closed: (_window, cause) => closed.push(cause),
      },
    })
    const sbc = await connectSbc(server.port)
    const side = await udp()
    t.teardown(async () => {
      side.socket.close()
      sbc.close()
      await server.close()
    })
    const address = { host: HOST, port: side.port }
    for (const recorded of ['recorded', 'not_recorded', 'unknown_merchant'] as const) {
      t.match(await sbc.ask(ORDER), { type: 'prepared' })
      const connect = { type: 'window.connect', windowId: WINDOW_ID, payer: address, agent: address } as const
      t.same(await sbc.ask(connect), { type: 'ok' }, 'masking does not wait')
      let answered = false
      const capture = sbc.ask({ type: 'window.capture', windowId: WINDOW_ID }).finally(() => (answered = true))
      t.match(await sbc.ask({ type: 'window.count', windowId: WINDOW_ID }), { type: 'counted' })
      t.notOk(answered)
      tell(recorded)
      t.same(await capture, recorded === 'recorded' ? { type: 'ok' } : { type: 'refused', code: recorded })
      t.same(await sbc.ask({ type: 'window.release', windowId: WINDOW_ID }), { type: 'ok' })
    }
    t.same(closed, ['released', 'released', 'released'])
  },
)

t.test('no more windows than allowed, and a released place is free again', async (t) => {
  const server = await startServer({ windowsMax: 1 })
  const sbc = await connectSbc(server.port)
  t.teardown(async () => {
    sbc.close()
    await server.close()
  })
  const other = 'bbbbbbbbbbbbbbbb'
  t.match(await sbc.ask(ORDER), { type: 'prepared' })
  t.same(await sbc.ask({ ...ORDER, windowId: other }), { type: 'refused', code: 'windows_exhausted' })
  t.same(await sbc.ask({ type: 'window.release', windowId: WINDOW_ID }), { type: 'ok' })
  t.match(await sbc.ask({ ...ORDER, windowId: other }), { type: 'prepared' })
  t.match(await server.metrics.registry.metrics(), /tonewall_guard_windows(\{[^}]*\})? 1/)
})

t.test(
  'windows outlive their sbc, masked and without a capture, until media stops or another sbc lets go',
  async (t) => {
    const server = await startServer({ abandonedMs: 200 })
    const [payer, agent] = [await udp(), await udp()]
    const first = await connectSbc(server.port)
    const prepared = await first.ask({ ...ORDER, lookAheadMs: 10 })
    if (typeof prepared === 'string' || prepared.type !== 'prepared') throw new Error('not prepared')
    const addresses = { payer: { host: HOST, port: payer.port }, agent: { host: HOST, port: agent.port } }
    await first.ask({ type: 'window.connect', windowId: WINDOW_ID, ...addresses })
    await first.ask({ type: 'window.capture', windowId: WINDOW_ID })
    first.close()
    const second = await connectSbc(server.port)
    t.teardown(async () => {
      payer.socket.close()
      agent.socket.close()
      second.close()
      await server.close()
    })
    t.match(second.heard[0], { windowsOpen: [WINDOW_ID] })
    const packets = payerStream({ keys: [1, 2], transport: 'both', startMs: 0 })
    for (const { datagram } of packets.slice(0, 20)) payer.socket.send(datagram, prepared.payer.port, HOST)
    await once(agent.socket, 'message')
    t.ok(agent.got.every((datagram) => ((datagram[1] ?? 0) & 0x7f) === 0))
    t.ok(server.windows.ids.length === 1, 'media flows, so it stays')
    for (let waited = 0; waited < 100 && server.windows.ids.length > 0; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 50))
    t.same(server.windows.ids, [], 'media stopped, so it ended')
  },
)

t.test('two sbcs on one guard have their own windows, and neither knows those of the other', async (t) => {
  const server = await startServer()
  const [one, two] = [await connectSbc(server.port), await connectSbc(server.port, OTHER_OWNER)]
  const theirs = 'bbbbbbbbbbbbbbbb'
  t.match(await one.ask(ORDER), { type: 'prepared' })
  t.match(await two.ask({ ...ORDER, windowId: theirs }), { type: 'prepared' })
  const unknown = { type: 'refused', code: 'unknown_window' }
  for (const type of ['window.release', 'window.cancel', 'window.capture', 'window.drain'] as const) {
    t.same(await two.ask({ type, windowId: WINDOW_ID }), unknown, type)
    t.same(await one.ask({ type, windowId: theirs }), unknown, type)
  }
  t.same(await two.ask(ORDER), { type: 'refused', code: 'window_exists' })

  one.close()
  const again = await connectSbc(server.port)
  t.match(again.heard[0], { type: 'guard.hello', windowsOpen: [WINDOW_ID] })
  t.match(await two.ask({ type: 'window.count', windowId: theirs }), { type: 'counted' }, 'not orphaned with the other')
  const beside = await connectSbc(server.port)
  t.match(beside.heard[0], { windowsOpen: [WINDOW_ID] }, 'a second channel of one sbc')
  t.same(await beside.ask({ type: 'window.release', windowId: WINDOW_ID }), { type: 'ok' })
  t.same(server.windows.ids, [theirs])
  t.teardown(async () => {
    for (const sbc of [two, again, beside]) sbc.close()
    await server.close()
  })
})

t.test('an sbc that does not say who it is gets no window', async (t) => {
  const server = await startServer()
  const channel = new ChannelClient<SbcToGuard, GuardToSbc>({
    host: HOST,
    port: server.port,
    identity: sharedIdentity('sbc'),
    peer: 'guard',
    parse: parseGuardToSbc,
    message: () => undefined,
  })
  t.teardown(async () => {
    channel.close()
    await server.close()
  })
  await eventually(() => channel.isOpen)
  t.match(await channel.request(ORDER, DEADLINE), { message: { type: 'refused', code: 'wrong_state' } })
  t.same(server.windows.ids, [])
})

t.test('links of two sbcs to one guard leave each other’s windows alone', async (t) => {
  const server = await startServer()
  const link = (owner: string) =>
    new GuardLink({
      guard: {
        name: 'guard',
        rtpengine: 'engine',
        host: HOST,
        port: server.port,
        media: HOST,
        windowsMax: 3,
        metricsPort: 1,
      },
      identity: sharedIdentity('sbc'),
      owner,
      logger,
    })
  const one = link(OWNER)
  await eventually(() => one.hasRoom)
  t.match(await one.ask(ORDER, DEADLINE), { message: { type: 'prepared' } })
  const two = link(OTHER_OWNER)
  t.teardown(async () => {
    one.close()
    two.close()
    await server.close()
  })
  await eventually(() => two.hasRoom)
  // What the hello made it send comes before the answer to this.
  t.match(await two.ask({ type: 'window.count', windowId: WINDOW_ID }, DEADLINE), {
    message: { code: 'unknown_window' },
  })
  t.same(server.windows.ids, [WINDOW_ID], 'still there')
})

t.test('another role, and a message that is none, end the connection', async (t) => {
  const server = await startServer()
  t.teardown(() => server.close())
  const desk = new ChannelClient<SbcToGuard, GuardToSbc>({
    host: HOST,
    port: server.port,
    identity: sharedIdentity('desk'),
    peer: 'guard',
    parse: parseGuardToSbc,
    message: () => t.fail('a desk was greeted'),
  })
  const sbc = await connectSbc(server.port)
  t.equal(await sbc.ask({ type: 'window.drain', windowId: 'NOT AN ID' }), 'closed')
  t.equal((await desk.request({ type: 'window.drain', windowId: WINDOW_ID }, DEADLINE)).kind, 'closed')
  sbc.close()
  desk.close()
})

t.test('what people did is taken for the audit record from any sbc, while there is room', async (t) => {
  const server = await startServer()
  const sbc = await connectSbc(server.port)
  t.teardown(async () => {
    sbc.close()
    await server.close()
  })
  const act = {
    type: 'audit.report',
    event: 'administrator_act',
    cause: 'drain',
    by: 'operator',
    occurredMs: 1_700_000_000_000,
  } as const
  t.same(await sbc.ask(act), { type: 'ok' })
  t.same(await sbc.ask({ ...act, event: 'configuration_changed', cause: 'reload' }), { type: 'ok' })
  t.same(await sbc.ask(act), { type: 'refused', code: 'wrong_state' })
  t.same(reported, ['drain', 'reload', 'drain'])
})
