import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { startGuard } from '../../src/cde/guard/guard.ts'
import { decodeUlaw } from '../../src/cde/guard/g711.ts'
import { parseRtp } from '../../src/cde/guard/rtp-packet.ts'
import { verifyAudit, type AuditRecord } from '../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../src/cde/vault/audit-tail.ts'
import { openVault } from '../../src/cde/vault/vault.ts'
import { listenVault } from '../../src/cde/vault/vault-server.ts'
import { guidance } from '../../src/desk/page/sentences.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { callOf } from '../desk/fake-sbc.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { GuardedCall } from '../fakes/guarded-call.ts'
import { nameKey } from '../fakes/matched-filter.ts'
import { openMasker } from '../fakes/open-masker.ts'
import { payerStream, type PayerPacket } from '../fakes/payer-stream.ts'
import { audioPort } from '../fakes/rtp-party.ts'
import { startRtpengine } from '../fakes/rtpengine.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const KEYED = [4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
/** 4 * row + column, as the attacker numbers keys. */
const PLACE_OF = [13, 0, 1, 2, 4, 5, 6, 8, 9, 10]
const ON_MS = 60
const OFF_MS = 50
const LEAD_MS = 400
const FIRST_TIMESTAMP = 1_000_000
const LENGTH = (LEAD_MS + KEYED.length * (ON_MS + OFF_MS) + 400) * 8
const logger = createLogger({ role: 'test', level: 'silent' })

/** rtpengine-client prints what it did not expect. */
Object.assign(globalThis.console, { log: () => undefined })
t.setTimeout(60_000)

/** Each sample at its place in what the payer sent. */
function place(datagrams: readonly Buffer[]): Float64Array {
  const samples = new Float64Array(LENGTH)
  for (const datagram of datagrams) {
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'refused' || parsed.packet.ssrc !== 0x1234 || parsed.packet.payloadType !== 0) continue
    decodeUlaw(parsed.packet.payload).forEach((sample, index) => {
      samples[((parsed.packet.timestamp - FIRST_TIMESTAMP) | 0) + index] = sample
    })
  }
  return samples
}

function keysNamed(samples: Float64Array): number {
  return KEYED.filter((key, index) => {
    const press = { key, start: (LEAD_MS + index * (ON_MS + OFF_MS)) * 8, samples: ON_MS * 8 }
    const named = nameKey({ samples, press, offset: 0, against: 'nothing', keys: PLACE_OF })
    return named === PLACE_OF[key]
  }).length
}

async function send(call: GuardedCall, packets: readonly PayerPacket[]): Promise<void> {
  const port = audioPort(call.told.payer)
  const startedMs = performance.now()
  for (const { atMs, datagram } of packets) {
    await delay(Math.max(0, startedMs + atMs - performance.now()))
    call.payer.sendDatagram(datagram, port)
  }
}

t.test('gate and filter out of order: no key reaches the agent, and metric, audit chain and page say so', async (t) => {
  const vaultPort = await freePort()
  const engine = await startRtpengine()
  const metrics = new Metrics('guard')
  const guard = await startGuard({
    name: 'guard-0',
    merchant: 'shop',
    host: '127.0.0.1',
    port: 0,
    media: '127.0.0.1',
    windowsMax: 10,
    identity: sharedIdentity('guard'),
    vault: { host: '127.0.0.1', port: vaultPort },
    recordsWindows: false,
    logger,
    metrics,
    newMasker: openMasker({ obeysHard: true }),
  })
  const call = await GuardedCall.start({
    enginePort: engine.port,
    identity: sharedIdentity('sbc'),
    guardPorts: [guard.port],
  })
  t.teardown(async () => {
    await call.close()
    await guard.close()
    await engine.close()
  })
  t.same(await call.window.open(), { kind: 'open' })
  call.payer.stop()
  call.agent.records = true
  const packets = payerStream({
    keys: KEYED,
    transport: 'inband',
    startMs: 0,
    onMs: ON_MS,
    offMs: OFF_MS,
    leadMs: LEAD_MS,
    firstTimestamp: FIRST_TIMESTAMP,
    firstSequence: 30_000,
  })
  await send(call, packets)
  await eventually(() => call.window.payment.fields[0]?.state === 'accepted')

  const control = keysNamed(place(packets.map(({ datagram }) => datagram)))
  t.equal(control, KEYED.length, 'the attacker reads every key from what the payer sent')
  const loudest = place(call.agent.recorded).reduce(
    (most, sample, index) => (index > LEAD_MS * 8 ? Math.max(most, Math.abs(sample)) : most),
    0,
  )
  t.ok(loudest < 400, `nothing louder than noise is heard once the keys began: ${loudest}`)
  t.ok(call.agent.recorded.length > packets.length / 2, 'and the line did not fall silent')

  t.match(call.window.payment, { alarmed: true, masking: 'hard' })
  t.match(guidance(callOf('a', { payment: call.window.payment })).note, /Masking raised an alarm\. No key got through/)
  const text = await metrics.registry.metrics()
  t.match(text, 'tonewall_guard_masking_failed_total{cause="repeated",role="guard"} 1')
  t.match(text, 'tonewall_guard_alarms_total{code="sentinel",role="guard"} 1')
  t.match(text, 'tonewall_guard_audit_unsent{role="guard"} 1', 'the vault is away, so the report is kept')

  const vault = await openVault({
    dataDir: t.testdir(),
    merchants: [{ name: 'shop' }],
    logger,
    metrics: new Metrics('vault'),
  })
  const door = await listenVault({
    host: '127.0.0.1',
    port: vaultPort,
    identity: sharedIdentity('vault'),
    service: vault.service,
    orders: vault.orders,
    logger,
  })
  const reports: AuditRecord[] = []
  await eventually(async () => {
    reports.length = 0
    for await (const record of auditRecords(vault.store)) if (record.action === 'masking_failed') reports.push(record)
    return reports.length > 0
  }, 8_000)
  t.match(reports, [
    {
      role: 'guard',
      outcome: 'repeated',
      merchant: 'shop',
      windowId: call.window.windowId,
      resource: /^guard-0 2\d{3}-/,
    },
  ])
  t.match(await verifyAudit(auditRecords(vault.store)), { kind: 'intact' })
  await door.close()
  await vault.close()
})
