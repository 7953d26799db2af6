import t from 'tap'
import { GuardHold } from '../../src/sbc/guard-hold.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard } from '../fakes/fake-guard.ts'
import { guardPool } from '../fakes/guard-pool.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const WINDOW_ID = 'abcdefghijklmnop'
const PREPARE = {
  type: 'window.prepare',
  masking: 'hard',
  lookAheadMs: 40,
  codec: 'PCMU',
  headers: 'same',
  form: null,
  merchant: 'shop',
  coolDownMs: 3_000,
} as const

/** A hold on a fake guard, and what the hold's owner was told. */
async function held(t: Tap) {
  const fake = await FakeGuard.start({ identity: sharedIdentity('guard') })
  const guards = guardPool({ identity: sharedIdentity('sbc'), ports: [fake.port] })
  t.teardown(async () => {
    guards.close()
    await fake.die()
  })
  await eventually(() => guards.upCount === 1)
  const guard = guards.choose('engine')
  if (guard === null) throw new Error('the guard has no room')
  const heard = { told: [] as string[], lostCount: 0 }
  const hold = new GuardHold({
    guard,
    windowId: WINDOW_ID,
    listener: {
      told: (message) => heard.told.push(message.type),
      lost: () => {
        heard.lostCount += 1
      },
    },
  })
  return { fake, hold, heard }
}
type Tap = { readonly teardown: (action: () => Promise<void>) => unknown }

t.test('orders go to the guard with the window’s id, and what it says of the window is heard', async (t) => {
  const { fake, hold, heard } = await held(t)
  t.match(await hold.ask(PREPARE), { type: 'prepared' })
  t.match(await hold.ask({ type: 'window.count' }), { type: 'counted' })
  t.match(await hold.ask({ type: 'window.drain' }), { type: 'drained' })
  for (const order of fake.orders) t.match(order, { windowId: WINDOW_ID })
  fake.tellAlarm()
  await eventually(() => heard.told.length === 1)
  t.same(heard, { told: ['alarm'], lostCount: 0 })
})

t.test('a refusal is an answer, silence is none', async (t) => {
  const { fake, hold, heard } = await held(t)
  await hold.ask(PREPARE)
  fake.isKeyDown = true
  t.same(await hold.ask({ type: 'window.drain' }), { type: 'refused', code: 'key_down' })
  fake.silentOn.add('window.count').add('window.drain')
  const startedMs = performance.now()
  t.equal(await hold.ask({ type: 'window.count' }), null)
  const shortMs = performance.now() - startedMs
  t.equal(await hold.ask({ type: 'window.drain' }), null)
  t.ok(performance.now() - startedMs - shortMs > shortMs, 'a drain is waited for longer')
  t.equal(heard.lostCount, 0, 'a guard that is slow is not lost')
})

t.test('a guard that does not know the window has lost it, once', async (t) => {
  const { fake, hold, heard } = await held(t)
  await hold.ask(PREPARE)
  fake.forgetWindows()
  t.same(await hold.ask({ type: 'window.count' }), { type: 'refused', code: 'unknown_window' })
  t.equal(heard.lostCount, 1)
  await fake.die()
  t.equal(await hold.ask({ type: 'window.count' }), null)
  t.equal(heard.lostCount, 1, 'the end of the connection is no news any more')
})

t.test('a released window is gone at the guard, and nothing is heard of it', async (t) => {
  const { fake, hold, heard } = await held(t)
  await hold.ask(PREPARE)
  hold.release()
  hold.release()
  await eventually(() => fake.windows.size === 0)
  fake.tellRaw({ type: 'safe-to-close', windowId: WINDOW_ID })
  await fake.waitFor('window.release', 2)
  t.equal(heard.lostCount, 0)
  // Its answer comes behind what was said before.
  await hold.ask({ type: 'window.count' })
  t.same(heard.told, [])
})
