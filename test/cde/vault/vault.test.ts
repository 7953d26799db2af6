import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { Acquirer } from '../../fakes/acquirer.ts'
import { testCard } from '../../fakes/test-card.ts'
import { GUARD, openTestVault, tokenOf } from './open-test-vault.ts'
import { tamper } from './test-store.ts'

t.test('start and stop are written down, and closing twice is one stop', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  await Promise.all([vault.close(), vault.close()])
  const again = await openTestVault(folder)
  const records = await again.store.auditAfter(0, 20)
  t.same(
    records.map(({ action }) => action),
    [
      'vault_start',
      ...['key_create', 'key_create', 'key_create', 'key_create'],
      'vault_stop',
      'checkpoint',
      'vault_start',
      ...['key_unwrap', 'key_unwrap', 'key_unwrap', 'key_unwrap'],
    ],
  )
  t.ok(records.every(({ role, origin, outcome }) => role === 'vault' && origin === 'local' && outcome === 'done'))
  t.match(await again.metrics.registry.metrics(), 'tonewall_vault_audit_intact{role="vault"} 1')
  t.ok(existsSync(join(folder, 'key-encryption-key')))
  await again.close()
})

t.test('a wrong key file stops the start, is written down, and makes no new key beside the old one', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  const token = tokenOf(await vault.tokenize(testCard()))
  await vault.close()
  const keyFile = join(folder, 'key-encryption-key')
  const key = readFileSync(keyFile)
  writeFileSync(keyFile, Buffer.alloc(32, 9))
  await t.rejects(openTestVault(folder), { name: 'KeyFailure' })
  writeFileSync(keyFile, key)
  const again = await openTestVault(folder)
  t.equal(tokenOf(await again.tokenize(testCard())), token)
  const failed = (await again.store.auditAfter(0, 100)).filter(({ outcome }) => outcome === 'key_failed')
  t.match(failed, [{ action: 'key_unwrap', merchant: 'shop' }])
  await again.close()
})

t.test('an audit record that was changed is an alarm at the next start', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  await vault.tokenize(testCard())
  await vault.close()
  await tamper(folder, "UPDATE audit SET role = 'desk' WHERE sequence = 2")
  const again = await openTestVault(folder)
  t.match(again.lines.join(''), /"code":"changed","sequence":2.*the audit record was changed/)
  t.match(await again.metrics.registry.metrics(), 'tonewall_vault_audit_intact{role="vault"} 0')
  t.match(await again.tokenize(testCard()), { type: 'tokenized' }, 'payments go on')
  await again.close()
})

t.test('requests under way are answered before the vault closes', async (t) => {
  const vault = await openTestVault(t.testdir())
  const replies = Array.from({ length: 20 }, () => vault.tokenize(testCard()))
  await vault.close()
  t.ok((await Promise.all(replies)).every((reply) => reply.type === 'tokenized'))
})

t.test('closing waits a limited time for an acquirer that is silent', { timeout: 20_000 }, async (t) => {
  const acquirer = await Acquirer.start()
  acquirer.answer = () => undefined
  const connector = { url: acquirer.url, authority: acquirer.authority, deadlineMs: 60_000 }
  const vault = await openTestVault(t.testdir(), { merchants: [{ name: 'shop', connector }], closeMs: 100 })
  const token = tokenOf(await vault.tokenize(testCard()))
  const charge = { type: 'authorize', merchant: 'shop', windowId: 'w', token, amountMinor: 1, currency: 'EUR' } as const
  const reply = vault.service.handle({ ...charge, idempotencyKey: 'charge-0001' }, Buffer.alloc(0), GUARD)
  await vault.close()
  t.match(await reply, { type: 'refused' })
  await acquirer.close()
})

t.test('a card code is gone after ten minutes without authorization', async (t) => {
  const clock = { nowMs: Date.now() }
  const acquirer = await Acquirer.start()
  const connector = { url: acquirer.url, authority: acquirer.authority }
  const vault = await openTestVault(t.testdir(), { merchants: [{ name: 'shop', connector }], nowMs: () => clock.nowMs })
  const token = tokenOf(
    await vault.service.handle(
      { type: 'tokenize', merchant: 'shop', windowId: 'w', idempotencyKey: 'window-1-card' },
      composeCardBody(testCard({ cardCode: '737' })),
      GUARD,
    ),
  )
  clock.nowMs += 600_000
  const charge = { type: 'authorize', merchant: 'shop', windowId: 'w', token, amountMinor: 1, currency: 'EUR' } as const
  await vault.service.handle({ ...charge, idempotencyKey: 'charge-0001' }, Buffer.alloc(0), GUARD)
  t.notMatch(acquirer.orders[0]?.body, '737')
  await vault.close()
  await acquirer.close()
})
