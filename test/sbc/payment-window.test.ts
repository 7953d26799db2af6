import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Identity } from '../../src/kit/identity.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeGuard, MASK_MARK } from '../fakes/fake-guard.ts'
import { freePort } from '../fakes/free-port.ts'
import { GuardedCall, PAYER_MARK, TEST_FORM } from '../fakes/guarded-call.ts'
import { isCloseOffer } from '../fakes/ng-proxy.ts'
import { startRtpengine, type Rtpengine } from '../fakes/rtpengine.ts'
import { sharedIdentity } from '../fakes/shared-certificates.ts'

Object.assign(globalThis.console, { log: () => undefined })
const TOKEN = 'tok_abcdefghijklmnopqrst1_4242'

let engine: Rtpengine
let sbcIdentity: Identity
let guardIdentity: Identity

t.before(async () => {
  engine = await startRtpengine()
  sbcIdentity = sharedIdentity('sbc')
  guardIdentity = sharedIdentity('guard')
})
t.after(() => engine.close())

type Stage = { readonly call: GuardedCall; readonly guards: readonly FakeGuard[]; readonly guard: FakeGuard }

/** Runs a test on a call with so many guards, and looks at the end that no guard keeps a window and no call is left. */
async function onCall(t: Test, guardCount: number, run: (stage: Stage) => Promise<void>): Promise<void> {
  const guards = await Promise.all(
    Array.from({ length: guardCount }, () => FakeGuard.start({ identity: guardIdentity })),
  )
  const call = await GuardedCall.start({
    enginePort: engine.port,
    identity: sbcIdentity,
    guardPorts: guards.map((guard) => guard.port),
  })
  const guard = guards[0]
  if (guard === undefined) throw new Error('a call needs a guard')
  try {
    await run({ call, guards, guard })
    call.window.end('call_ended')
    await eventually(() => guards.every((one) => one.windows.size === 0)).catch(() => undefined)
    t.equal(guards.map((one) => one.windows.size).join(), guards.map(() => 0).join(), 'no window is left at a guard')
  } finally {
    await call.close()
    await Promise.all(guards.map((one) => one.die()))
  }
}

async function open(stage: Stage): Promise<void> {
  const opened = await stage.call.window.open()
  if (opened.kind !== 'open') throw new Error('the window did not open')
  stage.call.maskedFromNow()
}

t.test('a window opens when it is proven, and closes when the guard says that it is safe', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    t.same(await call.window.open(), { kind: 'open' })
    call.maskedFromNow()
    t.match(call.window.payment, { state: 'capturing', failure: null })
    t.ok((call.window.payment.openMs ?? 9_999) < 500)
    t.same(
      guard.orders.map((order) => order.type).filter((type) => type !== 'window.count'),
      ['window.prepare', 'window.connect', 'window.capture'],
      'keys count only after the proof',
    )
    t.match(guard.ordersOf('window.prepare')[0], {
      masking: 'talk-through',
      codec: 'PCMU',
      headers: 'same',
      merchant: 'shop',
      coolDownMs: TEST_FORM.coolDownMs,
      form: { fields: ['card-number', 'expiry'] },
    })
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    guard.tellProgress({ state: 'storing' })
    await call.reaches('storing')
    guard.tellProgress({ state: 'finished', token: TOKEN, lastFour: '4242', brand: 'visa' })
    await call.reaches('cooling')
    t.notOk(call.leaked, 'masked up to now')
    guard.tellSafe()
    await call.reaches('closed')
    t.match(call.window.payment, { token: TOKEN, lastFour: '4242', failure: null })
    t.ok(await call.isDirect())
    await call.agent.hears((heard) => heard.mark === PAYER_MARK)
    t.same(call.states, ['opening', 'capturing', 'storing', 'cooling', 'closed'])
  }),
)

