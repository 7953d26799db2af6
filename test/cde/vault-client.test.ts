import { join } from 'node:path'
import t from 'tap'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { VaultClient } from '../../src/cde/vault-client.ts'
import { parseVaultMessage, type Rinse, type VaultReply, type VaultRequest } from '../../src/cde/vault-protocol.ts'
import { startVault } from '../../src/cde/vault/vault.ts'
import { listenChannel, type ChannelListener } from '../../src/kit/channel.ts'
import { readIdentity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { testCard } from '../fakes/test-card.ts'

const folder = t.testdir()
const certificates = join(folder, 'certs')
makeDevelopmentAuthority(certificates)

const logger = createLogger({ role: 'vault', level: 'silent' })
const identity = readIdentity({ folder: certificates, role: 'guard' })
const vaultIdentity = readIdentity({ folder: certificates, role: 'vault' })
const REQUEST = { merchant: 'shop', windowId: 'w1', idempotencyKey: 'window-1-card' }

function start(port = 0) {
  return startVault({
    dataDir: join(folder, 'data'),
    host: '127.0.0.1',
    port,
    identity: vaultIdentity,
    merchants: [{ name: 'shop' }],
    logger,
    metrics: new Metrics('vault'),
  })
}

/** A vault that answers as it is told, and keeps what it was asked. */
async function fakeVault(
  answer: (count: number) => VaultReply | null,
): Promise<ChannelListener & { readonly asked: { request: VaultRequest; body: Buffer }[] }> {
  const asked: { request: VaultRequest; body: Buffer }[] = []
  const listener = await listenChannel<VaultReply, VaultRequest | Rinse>({
    host: '127.0.0.1',
    port: 0,
    identity: vaultIdentity,
    allow: ['guard'],
    logger,
    accept: () => ({
      parse: parseVaultMessage,
      message: (request, body, reply) => {
        if (request.type === 'rinse') return
        asked.push({ request, body: Buffer.from(body) })
        const told = answer(asked.length)
        if (told !== null) reply(told)
      },
      closed: () => undefined,
    }),
  })
  return { ...listener, asked }
}

t.test('a token comes back, and what the vault refuses is told by its code', async (t) => {
  const vault = await start()
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  const answer = await client.tokenize(REQUEST, testCard(), { deadlineMs: 5_000 })
  t.match(answer, { type: 'tokenized', lastFour: '1111', brand: 'visa' })
  const refused = await client.tokenize(REQUEST, testCard({ pan: '4111111111111112' }), { deadlineMs: 5_000 })
  t.same(refused, { type: 'refused', code: 'check_digit_failed' })
  const token = answer.type === 'tokenized' ? answer.token : ''
  const charge = { ...REQUEST, token, amountMinor: 1, currency: 'EUR' }
  t.same(await client.authorize(charge, { deadlineMs: 5_000 }), { type: 'refused', code: 'no_connector' })
  client.close()
  client.close()
  await vault.close()
})

t.test('the digits may be overwritten as soon as tokenize has returned its promise', async (t) => {
  const vault = await start()
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  const card = testCard()
  const answer = client.tokenize({ ...REQUEST, idempotencyKey: 'window-2-card' }, card, { deadlineMs: 5_000 })
  for (const field of [card.pan, card.expiry, card.cardCode]) field.fill(0)
  t.match(await answer, { type: 'tokenized', lastFour: '1111' })
  client.close()
  await vault.close()
})

t.test('a vault that stops and comes back answers the same request, and the guard is told of both', async (t) => {
  const changes: boolean[] = []
  const opened: (() => void)[] = []
  const vault = await start()
  const client = new VaultClient({
    host: '127.0.0.1',
    port: vault.port,
    identity,
    changed: (isOpen) => {
      changes.push(isOpen)
      if (isOpen) opened.shift()?.()
    },
  })
  const first = await client.tokenize(REQUEST, testCard(), { deadlineMs: 5_000 })
  await vault.close()
  const pending = client.tokenize(REQUEST, testCard(), { deadlineMs: 15_000 })
  const again = await start(vault.port)
  t.same(await pending, first)
  t.same(changes, [true, false, true])
  t.ok(client.isOpen)
  client.close()
  await again.close()
})

t.test('an answer that never comes is asked for again under the same key until the deadline', async (t) => {
  const vault = await fakeVault(() => null)
  const client = await new Promise<VaultClient>((resolve) => {
    const opening: VaultClient = new VaultClient({
      host: '127.0.0.1',
      port: vault.port,
      identity,
      changed: () => resolve(opening),
    })
  })
  const startedMs = performance.now()
  t.same(await client.tokenize(REQUEST, testCard(), { deadlineMs: 2_600 }), { type: 'unavailable' })
  t.ok(performance.now() - startedMs < 4_000)
  // A third question may just fit in before the deadline.
  t.ok(vault.asked.length === 2 || vault.asked.length === 3, String(vault.asked.length))
  for (const asked of vault.asked) t.same(asked, vault.asked[0])
  client.close()
  await vault.close()
})

t.test('busy and failed stores are worth another try, a refused card is not', async (t) => {
  const codes = ['busy', 'store_failed', 'closing', 'expired'] as const
  const vault = await fakeVault((count) => ({ type: 'refused', code: codes[count - 1] ?? 'malformed' }))
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  t.same(await client.tokenize(REQUEST, testCard(), { deadlineMs: 5_000 }), { type: 'refused', code: 'expired' })
  t.equal(vault.asked.length, 4)
  client.close()
  await vault.close()
})

t.test('an answer of the wrong kind is no answer', async (t) => {
  const vault = await fakeVault(() => ({ type: 'approved', approvalCode: 'X' }))
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  t.same(await client.tokenize(REQUEST, testCard(), { deadlineMs: 5_000 }), { type: 'unavailable' })
  client.close()
  await vault.close()
})

t.test('without a vault the answer is unavailable at the deadline, and at once when the client closes', async (t) => {
  const vault = await fakeVault(() => null)
  await vault.close()
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  t.same(await client.tokenize(REQUEST, testCard(), { deadlineMs: 200 }), { type: 'unavailable' })
  const pending = client.tokenize(REQUEST, testCard(), { deadlineMs: 60_000 })
  client.close()
  t.same(await pending, { type: 'unavailable' })
})

t.test('a report is recorded, refused for good, or to be sent again', async (t) => {
  const report = {
    event: 'masking_failed',
    cause: 'tone',
    merchant: 'shop',
    windowId: 'abcdefghijklmnop',
    instance: 'guard-1',
    occurredMs: Date.now(),
  } as const
  const vault = await start()
  const client = new VaultClient({ host: '127.0.0.1', port: vault.port, identity })
  t.equal(await client.report(report, { deadlineMs: 5_000 }), 'recorded')
  const elsewhere = { ...report, merchant: 'nobody' }
  t.equal(await client.report(elsewhere, { deadlineMs: 5_000 }), 'recorded', 'a failure is written down whosever it is')
  const opening = { ...elsewhere, event: 'window_opened', cause: 'capture' } as const
  t.equal(await client.report(opening, { deadlineMs: 5_000 }), 'unknown_merchant')
  t.equal(await client.report({ ...report, windowId: '' }, { deadlineMs: 5_000 }), 'refused')
  await vault.close()
  t.equal(await client.report(report, { deadlineMs: 100 }), 'unavailable')
  client.close()
})
