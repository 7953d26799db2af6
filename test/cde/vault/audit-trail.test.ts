import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { verifyFiles } from '../../../src/audit-verify.mjs'
import { parseVaultReply, parseVaultRequest } from '../../../src/cde/vault-protocol.ts'
import { openVault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { eventually } from '../../fakes/eventually.ts'
import { SipAuthority } from '../../fakes/sip-certificates.ts'
import { AuditCollector } from '../../fakes/audit-collector.ts'

const PEER = { role: 'guard', origin: 'guard.test' } as const
const OPENING = {
  type: 'report',
  event: 'window_opened',
  cause: 'capture',
  merchant: 'shop',
  windowId: 'abcdefghijklmnop',
  instance: 'guard-1',
  occurredMs: Date.UTC(2026, 10, 22),
} as const

t.test(
  'with a collector that is dead no window opens, everything else goes on, and all is shipped when it is back',
  async (t) => {
    const dataDir = t.testdir()
    const authority = new SipAuthority()
    const certificate = authority.leaf({ ip: ['127.0.0.1'] })
    const before = await AuditCollector.start(certificate)
    const { port } = before
    const metrics = new Metrics('vault')
    const vault = await openVault({
      dataDir,
      merchants: [{ name: 'shop' }],
      logger: createLogger({ role: 'vault', level: 'silent' }),
      metrics,
      audit: {
        folder: join(dataDir, 'audit'),
        syslog: { host: '127.0.0.1', port, authority: authority.certificate },
        timeServer: { host: '127.0.0.1', port: 1 },
        backlogMax: 5,
      },
    })
    t.teardown(() => vault.close())
    const report = (request: object) =>
      vault.service.handle(parseVaultRequest(request) ?? { type: 'malformed' }, Buffer.alloc(0), PEER)
    t.same(await report(OPENING), { type: 'recorded' })
    await eventually(() => before.lines.some((line) => line.includes('window_opened')))
    await before.close()
    for (let count = 0; count < 6; count += 1) await report({ ...OPENING, event: 'window_closed', cause: 'released' })
    const refused = { type: 'refused', code: 'audit_backlog' } as const
    await eventually(async () => (await report(OPENING)).type === 'refused')
    t.same(await report(OPENING), refused)
    t.same(parseVaultReply(refused), refused)
    t.match(await report({ ...OPENING, cause: 'mask_only' }), { type: 'recorded' }, 'masking is not held up')
    t.match(await metrics.registry.metrics(), /tonewall_vault_audit_unshipped\{sink="syslog",role="vault"\} [1-9]/)
    const after = await AuditCollector.start(certificate, { port })
    await eventually(async () => (await report(OPENING)).type === 'recorded', 8_000)
    await vault.close()
    const { sequence } = await headOf(join(dataDir, 'audit'))
    t.equal(new Set([...before.lines, ...after.lines]).size, sequence, 'none is missing')
    t.match([...before.lines, ...after.lines].join('\n'), '"action":"clock_checked"')
    await after.close()
  },
)

t.test('a full disk refuses windows, too', async (t) => {
  const dataDir = t.testdir()
  writeFileSync(join(dataDir, 'audit'), 'no folder: nothing can be written there')
  const vault = await openVault({
    dataDir,
    merchants: [{ name: 'shop' }],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    metrics: new Metrics('vault'),
    audit: { folder: join(dataDir, 'audit'), syslog: null, timeServer: null, backlogMax: 5 },
  })
  t.teardown(() => vault.close())
  await eventually(async () => (await vault.service.handle(OPENING, Buffer.alloc(0), PEER)).type === 'refused')
})

async function headOf(folder: string): Promise<{ readonly sequence: number }> {
  const day = new Date().toISOString().slice(0, 10)
  const verdict = await verifyFiles({ files: [join(folder, `audit-${day}.jsonl`)], live: true })
  return verdict.kind === 'intact' ? verdict.head : { sequence: -1 }
}
