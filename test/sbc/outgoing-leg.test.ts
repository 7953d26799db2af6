import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { placeLeg, type LegDependencies, type LegOrder, type LegResult } from '../../src/sbc/outgoing-leg.ts'
import { TargetHealth } from '../../src/sbc/target-health.ts'
import { Trunks, type Trunk } from '../../src/sbc/trunks.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeDialog, FakeSip } from '../fakes/fake-sip.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

type Written = Parameters<typeof testTrunk>[0]

/** Trunks that are called one after the other: `one` has two targets, `two` has one. */
function bench(
  options: { readonly silentMs?: number; readonly progressMs?: number; readonly two?: Partial<Written> } = {},
) {
  const trunks = new Trunks({
    trunks: [
      testTrunk({
        name: 'one',
        side: 'carrier',
        targets: [
          { host: '192.0.2.1', port: 5_060, priority: 1 },
          { host: 'sip.example.com', transport: 'tls', priority: 2 },
        ],
        numbers: { out: [{ prefix: '+', strip: 1, prepend: '00' }] },
      }),
      testTrunk({ name: 'two', side: 'carrier', target: { host: '2001:db8::1', port: 5_080 }, ...options.two }),
    ],
    routes: [],
  })
  const sip = new FakeSip()
  const health = new TargetHealth({
    trunks: trunks.all(),
    logger: createLogger({ role: 'test', level: 'silent' }),
    metrics: new Metrics('test'),
    nowMs: () => clock.nowMs,
  })
  const clock = { nowMs: 0 }
  const offered: string[] = []
  const heard: number[] = []
  const moved: string[] = []
  const stop = new AbortController()
  const dependencies: LegDependencies = {
    sip,
    health,
    secrets: { credentials: () => null },
    chance: () => 0,
    firstProvisionalMs: options.silentMs ?? 20_000,
    progressMs: options.progressMs ?? 20_000,
    failedOver: (trunk) => moved.push(trunk.name),
  }
  const order: LegOrder = {
    trunks: trunks.all(),
    number: '+4989',
    callingNumber: '+43 1',
    headersFor: (trunk) => ({ 'X-Trunk': trunk.name }),
    offerFor: (trunk) => {
      offered.push(trunk.name)
      return Promise.resolve({ kind: 'ok', sdp: `sdp for ${trunk.name}` })
    },
    signal: stop.signal,
    provisional: ({ status }) => heard.push(status),
  }
  const place = (more: Partial<LegOrder> = {}): Promise<LegResult> => placeLeg(dependencies, { ...order, ...more })
  const sent = async (count: number) => {
    await eventually(() => sip.invites.length >= count)
    const invite = sip.invites[count - 1]
    if (invite === undefined) throw new Error('not sent')
    return invite
  }
  return {
    trunks: trunks.all() as readonly [Trunk, Trunk],
    sip,
    health,
    clock,
    offered,
    heard,
    moved,
    stop,
    place,
    sent,
  }
}

function dialog(): FakeDialog {
  return new FakeDialog({ callId: 'callee', sdp: '' })
}

t.test('a target that refuses with 503 or cannot be reached is followed by the next, over trunks too', async (t) => {
  const { sent, place, offered, moved, heard } = bench()
  const placed = place()
  const first = await sent(1)
  t.equal(first.uri, 'sip:004989@192.0.2.1:5060;transport=udp', 'the number is as the trunk writes it')
  t.equal(first.callingNumber, '0043%201')
  first.provisional(100)
  first.reject(503)
  const second = await sent(2)
  t.equal(second.uri, 'sip:004989@sip.example.com;transport=tls', 'a port that is left out is left to DNS')
  second.reject(0)
  const third = await sent(3)
  t.equal(third.uri, 'sip:+4989@[2001:db8::1]:5080;transport=udp')
  t.same(third.headers, { 'X-Trunk': 'two' })
  t.equal(third.sdp, 'sdp for two')
  third.answer(dialog(), { body: 'answer' })
  t.match(await placed, { kind: 'answered', trunk: { name: 'two' } })
  t.same(offered, ['one', 'two'], 'each trunk was offered once')
  t.same(moved, ['one', 'two'])
  t.same(heard, [100])
})

t.test('a target that says nothing is cancelled and left for the next; what it answers later is hung up', async (t) => {
  const { sent, place, heard } = bench({ silentMs: 30 })
  const placed = place()
  const first = await sent(1)
  const second = await sent(2)
  t.ok(first.cancelled)
  second.provisional(100)
  first.provisional(183)
  await new Promise((resolve) => setTimeout(resolve, 60))
  second.provisional(180)
  second.answer(dialog())
  t.match(await placed, { kind: 'answered', trunk: { name: 'one' } })
  t.same(heard, [100, 180], 'nobody hears the one that was given up')
})

