import { join } from 'node:path'
import t from 'tap'
import { makeDevelopmentAuthority } from '../../../certs/development-authority.ts'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { parseVaultReply, type VaultReply } from '../../../src/cde/vault-protocol.ts'
import { startVault, type VaultOptions } from '../../../src/cde/vault/vault.ts'
import { ChannelClient } from '../../../src/kit/channel.ts'
import { readIdentity, type Role } from '../../../src/kit/identity.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'
import { eventually } from '../../fakes/eventually.ts'
import { SipAuthority } from '../../fakes/sip-certificates.ts'
import { testCard } from '../../fakes/test-card.ts'

const folder = t.testdir()
const certificates = join(folder, 'certs')
makeDevelopmentAuthority(certificates)

const identityOf = (role: Role) => readIdentity({ folder: certificates, role })
const REQUEST = { type: 'tokenize', merchant: 'shop', windowId: 'w1', idempotencyKey: 'window-1-card' }

function start(port = 0, more: Pick<VaultOptions, 'api'> = {}) {
  return startVault({
    dataDir: join(folder, 'data'),
    host: '127.0.0.1',
    port,
    identity: identityOf('vault'),
    merchants: [{ name: 'shop' }],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    metrics: new Metrics('vault'),
    ...more,
  })
}

/** A channel that says whatever it is told; resolves when it is open, or after it was closed by the vault. */
function connect(role: Role, port: number): Promise<ChannelClient<unknown, VaultReply>> {
  return new Promise((resolve) => {
    const channel: ChannelClient<unknown, VaultReply> = new ChannelClient<unknown, VaultReply>({
      host: '127.0.0.1',
      port,
      identity: identityOf(role),
      peer: 'vault',
      parse: parseVaultReply,
      message: () => undefined,
      opened: () => resolve(channel),
    })
  })
}

t.test('a guard gets its token over the channel', async (t) => {
  const vault = await start()
  const guard = await connect('guard', vault.port)
  const answer = await guard.request(REQUEST, { deadlineMs: 5_000, body: composeCardBody(testCard()) })
  t.match(answer, {
    kind: 'reply',
    message: { type: 'tokenized', lastFour: '1111', brand: 'visa' },
    body: { length: 0 },
  })
  guard.close()
  await vault.close()
  await vault.close()
})

t.test('a vault with an API has two doors, and counts who is turned away at either', async (t) => {
  const vault = await start(0, { api: { host: '127.0.0.1', port: 0, clients: [] } })
  t.ok(vault.port > 0 && (vault.apiPort ?? 0) > 0)
  t.not(vault.port, vault.apiPort)
  await vault.close()
})

t.test('what is not understood is refused, and the channel stays', async (t) => {
  const vault = await start()
  const guard = await connect('guard', vault.port)
  for (const message of [
    null,
    { type: 'dump' },
    { ...REQUEST, pan: [4] },
    { ...REQUEST, merchant: "'; DROP TABLE cards; --" },
  ]) {
    const answer = await guard.request(message, { deadlineMs: 5_000, body: composeCardBody(testCard()) })
    t.match(answer, { kind: 'reply', message: { type: 'refused', code: 'malformed' } })
  }
  const large = await guard.request(REQUEST, { deadlineMs: 5_000, body: Buffer.alloc(100_000, 1) })
  t.match(large, { message: { type: 'refused', code: 'malformed' } })
  t.match(await guard.request(REQUEST, { deadlineMs: 5_000, body: composeCardBody(testCard()) }), {
    message: { type: 'tokenized' },
  })
  guard.close()
  await vault.close()
})

t.test('another role gets no answer at all', async (t) => {
  const vault = await start()
  const desk = await connect('desk', vault.port)
  const answer = await desk.request(REQUEST, { deadlineMs: 2_000, body: composeCardBody(testCard()) })
  t.equal(answer.kind, 'closed')
  desk.close()
  await vault.close()
})

t.test('a port that is taken is the system error, and leaves nothing open', async (t) => {
  const vault = await start()
  await t.rejects(start(vault.port), { code: 'EADDRINUSE' })
  await vault.close()
})

t.test('who is turned away at the door is in the audit record, with address and reason', async (t) => {
  const vault = await start()
  const authority = new SipAuthority()
  const stranger = { ...authority.leaf({ dns: ['guard.tonewall.internal'] }), authority: identityOf('guard').authority }
  for (const identity of [identityOf('desk'), { role: 'guard' as const, ...stranger }]) {
    const refused = new ChannelClient<unknown, VaultReply>({
      host: '127.0.0.1',
      port: vault.port,
      identity,
      peer: 'vault',
      parse: parseVaultReply,
      message: () => undefined,
    })
    t.teardown(() => refused.close())
  }
  const outcomes = async (): Promise<readonly string[]> => {
    const store = openSqliteStore({ file: join(folder, 'data', 'vault.sqlite'), nowMs: Date.now })
    const found = (await store.auditAfter(0, 1_000)).filter(({ action }) => action === 'peer_refused')
    await store.close()
    return [
      ...new Set(found.map(({ role, outcome, origin, resource }) => [role, outcome, origin, resource].join(' '))),
    ].sort()
  }
  await eventually(async () => (await outcomes()).length === 2, 10_000)
  t.same(await outcomes(), ['none tls_refused 127.0.0.1 vault x1', 'none wrong_role 127.0.0.1 vault x1'])
  await vault.close()
})
