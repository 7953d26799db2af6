import t, { type Test } from 'tap'
import {
  ruleOf,
  WINDOW_EVENTS,
  WINDOW_STATES,
  windowStateOf,
  type Rule,
  type WindowEvent,
  type WindowState,
} from '../../src/sbc/window-events.ts'
import type { Party } from '../../src/sbc/party.ts'
import type { SipDialogEvent } from '../../src/sbc/sip-server.ts'
import { takeReplacing } from '../../src/sbc/take-replacing.ts'
import { eventually } from '../fakes/eventually.ts'
import { FakeRequest, FakeResponse, type SentResponse } from '../fakes/fake-sip.ts'
import { AGENT_PORT, NEW_PORT, PAYER_PORT, QuickCall, quickSdp } from '../fakes/quick-call.ts'
import { readTracked } from '../fakes/tracked-files.ts'

Object.assign(globalThis.console, { log: () => undefined })
const PORTS = { payer: PAYER_PORT, agent: AGENT_PORT } as const
const OTHER = { payer: 'agent', agent: 'payer' } as const
const KEY = { body: 'Signal=5', headers: { 'Content-Type': 'application/dtmf-relay' } }
const TEXT = { body: 'hello', headers: { 'Content-Type': 'text/plain' } }
const TARGET = { headers: { 'Refer-To': '<sip:bob@127.0.0.1>' } }

/** What can be seen of an event from outside. */
type Seen = {
  readonly response: SentResponse | null
  /** Requests that the other party got of it. */
  readonly passedOn: number
  readonly guardOrders: QuickCall['guard']['orders']
  readonly value: unknown
}
type Play = (quick: QuickCall, state: WindowState) => Promise<Partial<Seen>>

function asks(
  party: Party,
  method: SipDialogEvent,
  options: Parameters<QuickCall['newDialog']['receive']>[1] = {},
): Play {
  return async (quick) => {
    quick.sentTo(OTHER[party])
    const response = await quick.dialogs[party].receive(method, options).final()
    return { response, passedOn: quick.sentTo(OTHER[party]) }
  }
}

/** A party on hold gets there first, so that it can resume. */
function changes(
  party: Party,
  options: { readonly direction?: string; readonly codec?: string; readonly port?: number },
): Play {
  return asks(party, 'modify', { body: quickSdp(options.port ?? PORTS[party], options) })
}

function resumes(party: Party): Play {
  return async (quick, state) => {
    await changes(party, { direction: 'sendonly' })(quick, state)
    return changes(party, {})(quick, state)
  }
}

const byTransfer: Play = async (quick, state) => {
  const seen = await asks('agent', 'refer', TARGET)(quick, state)
  await eventually(() => quick.call.view().agent === 'bob')
  return seen
}

function replacing(party: Party): Play {
  return async (quick) => {
    const leg = quick.call.legOf(quick.dialogs[party].sip)
    if (leg === null) throw new Error('no leg')
    const request = new FakeRequest({ body: quickSdp(NEW_PORT) })
    const response = new FakeResponse()
    await quick.call.replaceBy(leg, { request, response, trunk: leg.trunk, agent: 'bob' })
    return { response: await response.final() }
  }
}

const ends = (end: (quick: QuickCall) => void): Play => {
  return (quick) => {
    end(quick)
    return Promise.resolve({})
  }
}

