import t from 'tap'
import type { AuditRecordToSend } from '../../../src/cde/guard/audit-outbox.ts'
import { WindowRecord } from '../../../src/cde/guard/window-record.ts'
import type { ReportAnswer } from '../../../src/cde/vault-client.ts'
import type { ReportRequest } from '../../../src/cde/vault-protocol.ts'

const WINDOW = { windowId: 'abcdefghij', merchant: 'shop' }

function setUp(answer: ReportAnswer) {
  const reports: Omit<ReportRequest, 'type'>[] = []
  const sent: AuditRecordToSend[] = []
  const record = new WindowRecord({
    vault: {
      report: (report) => {
        reports.push(report)
        return Promise.resolve(answer)
      },
    },
    outbox: { add: (entry) => sent.push(entry) > 0 },
    instance: 'guard-1',
    dateMs: () => 1_700_000_000_000.4,
  })
  return { record, reports, sent }
}

t.test('a window opens once the vault has written it down, and in no other case', async (t) => {
  const { record, reports } = setUp('recorded')
  t.equal(await record.opened({ ...WINDOW, hasForm: true }), 'recorded')
  t.same(reports, [
    { event: 'window_opened', cause: 'capture', ...WINDOW, instance: 'guard-1', occurredMs: 1_700_000_000_000 },
  ])
  for (const answer of ['refused', 'unavailable'] as const) {
    t.equal(await setUp(answer).record.opened({ ...WINDOW, hasForm: true }), 'not_recorded', answer)
  }
  t.equal(await setUp('unknown_merchant').record.opened({ ...WINDOW, hasForm: true }), 'unknown_merchant')
})

t.test('a window that is there for safety waits for nobody, and its end is told like any other', async (t) => {
  const { record, reports, sent } = setUp('unavailable')
  t.equal(await record.opened({ ...WINDOW, hasForm: false }), 'recorded')
  record.closed(WINDOW, 'abandoned')
  t.same(reports, [])
  t.match(sent, [
    { event: 'window_opened', cause: 'mask_only' },
    { event: 'window_closed', cause: 'abandoned' },
  ])
})
