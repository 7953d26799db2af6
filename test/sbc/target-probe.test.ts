import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import type { RequestResult } from '../../src/sbc/sip-server.ts'
import { TargetHealth } from '../../src/sbc/target-health.ts'
import { TargetProbe } from '../../src/sbc/target-probe.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeMessage } from '../fakes/fake-sip.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const HEALTH = { everySeconds: 0.02, downAfter: 1, upAfter: 1 }

function bench(answer: (uri: string) => Promise<RequestResult>, targets = 1) {
  const trunks = new Trunks({
    trunks: [
      testTrunk({
        name: 'asked',
        side: 'carrier',
        targets: Array.from({ length: targets }, (_, index) => ({ host: '192.0.2.1', port: 5_000 + index })),
        health: HEALTH,
      }),
      testTrunk({ name: 'not-asked', side: 'carrier', target: { host: '192.0.2.2' }, health: null }),
    ],
    routes: [],
  }).all()
  const health = new TargetHealth({
    trunks,
    logger: createLogger({ role: 'test', level: 'silent' }),
    metrics: new Metrics('sbc'),
    nowMs: () => 0,
  })
  const asked: string[] = []
  const state = { most: 0, now: 0 }
  const probe = new TargetProbe({
    trunks,
    health,
    secrets: { credentials: () => null, gate: () => null },
    chance: () => 0,
    sip: {
      request: async (uri) => {
        asked.push(uri)
        state.now += 1
        state.most = Math.max(state.most, state.now)
        const result = await answer(uri)
        state.now -= 1
        return result
      },
    },
  })
  const [trunk] = trunks
  if (trunk === undefined) throw new Error('no trunk')
  return { probe, asked, state, isUp: () => health.isAvailable(trunk, trunk.targets[0]) }
}

const said = (status: number): RequestResult => ({ kind: 'answered', status, response: new FakeMessage() })

t.test('any answer says that somebody is there, except 503 and 408; silence says the opposite', async (t) => {
  let result: RequestResult = said(200)
  const { probe, asked, isUp } = bench(() => Promise.resolve(result))
  t.teardown(() => probe.close())
  const after = async (next: RequestResult): Promise<boolean> => {
    result = next
    const count = asked.length
    await eventually(() => asked.length > count + 1)
    return isUp()
  }
  for (const status of [503, 408]) {
    t.notOk(await after(said(status)), String(status))
    t.ok(await after(said(200)))
  }
  for (const status of [404, 405, 401, 501, 480]) t.ok(await after(said(status)), String(status))
  t.notOk(await after({ kind: 'silent' }))
  t.notOk(await after({ kind: 'not_sent' }), 'what was not sent says nothing')
  t.ok(await after(said(403)))
  t.notOk(await after(said(503)))
  t.ok(
    asked.every((uri) => uri === 'sip:192.0.2.1:5000;transport=udp'),
    'and the trunk without health is not asked',
  )
})

t.test('many targets are asked a few at a time, and nobody after the end', async (t) => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => (release = resolve))
  const { probe, asked, state } = bench(async () => {
    await held
    return said(200)
  }, 30)
  await eventually(() => asked.length === 16)
  release()
  await eventually(() => new Set(asked).size === 30)
  t.ok(state.most <= 16, 'sixteen at most')
  probe.close()
  probe.close()
  await eventually(() => state.now === 0)
  const count = asked.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(asked.length, count)
})
