import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { targetHost, targetName, targetUri } from '../../src/sbc/target-address.ts'
import { TargetHealth } from '../../src/sbc/target-health.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

function bench(health: { readonly everySeconds: number; readonly downAfter: number; readonly upAfter: number } | null) {
  const [trunk] = new Trunks({
    trunks: [
      testTrunk({
        name: 'carrier',
        side: 'carrier',
        targets: [{ host: '192.0.2.1', port: 5_060 }, { host: 'sip.example.com' }],
        health,
      }),
    ],
    routes: [],
  }).all()
  if (trunk === undefined) throw new Error('no trunk')
  const lines: string[] = []
  const metrics = new Metrics('sbc')
  const clock = { nowMs: 0 }
  const logger = createLogger({ role: 'sbc', level: 'info', stream: { write: (line) => lines.push(line) } })
  const targets = new TargetHealth({ trunks: [trunk], logger, metrics, nowMs: () => clock.nowMs })
  return {
    trunk,
    targets,
    lines,
    metrics,
    clock,
    target: trunk.targets[0],
    other: trunk.targets[1] ?? trunk.targets[0],
  }
}

t.test('a target goes out after so many unanswered, and comes back after so many answered, in a row', async (t) => {
  const { trunk, target, other, targets, lines, metrics } = bench({ everySeconds: 20, downAfter: 3, upAfter: 2 })
  const ask = (...answers: readonly boolean[]): boolean => {
    for (const hasAnswered of answers) targets.asked(trunk, target, hasAnswered)
    return targets.isAvailable(trunk, target)
  }
  t.ok(ask(), 'at the start it is used')
  t.ok(ask(false, false, true, false, false), 'one answer between begins anew')
  t.notOk(ask(false))
  t.notOk(ask(true, false, true))
  t.ok(ask(true))
  t.ok(targets.isAvailable(trunk, other), 'the other one was never meant')
  t.equal(lines.length, 2)
  t.match(lines[0], /"code":"target_down".*"trunk":"carrier".*"address":"udp:192.0.2.1:5060"/)
  t.match(lines[1], /"code":"target_up"/)
  ask(false, false, false)
  t.match(await metrics.registry.metrics(), /target_up{trunk="carrier",target="udp:192.0.2.1:5060",role="sbc"} 0/)
})

t.test('a target that refused calls is avoided for a while, and nobody for longer than five minutes', (t) => {
  const { trunk, target, targets, clock } = bench(null)
  targets.avoid(trunk, target, 5_000)
  t.notOk(targets.isAvailable(trunk, target))
  clock.nowMs = 5_000
  t.ok(targets.isAvailable(trunk, target))
  targets.avoid(trunk, target, 3_600_000)
  clock.nowMs += 300_000
  t.ok(targets.isAvailable(trunk, target))
  targets.asked(trunk, target, false)
  t.ok(targets.isAvailable(trunk, target), 'a trunk without health is not judged')
  t.end()
})

t.test('a target is written as a URI of its transport, with what DNS has to find left out', (t) => {
  const target = { host: '2001:db8::1', port: 5_061, transport: 'tls', priority: 1, weight: 1 } as const
  t.equal(targetUri(target, '4711'), 'sip:4711@[2001:db8::1]:5061;transport=tls')
  t.equal(targetUri({ ...target, host: 'sip.example.com', port: null }, null), 'sip:sip.example.com;transport=tls')
  t.equal(targetHost({ host: '192.0.2.1', port: null }), '192.0.2.1')
  t.equal(targetName(target), 'tls:[2001:db8::1]:5061')
  t.end()
})
