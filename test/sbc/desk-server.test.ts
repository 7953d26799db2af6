import t, { type Test } from 'tap'
import { ChannelClient } from '../../src/kit/channel.ts'
import type { Role } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import { CallJournal } from '../../src/sbc/call-journal.ts'
import type { Call } from '../../src/sbc/call.ts'
import type { SelfTestSchedule } from '../../src/sbc/self-test-schedule.ts'
import { DeskServer } from '../../src/sbc/desk-server.ts'
import { OperatorAnswers } from '../../src/sbc/operator-answers.ts'
import { randomLetters } from '../../src/sbc/letters.ts'
import { parseSbcToDesk, type CallView, type DeskToSbc, type SbcToDesk } from '../../src/wire/call-protocol.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard } from '../fakes/fake-guard.ts'
import { startRtpengine } from '../fakes/rtpengine.ts'
import { SipCall } from '../fakes/sip-call.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
Object.assign(globalThis.console, { log: () => undefined })
const DEADLINE_MS = 3_000

type Desk = {
  readonly client: ChannelClient<DeskToSbc, SbcToDesk>
  readonly heard: SbcToDesk[]
  order(message: DeskToSbc): Promise<SbcToDesk | null>
  /** Watches as a desk does, which asks without waiting for a reply; takes the list out of what was heard. */
  watch(): Promise<SbcToDesk | undefined>
}

function connect(t: Test, server: DeskServer, role: Role = 'desk'): Desk {
  const heard: SbcToDesk[] = []
  const client = new ChannelClient<DeskToSbc, SbcToDesk>({
    host: '127.0.0.1',
    port: server.port,
    identity: sharedIdentity(role),
    peer: 'sbc',
    parse: parseSbcToDesk,
    message: (message) => heard.push(message),
  })
  t.teardown(() => client.close())
  return {
    client,
    heard,
    order: async (message) => {
      const answer = await client.request(message, { deadlineMs: DEADLINE_MS })
      return answer.kind === 'reply' ? answer.message : null
    },
    watch: async () => {
      client.send({ type: 'calls.watch' })
      await eventually(() => heard.some(({ type }) => type === 'calls'))
      return heard.splice(
        heard.findIndex(({ type }) => type === 'calls'),
        1,
      )[0]
    },
  }
}

async function listen(
  t: Test,
  directory: CallDirectory,
  now: SelfTestSchedule['now'] = () => Promise.resolve([]),
): Promise<DeskServer> {
  const server = new DeskServer({
    directory,
    selfTests: { now },
    operators: new OperatorAnswers({
      journal: new CallJournal({ dateMs: () => Date.now(), finished: () => undefined }),
    }),
  })
  await server.listen({ host: '127.0.0.1', port: 0, identity: sharedIdentity('sbc'), logger })
  t.teardown(() => server.close())
  return server
}

/** As much of a call as a list of calls needs. */
function listed(): Call {
  const callId = randomLetters(20)
  const view: CallView = {
    callId,
    agent: 'anna',
    payerSipCallId: 'p'.repeat(200),
    agentSipCallId: 'a'.repeat(200),
    from: '4'.repeat(64),
    to: '5'.repeat(64),
    payerTrunk: 'carrier',
    agentTrunk: 'centre',
    merchant: 'shop',
    state: 'talking',
    startedAtMs: Date.now(),
    endedAtMs: null,
    forms: ['card'],
    payment: null,
  }
  return { facts: { callId }, view: () => view } as unknown as Call
}

t.test('a desk gets all calls once it watches, and each change after that', async (t) => {
  const directory = new CallDirectory()
  const first = listed()
  directory.add(first)
  const server = await listen(t, directory)
  const desk = connect(t, server)
  await eventually(() => desk.client.isOpen)
  server.tell(first)
  t.same(await desk.watch(), { type: 'calls', calls: [first.view()] })
  t.same(desk.heard, [], 'nothing before it watches')
  const second = listed()
  server.tell(second)
  await eventually(() => desk.heard.length === 1)
  t.same(desk.heard, [{ type: 'call', call: second.view() }])
})

t.test('more calls than a frame holds come one by one after the list', async (t) => {
  const directory = new CallDirectory()
  for (let count = 0; count < 3_000; count += 1) directory.add(listed())
  const server = await listen(t, directory)
  const desk = connect(t, server)
  await eventually(() => desk.client.isOpen)
  const answer = await desk.watch()
  const first = answer?.type === 'calls' ? answer.calls : []
  await eventually(() => desk.heard.length + first.length === 3_000)
  const ids = new Set([
    ...first.map((call) => call.callId),
    ...desk.heard.map((message) => (message.type === 'call' ? message.call.callId : '')),
  ])
  t.equal(ids.size, 3_000)
  t.ok(desk.client.isOpen)
})