t.test('a target that says 100 and no more is left as well, but not one that rings', async (t) => {
  const { sent, place, heard } = bench({ progressMs: 40 })
  const placed = place()
  const first = await sent(1)
  first.provisional(100)
  const second = await sent(2)
  t.ok(first.cancelled)
  second.provisional(183)
  await new Promise((resolve) => setTimeout(resolve, 80))
  second.answer(dialog())
  t.match(await placed, { kind: 'answered' })
  t.same(heard, [100, 183])
})

t.test('a proxy that says 408 for whoever is behind it is not avoided by the next call', async (t) => {
  const { sent, place } = bench()
  const first = place()
  ;(await sent(1)).reject(408)
  ;(await sent(2)).answer(dialog())
  await first
  const second = place()
  t.match((await sent(3)).uri, '192.0.2.1')
  ;(await sent(3)).answer(dialog())
  await second
})

t.test('an answer that crosses the cancelling is hung up', async (t) => {
  const { place, sip } = bench({ silentMs: 20 })
  let answerLate: () => void = () => undefined
  const late = dialog()
  let invites = 0
  sip.invite = (_uri, _options, progress) => {
    invites += 1
    if (invites > 1) return Promise.resolve({ kind: 'rejected', status: 486, response: null })
    progress.sent({ cancel: () => undefined })
    return new Promise((resolve) => {
      answerLate = () => resolve({ kind: 'answered', dialog: late, response: null })
    })
  }
  t.match(await place(), { kind: 'rejected', status: 486 })
  answerLate()
  await eventually(() => late.byes.length === 1)
  t.pass('hung up')
})

t.test('once it rang, what the target says is final; other refusals are final at once', async (t) => {
  const rang = bench()
  const placed = rang.place()
  const first = await rang.sent(1)
  first.provisional(180)
  first.reject(503)
  t.match(await placed, { kind: 'rejected', status: 503 })
  for (const status of [486, 404, 403, 500, 600]) {
    const refused = bench()
    const result = refused.place()
    ;(await refused.sent(1)).reject(status)
    t.match(await result, { kind: 'rejected', status })
    t.equal(refused.sip.invites.length, 1)
  }
  t.equal(rang.sip.invites.length, 1)
})

t.test('a target that refused is avoided for as long as it asked, within reason', async (t) => {
  const { place, sent, clock } = bench()
  const first = place()
  ;(await sent(1)).reject(503, { 'Retry-After': '60' })
  ;(await sent(2)).answer(dialog())
  await first
  const second = place()
  const straight = await sent(3)
  t.match(straight.uri, 'sip.example.com')
  straight.answer(dialog())
  await second
  clock.nowMs = 61_000
  const third = place()
  t.match((await sent(4)).uri, '192.0.2.1', 'then it is tried again')
  ;(await sent(4)).reject(503, { 'Retry-After': '999999' })
  ;(await sent(5)).answer(dialog())
  await third
  clock.nowMs += 301_000
  const fourth = place()
  t.match((await sent(6)).uri, '192.0.2.1', 'five minutes are enough')
  ;(await sent(6)).answer(dialog())
  await fourth
})

t.test('when all are known to be away they are tried all the same, and the last reason stands', async (t) => {
  const { place, sent, health, trunks } = bench()
  for (const trunk of trunks) for (const target of trunk.targets) health.avoid(trunk, target, 60_000)
  const placed = place()
  for (const number of [1, 2, 3]) (await sent(number)).reject(number === 3 ? 408 : 503)
  t.match(await placed, { kind: 'rejected', status: 408 })
})

t.test('a caller who cancels ends the search; nobody is called any more', async (t) => {
  const { place, sent, stop, sip } = bench()
  const placed = place()
  const first = await sent(1)
  stop.abort()
  t.match(await placed, { kind: 'rejected', status: 487 })
  t.ok(first.cancelled)
  t.match(await place(), { kind: 'rejected', status: 487 })
  t.equal(sip.invites.length, 1)
})

t.test('a trunk that nothing can be offered to ends the leg with the reason', async (t) => {
  const { place, sip } = bench()
  t.match(await place({ offerFor: () => Promise.resolve({ kind: 'failed', status: 488 }) }), {
    kind: 'rejected',
    status: 488,
  })
  t.match(await place({ trunks: [] }), { kind: 'rejected', status: 503 }, 'no trunk at all')
  t.equal(sip.invites.length, 0)
})
