import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { AuditReports, type ReportingGuard } from '../../src/sbc/audit-reports.ts'
import type { SbcToGuard } from '../../src/wire/guard-protocol.ts'
import { eventually } from '../fakes/eventually.ts'

const ACT = { event: 'login_failed', cause: 'token_refused', by: 'desk' } as const

function guard(state: { isUp: boolean; takes: boolean }): ReportingGuard & { readonly taken: SbcToGuard[] } {
  const taken: SbcToGuard[] = []
  return {
    taken,
    get isUp() {
      return state.isUp
    },
    ask: (message) => {
      if (!state.takes) return Promise.resolve({ kind: 'timeout' })
      taken.push(message)
      return Promise.resolve({ kind: 'reply', message: { type: 'ok' }, body: Buffer.alloc(0) })
    },
  }
}

function setUp(guards: readonly ReportingGuard[]) {
  const lines: string[] = []
  const logger = createLogger({ role: 'sbc', level: 'debug', stream: { write: (line) => lines.push(line) } })
  const dateMs = () => 1_700_000_000_000
  return { lines, reports: new AuditReports({ guards: () => guards, logger, dateMs, againMs: 5 }) }
}

t.test('an act is told to the first guard that takes it, once', async (t) => {
  const guards = [
    guard({ isUp: false, takes: true }),
    guard({ isUp: true, takes: false }),
    guard({ isUp: true, takes: true }),
  ]
  const { reports } = setUp(guards)
  reports.add(ACT)
  reports.add({ event: 'administrator_act', cause: 'drain', by: 'operator' })
  await eventually(() => guards[2]?.taken.length === 2)
  t.match(guards[2]?.taken, [
    { type: 'audit.report', event: 'login_failed', occurredMs: 1_700_000_000_000 },
    { event: 'administrator_act', cause: 'drain', by: 'operator' },
  ])
  t.same(guards[0]?.taken, [])
  reports.close()
})

t.test('while no guard is there it is kept, and what is lost is told', async (t) => {
  const state = { isUp: false, takes: true }
  const away = guard(state)
  const { reports, lines } = setUp([away])
  for (let count = 0; count < 1_001; count += 1) reports.add(ACT)
  t.equal(lines.filter((line) => line.includes('report_lost')).length, 1, 'there is room for a thousand')
  state.isUp = true
  await eventually(() => away.taken.length === 1_000)
  state.isUp = false
  reports.add(ACT)
  reports.close()
  reports.close()
  t.equal(lines.filter((line) => line.includes('report_lost')).length, 2)
  reports.add(ACT)
  t.equal(away.taken.length, 1_000)
})