const PLAYS: Readonly<Record<WindowEvent, Play>> = {
  'payer-bye': ends((quick) => quick.dialogs.payer.bye()),
  'agent-bye': ends((quick) => quick.dialogs.agent.bye()),
  'session-expired': ends((quick) => quick.dialogs.agent.bye({ Reason: 'SIP;cause=200;text="Session timer expired"' })),
  'sip-server-lost': ends((quick) => quick.call.end('sip_lost')),
  'rescue-failed': ends((quick) => quick.call.end('media_lost')),
  'sbc-closing': ends((quick) => quick.call.end('closing')),
  'rtpengine-lost': async (quick) => {
    quick.spareGuard = quick.otherGuard
    quick.sentTo('payer')
    quick.sentTo('agent')
    quick.call.loseMedia()
    await eventually(() => quick.dialogs.payer.offered.length > 0 && quick.dialogs.agent.offered.length > 0)
    return {}
  },
  'guard-lost': async (quick, state) => {
    quick.spareGuard = quick.otherGuard
    quick.guard.die()
    if (state !== 'none' && state !== 'ordered' && state !== 'closed' && state !== 'just-closed')
      await eventually(() => quick.otherGuard.count('window.connect') > 0)
    return {}
  },
  'payer-address': changes('payer', { port: 10_006 }),
  'payer-hold': changes('payer', { direction: 'sendonly' }),
  'payer-resume': resumes('payer'),
  'payer-codecs': changes('payer', { codec: '8 PCMA/8000' }),
  'payer-offerless': asks('payer', 'modify'),
  'payer-refresh': asks('payer', 'update'),
  'agent-address': changes('agent', { port: 10_006 }),
  'agent-hold': changes('agent', { direction: 'inactive' }),
  'agent-resume': resumes('agent'),
  'agent-codecs': changes('agent', { codec: '8 PCMA/8000' }),
  'agent-offerless': asks('agent', 'modify'),
  'agent-refresh': asks('agent', 'update'),
  'change-crosses': async (quick) => {
    let open: () => void = () => undefined
    quick.engine.gate = new Promise<void>((resolve) => (open = resolve))
    const first = quick.dialogs.agent.receive('modify', { body: quickSdp(AGENT_PORT, { direction: 'sendonly' }) })
    const response = await quick.dialogs.payer.receive('modify', { body: quickSdp(PAYER_PORT) }).final()
    open()
    await first.final()
    quick.sentTo('agent')
    return { response }
  },
  'change-rejected': async (quick, state) => {
    quick.dialogs.payer.answers = () => 488
    return changes('agent', { direction: 'sendonly' })(quick, state)
  },
  'payer-key': asks('payer', 'info', KEY),
  'payer-info': asks('payer', 'info', TEXT),
  'payer-message': asks('payer', 'message', TEXT),
  'payer-notify': asks('payer', 'notify', { headers: { Event: 'refer' } }),
  'payer-options': asks('payer', 'options'),
  'agent-key': asks('agent', 'info', KEY),
  'agent-info': asks('agent', 'info', TEXT),
  'agent-message': asks('agent', 'message', TEXT),
  'agent-notify': asks('agent', 'notify', {
    body: 'SIP/2.0 200 OK\r\n',
    headers: { Event: 'refer', 'Subscription-State': 'terminated', 'Content-Type': 'message/sipfrag' },
  }),
  'agent-options': asks('agent', 'options'),
  'agent-refer': asks('agent', 'refer', TARGET),
  'agent-replaced': replacing('agent'),
  'agent-seated': byTransfer,
  'payer-refer': asks('payer', 'refer', TARGET),
  'payer-replaced': replacing('payer'),
  'payer-seated': replacing('payer'),
  'call-taken-over': async (quick) => {
    const leg = quick.call.legOf(quick.dialogs.agent.sip)
    if (leg === null) throw new Error('no leg')
    return { value: await quick.call.giveAway(leg, () => Promise.resolve(200)) }
  },
  'call-joined': async (quick) => {
    const { sip } = quick.dialogs.agent
    const header = `${sip.callId};to-tag=${sip.localTag};from-tag=${sip.remoteTag}`
    const response = new FakeResponse()
    const leg = quick.call.legOf(sip)
    if (leg === null) throw new Error('no leg')
    const calls = { findLeg: () => ({ call: quick.call, leg }) }
    const request = new FakeRequest({ headers: { Join: header } })
    await takeReplacing(calls, leg.trunk, { request, response })
    return { response: await response.final() }
  },
  'replaced-leg-speaks': async (quick, state) => {
    await byTransfer(quick, state)
    return asks('agent', 'info', TEXT)(quick, state)
  },
  'window-order': async (quick) => ({ value: await quick.call.openWindow({ form: 'card', masking: null }) }),
  'cancel-order': async (quick) => ({ value: await quick.call.cancelWindow() }),
}

/** Before the event, so that what it did can be told from what was there. */
const PREPARES: Partial<Record<WindowEvent, (quick: QuickCall) => Promise<unknown>>> = {
  // The report of a REFER that was passed on.
  'agent-notify': (quick) => quick.dialogs.payer.receive('refer', TARGET).final(),
}

type Check = (t: Test, quick: QuickCall, seen: Seen, state: WindowState) => void

