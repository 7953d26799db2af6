import t from 'tap'
import type { Identity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { GuardPool, type WindowListener } from '../../src/sbc/guard-link.ts'
import { GuardService } from '../../src/sbc/guard-service.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard } from '../fakes/fake-guard.ts'
import { freePort } from '../fakes/free-port.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

const logger = createLogger({ role: 'test', level: 'silent' })
let sbc: Identity
let guardIdentity: Identity

t.before(() => {
  sbc = sharedIdentity('sbc')
  guardIdentity = sharedIdentity('guard')
})

function pool(
  guards: readonly { readonly name: string; readonly rtpengine: string; readonly port: number }[],
  service?: GuardService,
): GuardPool {
  return new GuardPool({
    guards: guards.map((guard) => ({
      ...guard,
      host: '127.0.0.1',
      media: '127.0.0.1',
      windowsMax: 10,
      metricsPort: 0,
    })),
    identity: sbc,
    owner: OWNER,
    logger,
    ...(service === undefined ? {} : { service }),
  })
}

function listener(): WindowListener & { readonly heard: string[]; lostCount: number } {
  const self = {
    heard: [] as string[],
    lostCount: 0,
    told: (message: { readonly type: string }) => void self.heard.push(message.type),
    lost: () => {
      self.lostCount += 1
    },
  }
  return self
}

const ID = 'abcdefghijklmnop'
const OWNER = 'bcdefghijklmnopq'
const release = (windowId: string) => ({ type: 'window.release', windowId }) as const

t.test('a guard is chosen only beside the rtpengine of the call', async (t) => {
  const guard = await FakeGuard.start({ identity: guardIdentity })
  const guards = pool([{ name: 'a', rtpengine: 'engine-a', port: guard.port }])
  t.equal(guards.choose('engine-a'), null, 'not before it is connected')
  await eventually(() => guards.upCount === 1)
  t.equal(guards.choose('engine-a')?.name, 'a')
  t.equal(guards.choose('engine-b'), null)
  guards.close()
  await guard.die()
})

t.test('a guard without room is passed over for the next', async (t) => {
  const full = await FakeGuard.start({ identity: guardIdentity, windowsMax: 1 })
  const free = await FakeGuard.start({ identity: guardIdentity })
  const guards = pool([
    { name: 'full', rtpengine: 'engine', port: full.port },
    { name: 'free', rtpengine: 'engine', port: free.port },
  ])
  await eventually(() => guards.upCount === 2)
  const link = guards.choose('engine')
  t.equal(link?.name, 'full')
  link?.adopt(ID, listener())
  t.equal(guards.choose('engine')?.name, 'free')
  link?.forget(ID)
  t.equal(guards.choose('engine')?.name, 'full')
  guards.close()
  await Promise.all([full.die(), free.die()])
})

t.test('of several guards with room the one with the fewest windows is chosen', async (t) => {
  const guards = [
    await FakeGuard.start({ identity: guardIdentity }),
    await FakeGuard.start({ identity: guardIdentity }),
  ]
  const both = pool(guards.map(({ port }, index) => ({ name: index === 0 ? 'a' : 'b', rtpengine: 'engine', port })))
  await eventually(() => both.upCount === 2)
  const first = both.choose('engine')
  t.equal(first?.name, 'a')
  first?.adopt(ID, listener())
  t.equal(both.choose('engine')?.name, 'b')
  first?.forget(ID)
  t.equal(both.choose('engine')?.name, 'a')
  both.close()
  await Promise.all(guards.map((guard) => guard.die()))
})

t.test('what a guard tells goes to the owner of the window, and to nobody when there is none', async (t) => {
  const guard = await FakeGuard.start({ identity: guardIdentity })
  const guards = pool([{ name: 'a', rtpengine: 'engine', port: guard.port }])
  await eventually(() => guards.upCount === 1)
  const owner = listener()
  guards.choose('engine')?.adopt(ID, owner)
  guard.tellRaw({ type: 'safe-to-close', windowId: 'zzzzzzzzzzzzzzzz' })
  guard.tellRaw({ type: 'alarm', windowId: ID, code: 'sentinel' })
  guard.tellRaw({ type: 'safe-to-close', windowId: ID })
  await eventually(() => owner.heard.length === 2)
  t.same(owner.heard, ['alarm', 'safe-to-close'])
  guards.close()
  await guard.die()
})

t.test('a guard that dies is told to each owner once, and takes windows again after it is back', async (t) => {
  const port = await freePort()
  const guard = await FakeGuard.start({ identity: guardIdentity, port })
  const guards = pool([{ name: 'a', rtpengine: 'engine', port }])
  await eventually(() => guards.upCount === 1)
  const owner = listener()
  const link = guards.choose('engine')
  link?.adopt(ID, owner)
  guard.silentOn.add('window.release')
  const pending = link?.ask(release(ID), { deadlineMs: 3_000 })
  await guard.die()
  t.same(await pending, { kind: 'closed' })
  await eventually(() => owner.lostCount === 1)
  t.equal(guards.choose('engine'), null)
  t.same(await link?.ask(release(ID), { deadlineMs: 3_000 }), { kind: 'closed' }, 'at once, not at the deadline')
  const again = await FakeGuard.start({ identity: guardIdentity, port })
  await eventually(() => guards.choose('engine') !== null)
  t.equal(owner.lostCount, 1)
  guards.close()
  await again.die()
})

t.test('windows of an earlier life are released when the guard says that it has them', async (t) => {
  const guard = await FakeGuard.start({ identity: guardIdentity, windowsOpen: [ID] })
  const guards = pool([{ name: 'a', rtpengine: 'engine', port: guard.port }])
  await guard.waitFor('window.release')
  t.same(guard.ordersOf('window.release'), [release(ID)])
  guards.close()
  await guard.die()
})

t.test('a process that proves another role than guard is not a guard', async (t) => {
  const wrongRole = await FakeGuard.start({ identity: sharedIdentity('desk') })
  const guards = pool([{ name: 'wrong', rtpengine: 'engine', port: wrongRole.port }])
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(guards.upCount, 0)
  t.equal(guards.choose('engine'), null)
  guards.close()
  await wrongRole.die()
})

t.end()

t.test('a new window waits for a self-test that is under way, and is told when all have failed theirs', async (t) => {
  const guard = await FakeGuard.start({ identity: guardIdentity })
  const service = new GuardService({ isTested: true })
  const guards = pool([{ name: 'a', rtpengine: 'engine', port: guard.port }], service)
  await eventually(() => guards.upCount === 1)
  t.equal(guards.choose('engine'), null)
  t.equal(guards.chooseAny('engine')?.name, 'a', 'good enough to mask a window that lost its guard')
  const waiting = guards.chooseWithin('engine')
  service.set('a', 'yes')
  t.equal(await waiting.then((link) => (typeof link === 'string' ? link : link.name)), 'a')
  t.ok(guards.mayMask('engine'))
  service.set('a', 'no')
  t.equal(await guards.chooseWithin('engine'), 'out_of_service')
  t.equal(guards.chooseAny('engine'), null, 'a guard that failed masks nothing')
  t.notOk(guards.mayMask('engine'))
  t.equal(await guards.chooseWithin('elsewhere'), 'guard_unavailable')
  guards.close()
  await guard.die()
})

t.test('a self-test takes no customer’s place', async (t) => {
  const guard = await FakeGuard.start({ identity: guardIdentity, windowsMax: 1 })
  const guards = pool([{ name: 'a', rtpengine: 'engine', port: guard.port }])
  await eventually(() => guards.upCount === 1)
  const link = guards.choose('engine')
  link?.beginTest(ID)
  link?.adopt(ID, listener())
  t.ok(link?.isIdle)
  t.equal(guards.choose('engine'), link)
  link?.endTest(ID)
  t.notOk(link?.isIdle)
  t.equal(guards.choose('engine'), null)
  guards.close()
  await guard.die()
})
