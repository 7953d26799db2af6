import t from 'tap'
import { AuditOutbox } from '../../../src/cde/guard/audit-outbox.ts'
import type { ReportRequest } from '../../../src/cde/vault-protocol.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { eventually } from '../../fakes/eventually.ts'

const RECORD = { event: 'masking_failed', cause: 'tone', merchant: 'shop', windowId: 'abcdefghijklmnop' } as const

/** A vault that answers as it is told, and keeps what it recorded. */
function outbox() {
  const vault = {
    answer: 'unavailable' as 'recorded' | 'refused' | 'unknown_merchant' | 'unavailable',
    recorded: [] as Omit<ReportRequest, 'type'>[],
    asked: 0,
    report(request: Omit<ReportRequest, 'type'>) {
      vault.asked += 1
      if (vault.answer === 'recorded') vault.recorded.push(request)
      return Promise.resolve(vault.answer)
    },
  }
  const metrics = new Metrics('guard')
  const box = new AuditOutbox({
    vault,
    instance: 'guard-1',
    dateMs: () => 1_800_000_000_000 + vault.asked,
    logger: createLogger({ role: 'guard', level: 'silent' }),
    metrics,
    againMs: 5,
  })
  return { vault, box, metrics }
}

t.test('what the vault does not take now is kept, and sent in order when it is back', async (t) => {
  const { vault, box, metrics } = outbox()
  t.ok(box.add(RECORD))
  t.ok(box.add({ ...RECORD, cause: 'hard_not_obeyed' }))
  await eventually(() => vault.asked >= 3)
  t.match(await metrics.registry.metrics(), 'tonewall_guard_audit_unsent{role="guard"} 2')
  vault.answer = 'recorded'
  await eventually(() => vault.recorded.length === 2)
  t.match(vault.recorded, [
    { cause: 'tone', instance: 'guard-1', occurredMs: 1_800_000_000_000 },
    { cause: 'hard_not_obeyed' },
  ])
  t.match(await metrics.registry.metrics(), 'tonewall_guard_audit_unsent{role="guard"} 0')
  box.close()
})

t.test('what the vault refuses for good is counted and does not hold up the rest', async (t) => {
  const { vault, box, metrics } = outbox()
  vault.answer = 'refused'
  box.add(RECORD)
  await eventually(() => vault.asked === 1)
  vault.answer = 'recorded'
  box.add({ ...RECORD, cause: 'header' })
  await eventually(() => vault.recorded.length === 1)
  t.match(vault.recorded, [{ cause: 'header' }])
  t.match(await metrics.registry.metrics(), 'tonewall_guard_audit_lost_total{role="guard"} 1')
  box.close()
})

t.test('there is a limit: the first are kept, the rest counted', async (t) => {
  const { box, metrics } = outbox()
  const taken = Array.from({ length: 2_050 }, () => box.add(RECORD)).filter((isTaken) => isTaken).length
  t.equal(taken, 2_000)
  t.match(await metrics.registry.metrics(), 'tonewall_guard_audit_lost_total{role="guard"} 50')
  box.close()
  box.close()
  t.notOk(box.add(RECORD), 'nothing is taken after the end')
})