const isOver = (t: Test, quick: QuickCall) => {
  t.ok(quick.call.isEnded, 'the call is over')
  const hungUp = Object.values(quick.dialogs).filter((dialog) => dialog.byes.length > 0 || !dialog.connected)
  t.equal(hungUp.length, 2, 'both legs are')
}
const isStillMasked = (t: Test, quick: QuickCall, agent: string) => {
  t.equal(quick.call.isEnded, false)
  t.equal(quick.engine.heardBy(agent), 'guard-agent', 'the leg hears the guard alone')
}
const refuses =
  (status: number): Check =>
  (t, quick, seen) => {
    t.equal(seen.response?.status, status)
    t.equal(seen.passedOn, 0)
    t.equal(quick.call.isEnded, false)
  }
const isSeated = (t: Test, quick: QuickCall, seen: Seen) => {
  t.ok([200, 202].includes(seen.response?.status ?? 0))
  t.equal(quick.call.legOf(quick.newDialog.sip)?.dialog, quick.newDialog, 'the new leg is the call’s')
}

const CHECKS: Readonly<Record<Rule, Check>> = {
  relay: (t, _quick, seen) => t.match(seen, { response: { status: 200 }, passedOn: 1 }),
  here: (t, _quick, seen) => t.match(seen, { response: { status: 200 }, passedOn: 0 }),
  later: (t, quick, seen) => {
    t.match(seen, { response: { status: 200 }, passedOn: 0 })
    isStillMasked(t, quick, 'agent')
  },
  end: (t, quick) => isOver(t, quick),
  'end-masked': (t, quick) => {
    isOver(t, quick)
    t.match(quick.call.payment, { state: 'closed', failure: /./ })
    t.notOk(quick.engine.heardBy('agent') === 'payer' && quick.call.media.isGuarded)
    t.notOk(quick.guard.hasWindow)
  },
  move: (t, quick) => {
    t.equal(quick.call.isEnded, false)
    t.equal(quick.otherEngine.heardBy('agent'), 'payer')
  },
  'move-masked': (t, quick) => {
    t.equal(quick.call.isEnded, false)
    t.equal(quick.otherEngine.heardBy('agent'), 'guard-agent', 'masked before anybody is connected')
    t.equal(quick.call.payment?.state, 'held')
  },
  guard: (t, quick, seen, state) => {
    t.match(seen, { response: { status: 200 }, passedOn: 0 })
    const keys = quick.guard.count('window.info')
    t.ok(keys <= 1 && (keys === 0 || (state !== 'ordered' && state !== 'held')))
  },
  swallow: (t, quick, seen) => {
    t.match(seen, { response: { status: 200 }, passedOn: 0 })
    t.equal(quick.guard.count('window.info'), 0)
  },
  follow: (t, quick, seen) => {
    if (seen.response === null) {
      t.equal(seen.value, 200, 'the leg is given away')
      return
    }
    t.ok([200, 202].includes(seen.response.status))
    t.ok(quick.orders.length === 1 || quick.call.legOf(quick.newDialog.sip) !== null, 'somebody new is called, or came')
  },
  pass: (t, quick, seen) => {
    t.match(seen, { response: { status: 200 }, passedOn: 1 })
    t.equal(quick.orders.length, 0)
  },
  report: (t, _quick, seen) => t.match(seen, { response: { status: 200 }, passedOn: 1 }),
  seat: (t, quick, seen) => {
    isSeated(t, quick, seen)
    t.equal(quick.call.media.isGuarded, false)
  },
  'seat-cancel': (t, quick, seen, state) => {
    isSeated(t, quick, seen)
    t.match(quick.call.payment, { failure: 'cancelled' })
    if (state === 'ordered') t.equal(quick.call.media.isGuarded, false)
    else {
      isStillMasked(t, quick, 'agent-1')
      t.equal(quick.guard.count('window.cancel'), 1)
    }
  },
  'seat-masked': (t, quick, seen) => {
    isSeated(t, quick, seen)
    isStillMasked(t, quick, 'agent-1')
    t.equal(quick.guard.count('window.cancel'), 0, 'the entry stands')
  },
  open: (t, _quick, seen) => t.same(seen.value, { kind: 'open' }),
  refuse: (t, _quick, seen) =>
    t.ok(seen.value === 'no_window' || JSON.stringify(seen.value) === '{"kind":"refused","code":"window_open"}'),
  cancel: (t, quick, seen) => {
    t.equal(seen.value, null)
    t.notSame(quick.call.payment?.failure, null)
  },
  remask: (t, quick) => {
    t.equal(quick.call.payment?.state, 'held')
    isStillMasked(t, quick, 'agent')
    t.match(quick.otherGuard.orders[0], { type: 'window.prepare', masking: 'hard', form: null })
  },
  nothing: (t, quick, seen) => {
    t.equal(quick.call.isEnded, false)
    t.equal(quick.otherGuard.orders.length, 0)
    if (seen.response !== null) t.match(seen, { response: { status: 200 }, passedOn: 0 })
  },
  'put-back': (t, quick, seen) => {
    t.equal(seen.response?.status, 488)
    t.equal(quick.call.view().state, 'talking')
    t.equal(quick.engine.heardBy('agent'), 'payer')
  },
  '405': refuses(405),
  '480': refuses(480),
  '481': refuses(481),
  '488': refuses(488),
  '491': (t, quick, seen) => (seen.response === null ? t.equal(seen.value, 491) : refuses(491)(t, quick, seen, 'none')),
  '603': refuses(603),
}