t.test('without payer RTP there is no proof: the guard is taken out again and the agent is told', (t) =>
  onCall(t, 1, async ({ call, guard }) => {
    call.payer.stop()
    const startedMs = performance.now()
    t.same(await call.window.open(), { kind: 'refused', code: 'not_proven' })
    const tookMs = performance.now() - startedMs
    t.ok(tookMs >= 490 && tookMs < 900, 'after half a second')
    t.match(call.window.payment, { state: 'closed', failure: 'not_proven' })
    t.ok(await call.isDirect())
    t.equal(guard.ordersOf('window.capture').length, 0)
    call.payer.sendTo(call.told.payer)
    await call.agent.hears((heard) => heard.mark === PAYER_MARK)
  }),
)

t.test('a window that is not proven stays masked while a key is down, and goes when it is safe', (t) =>
  onCall(t, 1, async ({ call, guard }) => {
    guard.isKeyDown = true
    guard.silentOn.add('window.capture')
    t.same(await call.window.open(), { kind: 'refused', code: 'not_proven' })
    call.maskedFromNow()
    t.match(call.window.payment, { state: 'held', failure: 'not_proven' })
    t.equal(guard.ordersOf('window.cancel').length, 1, 'the guard takes no keys any more')
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    t.notOk(call.leaked)
    guard.isKeyDown = false
    guard.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('no guard, a guard that refuses and one that is silent leave the call as it was', async (t) => {
  await onCall(t, 1, async ({ call, guard }) => {
    guard.refuses.set('window.prepare', 'windows_exhausted')
    t.same(await call.window.open(), { kind: 'refused', code: 'guard_unavailable' })
    t.match(call.window.payment, { state: 'closed', failure: 'guard_unavailable' })
    t.ok(await call.isDirect())
  })
  await onCall(t, 1, async ({ call, guard }) => {
    guard.silentOn.add('window.prepare')
    const startedMs = performance.now()
    t.same(await call.window.open(), { kind: 'refused', code: 'guard_unavailable' })
    t.ok(performance.now() - startedMs < 700)
    t.ok(await call.isDirect())
  })
  await onCall(t, 1, async ({ call, guard }) => {
    await guard.die()
    await eventually(() => call.guards.upCount === 0)
    t.same(await call.window.open(), { kind: 'refused', code: 'guard_unavailable' })
    t.ok(await call.isDirect())
  })
})

t.test('a window that cannot be written down is not opened, the guard goes, and the page says why', (t) =>
  onCall(t, 1, async ({ call, guard }) => {
    guard.refuses.set('window.capture', 'not_recorded')
    t.same(await call.window.open(), { kind: 'refused', code: 'not_recorded' })
    t.match(call.window.payment, { failure: 'not_recorded' })
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('a guard that does not connect or capture is taken out again', async (t) => {
  for (const type of ['window.connect', 'window.capture'] as const) {
    await onCall(t, 1, async ({ call, guard }) => {
      guard.refuses.set(type, 'wrong_state')
      t.equal((await call.window.open()).kind, 'refused', type)
      t.equal(call.window.payment.state, 'closed')
      t.ok(await call.isDirect())
    })
  }
})

t.test('an rtpengine that does not take the guard in leaves a masked call that recovers by itself', (t) =>
  onCall(t, 1, async ({ call, guard }) => {
    call.proxy.loses = ({ direction, command }) => direction === 'request' && command !== 'query'
    t.same(await call.window.open(), { kind: 'refused', code: 'media_unavailable' })
    t.match(call.window.payment, { state: 'held', failure: 'media_unavailable' })
    call.proxy.loses = () => false
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    guard.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
    await call.agent.hears((heard) => heard.mark === PAYER_MARK)
  }),
)

t.test('a re-INVITE that keeps the media busy makes the order fail in half a second, and changes nothing', (t) =>
  onCall(t, 1, async ({ call, guard }) => {
    let done = (): void => undefined
    void call.exclusive(() => new Promise<void>((resolve) => (done = resolve)))
    const startedMs = performance.now()
    t.same(await call.window.open(), { kind: 'refused', code: 'media_unavailable' })
    t.ok(performance.now() - startedMs < 700)
    done()
    await call.exclusive(() => Promise.resolve())
    t.equal(guard.ordersOf('window.prepare').length, 0)
    t.ok(await call.isDirect())
  }),
)

for (const state of ['capturing', 'storing', 'cooling'] as const) {
  t.test(
    `a guard that dies while ${state} is replaced, masked all the time, and the call closes when it is safe`,
    (t) =>
      onCall(t, 2, async (stage) => {
        const { call, guard, guards } = stage
        await open(stage)
        if (state === 'storing') guard.tellProgress({ state: 'storing' })
        if (state === 'cooling') guard.tellProgress({ state: 'finished', token: TOKEN, lastFour: '4242' })
        await call.reaches(state)
        await guard.die()
        await call.reaches('held')
        t.equal(call.window.payment.failure, state === 'cooling' ? null : 'guard_lost')
        const second = guards[1]
        await second?.waitFor('window.connect')
        t.match(
          second?.ordersOf('window.prepare')[0],
          { form: null, masking: 'hard' },
          'it masks all and captures nothing',
        )
        await call.agent.hears((heard) => heard.mark === MASK_MARK)
        await second?.waitFor('window.resume')
        t.equal(call.window.payment.state, 'held')
        t.notOk(call.leaked)
        second?.tellSafe()
        await call.reaches('closed')
        t.ok(await call.isDirect())
        t.equal(call.window.payment.token, state === 'cooling' ? TOKEN : null)
      }),
  )
}

t.test('a guard that dies while opening, before or after it stood between', async (t) => {
  await onCall(t, 1, async ({ call, guard }) => {
    guard.silentOn.add('window.prepare')
    const opening = call.window.open()
    await guard.waitFor('window.prepare')
    await guard.die()
    t.same(await opening, { kind: 'refused', code: 'guard_unavailable' })
    t.equal(call.window.payment.state, 'closed', 'it never stood between, so nothing is held')
    t.ok(await call.isDirect())
  })
  await onCall(t, 2, async ({ call, guard, guards }) => {
    guard.silentOn.add('window.connect')
    const opening = call.window.open()
    await guard.waitFor('window.connect')
    call.maskedFromNow()
    await guard.die()
    t.equal((await opening).kind, 'refused')
    t.equal(call.window.payment.state, 'held')
    await guards[1]?.waitFor('window.resume')
    t.notOk(call.leaked)
    guards[1]?.tellSafe()
    await call.reaches('closed')
  })
})

t.test('with no other guard the call stays masked until one is back', async (t) => {
  const port = await freePort()
  const first = await FakeGuard.start({ identity: guardIdentity, port })
  const call = await GuardedCall.start({ enginePort: engine.port, identity: sbcIdentity, guardPorts: [port] })
  t.equal((await call.window.open()).kind, 'open')
  call.maskedFromNow()
  await first.die()
  await call.reaches('held')
  await delay(600)
  t.equal(call.window.payment.state, 'held')
  t.notOk(call.leaked, 'the agent hears nothing of the payer')
  const second = await FakeGuard.start({ identity: guardIdentity, port })
  await second.waitFor('window.resume')
  second.tellSafe()
  await call.reaches('closed')
  t.ok(await call.isDirect())
  await call.close()
  await second.die()
})

t.test('a second guard that dies too is replaced by a third, with one recovery at a time', (t) =>
  onCall(t, 3, async (stage) => {
    const { call, guard, guards } = stage
    await open(stage)
    const [, second, third] = guards
    second?.silentOn.add('window.connect')
    await guard.die()
    await second?.waitFor('window.connect')
    await second?.die()
    await third?.waitFor('window.resume')
    t.equal(third?.ordersOf('window.prepare').length, 1)
    t.notOk(call.leaked)
    third?.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('a guard that has forgotten the window counts as lost', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    guard.forgetWindows()
    await call.window.clear(null)
    await call.reaches('held')
    await guard.waitFor('window.prepare', 2)
    await guard.waitFor('window.resume')
    t.notOk(call.leaked)
    guard.tellSafe()
    await call.reaches('closed')
  }),
)

t.test('a guard that took over is not believed before it has heard the payer for the cool-down', (t) =>
  onCall(t, 2, async (stage) => {
    const { call, guard, guards } = stage
    const second = guards[1]
    await open(stage)
    call.payer.stop()
    await guard.die()
    await second?.waitFor('window.connect')
    // It hears nothing of the payer, so nothing of a key either, and says that it is safe.
    second?.tellSafe()
    await delay(TEST_FORM.coolDownMs + 300)
    t.equal(call.window.payment.state, 'held')
    t.equal(second?.ordersOf('window.drain').length, 0)
    call.payer.sendTo(call.told.payer)
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    const heardMs = performance.now()
    await call.reaches('closed')
    t.ok(performance.now() - heardMs >= TEST_FORM.coolDownMs - 300)
  }),
)

t.test('a drain that is refused since a key is down keeps the mask, and the next word of the guard closes', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    guard.tellProgress({ state: 'finished', token: TOKEN, lastFour: '4242' })
    guard.isKeyDown = true
    guard.tellSafe()
    await guard.waitFor('window.drain')
    await delay(100)
    t.equal(call.window.payment.state, 'cooling')
    t.notOk(call.leaked)
    t.notOk(call.proxy.requests.some(isCloseOffer), 'no close offer while a key is down')
    guard.isKeyDown = false
    guard.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('a drain that is not answered is taken back, so that the guard does not stay silent', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    guard.tellProgress({ state: 'cancelled' })
    guard.silentOn.add('window.drain')
    guard.tellSafe()
    await guard.waitFor('window.resume')
    t.notOk(call.leaked)
    guard.silentOn.clear()
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('a close offer that fails puts the guard back, and the close is tried again when it is safe again', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    guard.tellProgress({ state: 'finished', token: TOKEN, lastFour: '4242' })
    call.proxy.loses = (seen) => seen.direction === 'request' && isCloseOffer(seen)
    guard.tellSafe()
    await guard.waitFor('window.resume')
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    t.equal(call.window.payment.state, 'held')
    t.notOk(call.leaked)
    call.proxy.loses = () => false
    await call.reaches('closed')
    t.match(call.window.payment, { token: TOKEN, failure: null })
    t.ok(await call.isDirect())
  }),
)

t.test('a close that fails after its offer puts the guard back at once', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    guard.tellProgress({ state: 'cancelled' })
    const parties = (text: string) => text.includes('8:from-tag5:payer') && text.includes('6:to-tag5:agent')
    call.proxy.loses = ({ direction, command, text }) =>
      direction === 'request' && command === 'answer' && parties(text)
    guard.tellSafe()
    await guard.waitFor('window.resume')
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    call.maskedFromNow()
    await call.agent.hears((heard) => heard.mark === MASK_MARK)
    t.notOk(call.leaked)
    call.proxy.loses = () => false
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('a guard that dies while it is being taken out ends in a direct call or in a masked one, never between', (t) =>
  onCall(t, 2, async (stage) => {
    const { call, guard, guards } = stage
    await open(stage)
    guard.tellProgress({ state: 'cancelled' })
    await call.reaches('cooling')
    call.proxy.passing = (seen) => {
      if (isCloseOffer(seen)) void guard.die()
    }
    guard.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
    await call.agent.hears((heard) => heard.mark === PAYER_MARK)
    t.equal(guards[1]?.windows.size, 0)
  }),
)

t.test('a guard that dies while a close fails is replaced', (t) =>
  onCall(t, 2, async (stage) => {
    const { call, guard, guards } = stage
    await open(stage)
    guard.tellProgress({ state: 'cancelled' })
    let died = false
    call.proxy.loses = (seen) => {
      if (seen.direction === 'request' && isCloseOffer(seen) && !died) {
        died = true
        void guard.die()
      }
      return seen.direction === 'request' && isCloseOffer(seen)
    }
    guard.tellSafe()
    await guards[1]?.waitFor('window.resume')
    t.notOk(call.leaked)
    call.proxy.loses = () => false
    guards[1]?.tellSafe()
    await call.reaches('closed')
    t.ok(await call.isDirect())
  }),
)

t.test('cancel goes to the guard, and the call stays masked until it is safe', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    await call.window.cancel()
    t.match(call.window.payment, { state: 'capturing', failure: 'cancelled' })
    t.equal(guard.ordersOf('window.cancel').length, 1)
    guard.tellProgress({ state: 'cancelled' })
    await call.reaches('cooling')
    t.notOk(call.leaked)
    guard.tellSafe()
    await call.reaches('closed')
  }),
)

t.test('clear and INFO go to the guard, the INFO unread', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    await call.window.clear('expiry')
    call.window.info({ relay: true, body: Buffer.from('Signal=5\r\nDuration=160') })
    await guard.waitFor('window.info')
    t.match(guard.ordersOf('window.clear')[0], { field: 'expiry' })
    t.match(guard.ordersOf('window.info')[0], {
      relay: true,
      body: Buffer.from('Signal=5\r\nDuration=160').toString('base64'),
    })
  }),
)

t.test('a call that ends in any state lets the guard go and says why there is no token', async (t) => {
  for (const state of ['opening', 'capturing', 'storing', 'cooling', 'held'] as const) {
    await onCall(t, 1, async ({ call, guard }) => {
      if (state === 'opening') {
        guard.silentOn.add('window.connect')
        const opening = call.window.open()
        await guard.waitFor('window.connect')
        call.window.end('call_ended')
        t.match(await opening, { kind: 'refused', code: 'call_ended' })
      } else {
        await call.window.open()
        if (state === 'storing') guard.tellProgress({ state: 'storing' })
        if (state === 'cooling') guard.tellProgress({ state: 'failed', failure: 'time_limit' })
        if (state === 'held') await guard.die()
        await call.reaches(state)
        call.window.end('call_ended')
      }
      call.window.end('media_lost')
      const failure = state === 'cooling' ? 'time_limit' : state === 'held' ? 'guard_lost' : 'call_ended'
      t.match(call.window.payment, { state: 'closed', failure, token: null }, state)
      t.notOk(call.proxy.requests.some(isCloseOffer), 'and the parties are not connected')
    })
  }
})

t.test('media that rtpengine lost ends the window as such', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    await call.control.request('delete', { 'call-id': call.callId, 'delete delay': 0 }, { deadlineMs: 1_000 })
    guard.tellProgress({ state: 'cancelled' })
    guard.tellSafe()
    await call.reaches('closed')
    t.equal(call.mediaGoneCount, 1)
    t.equal(call.window.payment.failure, 'cancelled')
  }),
)

t.test('a payer of whom nothing comes is shown, until something does or the guard gives the capture up', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    await open(stage)
    const { windowId } = call.window
    guard.tellRaw({ type: 'alarm', windowId, code: 'payer_silent' })
    await eventually(() => call.window.payment.payerSilent)
    t.match(call.window.payment, { state: 'capturing', failure: null, alarmed: false })
    guard.tellRaw({ type: 'payer-heard', windowId })
    await eventually(() => !call.window.payment.payerSilent)
    guard.tellProgress({ state: 'failed', failure: 'payer_media_lost' })
    await call.reaches('cooling')
    t.equal(call.window.payment.failure, 'payer_media_lost')
  }),
)

t.test('what a guard says of another window, or too early, changes nothing', (t) =>
  onCall(t, 1, async (stage) => {
    const { call, guard } = stage
    guard.silentOn.add('window.capture')
    const opening = call.window.open()
    await guard.waitFor('window.capture')
    guard.tellSafe()
    guard.tellAlarm()
    guard.tellRaw({ type: 'safe-to-close', windowId: 'zzzzzzzzzzzzzzzz' })
    await delay(50)
    t.equal(guard.ordersOf('window.drain').length, 0)
    t.equal((await opening).kind, 'refused')
  }),
)

t.end()