t.test('an order for a call that is not there is refused', async (t) => {
  const server = await listen(t, new CallDirectory())
  const desk = connect(t, server)
  await eventually(() => desk.client.isOpen)
  const callId = randomLetters(20)
  for (const order of [
    { type: 'window.open', callId, form: 'card', masking: null },
    { type: 'window.clear', callId, field: null },
    { type: 'window.cancel', callId },
  ] as const)
    t.same(await desk.order(order), { type: 'refused', code: 'unknown_call' })
})

t.test('an order that throws is refused and does not end the process', async (t) => {
  const directory = new CallDirectory()
  const broken = Object.assign(listed(), { openWindow: () => Promise.reject(new Error('broken')) })
  directory.add(broken)
  const server = await listen(t, directory)
  const desk = connect(t, server)
  await eventually(() => desk.client.isOpen)
  const order = { type: 'window.open', callId: broken.facts.callId, form: 'card', masking: null } as const
  t.same(await desk.order(order), { type: 'refused', code: 'media_unavailable' })
})

t.test('a desk opens, clears and cancels a window of a real call, and sees each change', async (t) => {
  const engine = await startRtpengine()
  const guard = await FakeGuard.start({ identity: sharedIdentity('guard') })
  const sipCall = await SipCall.start({
    enginePort: engine.port,
    identity: sharedIdentity('sbc'),
    guardPorts: [guard.port],
  })
  const directory = new CallDirectory()
  directory.add(sipCall.call)
  const server = await listen(t, directory)
  const desk = connect(t, server, 'operator')
  await eventually(() => desk.client.isOpen)
  const { callId } = sipCall.call.facts
  t.same(await desk.order({ type: 'window.clear', callId, field: null }), { type: 'refused', code: 'no_window' })
  t.same(await desk.order({ type: 'window.open', callId, form: 'none', masking: null }), {
    type: 'refused',
    code: 'unknown_form',
  })
  const opened = await desk.order({ type: 'window.open', callId, form: 'card', masking: 'hard' })
  t.match(opened, { type: 'done', callId, windowId: sipCall.call.payment?.windowId })
  t.same(await desk.order({ type: 'window.open', callId, form: 'card', masking: null }), {
    type: 'refused',
    code: 'window_open',
  })
  t.match(await desk.order({ type: 'window.clear', callId, field: 'expiry' }), { type: 'done' })
  t.match(await desk.order({ type: 'window.cancel', callId }), { type: 'done' })
  t.match(await desk.watch(), {
    calls: [{ payment: { masking: 'hard', failure: 'cancelled' } }],
  })
  server.tell(sipCall.call)
  await eventually(() => desk.heard.length === 1)
  await sipCall.close()
  await guard.die()
  await engine.close()
})

t.test('a role that is no desk may not connect', async (t) => {
  const server = await listen(t, new CallDirectory())
  for (const role of ['guard', 'vault', 'sipd'] as const) {
    const stranger = connect(t, server, role)
    t.equal(await stranger.order({ type: 'window.cancel', callId: randomLetters(20) }), null, role)
  }
})

t.test('a desk that says nonsense is cut off, and the others go on', async (t) => {
  const server = await listen(t, new CallDirectory())
  const good = connect(t, server)
  const bad = connect(t, server)
  await eventually(() => good.client.isOpen && bad.client.isOpen)
  const nonsense = { type: 'window.open', callId: '4242424242424242' } as unknown as DeskToSbc
  t.equal(await bad.order(nonsense), null)
  t.same(await good.watch(), { type: 'calls', calls: [] })
})

t.end()

t.test('an operator may have guards tested, a desk may not', async (t) => {
  const asked: (string | null)[] = []
  const server = await listen(t, new CallDirectory(), (guard) => {
    asked.push(guard)
    return Promise.resolve(guard === 'guard-9' ? 'unknown_guard' : [])
  })
  const ask = async (role: 'desk' | 'operator', guard: string | null) => {
    const client = new ChannelClient<DeskToSbc, SbcToDesk>({
      host: '127.0.0.1',
      port: server.port,
      identity: sharedIdentity(role),
      peer: 'sbc',
      parse: parseSbcToDesk,
      message: () => undefined,
    })
    await eventually(() => client.isOpen)
    const answer = await client.request({ type: 'selftest.run', guard }, { deadlineMs: 2_000 })
    client.close()
    return answer.kind === 'reply' ? answer.message : null
  }
  t.same(await ask('desk', null), { type: 'selftest.refused', code: 'not_operator' })
  t.same(asked, [])
  t.same(await ask('operator', null), { type: 'selftest.report', results: [] })
  t.same(await ask('operator', 'guard-9'), { type: 'selftest.refused', code: 'unknown_guard' })
})