for (const event of Object.keys(WINDOW_EVENTS) as WindowEvent[]) {
  t.test(`${event}: as the table says, in each state of the window`, async (t) => {
    for (const state of WINDOW_STATES) {
      await t.test(`${state}: ${ruleOf(event, state)}`, async (t) => {
        const quick = await QuickCall.start()
        try {
          await PREPARES[event]?.(quick)
          await quick.reach(state)
          quick.guard.orders.length = 0
          const played = await PLAYS[event](quick, state)
          const seen = { response: null, passedOn: 0, guardOrders: quick.guard.orders, value: null, ...played }
          CHECKS[ruleOf(event, state)](t, quick, seen, state)
        } finally {
          quick.close()
        }
      })
    }
  })
}

t.test('a trunk that does not transfer refuses with what is allowed, whoever asks', async (t) => {
  for (const party of ['payer', 'agent'] as const) {
    const quick = await QuickCall.start({ policy: 'refuse' })
    t.match((await asks(party, 'refer', TARGET)(quick, 'none')).response, { status: 405, headers: { Allow: /INVITE/ } })
    t.equal((await replacing(party)(quick, 'none')).response?.status, 603)
    t.equal(quick.orders.length, 0)
    quick.close()
  }
})

t.test(
  'the table itself: in a window nothing of the payer is passed on, and nobody is seated or ends unmasked',
  (t) => {
    const opens: readonly Rule[] = ['relay', 'pass', 'seat', 'open', 'end', 'move', 'put-back']
    for (const state of ['opening', 'capturing', 'storing', 'cooling', 'held'] as const)
      for (const event of Object.keys(WINDOW_EVENTS) as WindowEvent[])
        if (!['agent-key', 'agent-info', 'agent-message'].includes(event))
          t.notOk(opens.includes(ruleOf(event, state)), `${event}, ${state}`)
    t.end()
  },
)

t.test('an order is no window between the parties yet, and after the close there is none', (t) => {
  const [direct, guarded, late] = [
    { isGuarded: false, isLate: false },
    { isGuarded: true, isLate: false },
    { isGuarded: false, isLate: true },
  ]
  t.equal(windowStateOf(null, direct), 'none')
  t.equal(windowStateOf({ state: 'opening' }, direct), 'ordered')
  t.equal(windowStateOf({ state: 'opening' }, guarded), 'opening')
  t.equal(windowStateOf({ state: 'held' }, direct), 'held')
  t.equal(windowStateOf({ state: 'closed' }, direct), 'closed')
  t.equal(windowStateOf({ state: 'closed' }, late), 'just-closed')
  t.equal(windowStateOf(null, late), 'just-closed', 'the window was in another call')
  t.equal(windowStateOf({ state: 'opening' }, late), 'ordered', 'a new window is one')
  t.end()
})

t.test('ARCHITECTURE.md shows the same table', (t) => {
  const rows = readTracked('ARCHITECTURE.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim().replace(/`/g, '')))
  const written = Object.fromEntries(
    rows.map(([, event = '', ...cells]) => [event, cells.slice(0, WINDOW_STATES.length)]),
  )
  t.same(written, WINDOW_EVENTS)
  t.end()
})

t.end()
