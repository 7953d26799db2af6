import type { Payment } from '../wire/call-protocol.ts'

/**
 * What becomes of each event of a call in each state of its payment window. The parts of the call ask this table, and
 * test/sbc/window-events.test.ts plays each cell; ARCHITECTURE.md shows the same table.
 *
 * none and ordered have no guard between the parties yet; closed has none any more. just-closed: what the payer sent in
 * SIP inside of the window can still arrive (late-requests.ts).
 */
export type WindowState = 'none' | 'ordered' | Payment['state'] | 'just-closed'

export const WINDOW_STATES = [
  'none',
  'ordered',
  'opening',
  'capturing',
  'storing',
  'cooling',
  'held',
  'just-closed',
  'closed',
] as const satisfies readonly WindowState[]

/** What the code of a cell means. */
export const RULES = {
  relay: "passed to the other party, and the other party's answer back",
  here: 'answered here with what stands; the other party hears nothing',
  later: "answered here, on the guard's side of the media; the other party is told when the window is closed",
  end: 'both legs end',
  'end-masked': 'both legs end, and the window with them: nothing flows after it',
  move: 'both parties are re-INVITEd to another rtpengine',
  'move-masked': 'the same, and the entry is lost; a guard masks everything there before anybody is connected',
  guard: 'answered here; a key goes to the guard unread, anything else goes nowhere',
  swallow: 'answered here, and goes nowhere',
  follow: "what the trunk says: 'follow' transfers, 'refuse' answers 405",
  pass: "what the trunk says: 'follow' passes it to the other party, 'refuse' answers 405",
  report: 'passed on when it tells of a REFER that was passed on, else 481',
  seat: 'the new leg takes the place of the old one, and the other party is told what is new to it',
  'seat-cancel': 'the entry is cancelled; the new leg takes the place, and hears the guard alone until it is safe',
  'seat-masked': 'the entry stands; the new leg takes the place, and hears the guard alone until it is safe',
  open: 'a window opens',
  refuse: 'the order is refused: one window at a time',
  cancel: 'the entry is cancelled; masked until it is safe',
  remask: 'another guard takes the place and masks everything; the agent hears silence until then',
  nothing: 'nothing happens',
  'put-back': 'refused alike, and the media goes back to what it was',
  '405': 'refused with 405 and what is allowed',
  '480': 'refused with 480: not while the customer may be typing',
  '481': 'refused with 481: no such dialog or subscription',
  '488': 'refused with 488',
  '491': 'refused with 491: try again',
  '603': 'refused with 603',
} as const
export type Rule = keyof typeof RULES

/** A row has a rule for each of WINDOW_STATES. */
type Row = readonly [Rule, Rule, Rule, Rule, Rule, Rule, Rule, Rule, Rule]

// prettier-ignore
export const WINDOW_EVENTS = {
  //                     none        ordered        opening        capturing      storing        cooling        held           just-closed    closed
  'payer-bye':          ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'agent-bye':          ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'session-expired':    ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'sip-server-lost':    ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'rtpengine-lost':     ['move',     'move-masked', 'move-masked', 'move-masked', 'move-masked', 'move-masked', 'move-masked', 'move',        'move'],
  'rescue-failed':      ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'sbc-closing':        ['end',      'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end-masked',  'end',         'end'],
  'guard-lost':         ['nothing',  'nothing',     'remask',      'remask',      'remask',      'remask',      'remask',      'nothing',     'nothing'],

  'payer-address':      ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'payer-hold':         ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'payer-resume':       ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'payer-codecs':       ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'payer-offerless':    ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],
  'payer-refresh':      ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],
  'agent-address':      ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'agent-hold':         ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'agent-resume':       ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'agent-codecs':       ['relay',    'relay',       'later',       'later',       'later',       'later',       'later',       'relay',       'relay'],
  'agent-offerless':    ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],
  'agent-refresh':      ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],
  'change-crosses':     ['491',      '491',         '491',         '491',         '491',         '491',         '491',         '491',         '491'],
  'change-rejected':    ['put-back', 'put-back',    'nothing',     'nothing',     'nothing',     'nothing',     'nothing',     'put-back',    'put-back'],

  'payer-key':          ['relay',    'guard',       'guard',       'guard',       'guard',       'guard',       'guard',       'swallow',     'relay'],
  'payer-info':         ['relay',    'guard',       'guard',       'guard',       'guard',       'guard',       'guard',       'swallow',     'relay'],
  'payer-message':      ['relay',    '480',         '480',         '480',         '480',         '480',         '480',         '480',         'relay'],
  'payer-notify':       ['481',      '481',         '481',         '481',         '481',         '481',         '481',         '481',         '481'],
  'payer-options':      ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],
  'agent-key':          ['relay',    'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay'],
  'agent-info':         ['relay',    'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay'],
  'agent-message':      ['relay',    'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay',       'relay'],
  'agent-notify':       ['report',   'report',      'report',      'report',      'report',      'report',      'report',      'report',      'report'],
  'agent-options':      ['here',     'here',        'here',        'here',        'here',        'here',        'here',        'here',        'here'],

  'agent-refer':        ['follow',   'follow',      'follow',      'follow',      'follow',      'follow',      'follow',      'follow',      'follow'],
  'agent-replaced':     ['follow',   'follow',      'follow',      'follow',      'follow',      'follow',      'follow',      'follow',      'follow'],
  'agent-seated':       ['seat',     'seat-cancel', 'seat-cancel', 'seat-cancel', 'seat-masked', 'seat-masked', 'seat-masked', 'seat',        'seat'],
  'payer-refer':        ['pass',     '603',         '603',         '603',         '603',         '603',         '603',         'pass',        'pass'],
  'payer-replaced':     ['follow',   '603',         '603',         '603',         '603',         '603',         '603',         'follow',      'follow'],
  'payer-seated':       ['seat',     '603',         '603',         '603',         '603',         '603',         '603',         'seat',        'seat'],
  'call-taken-over':    ['follow',   '491',         '491',         '491',         '491',         '491',         '491',         'follow',      'follow'],
  'call-joined':        ['488',      '488',         '488',         '488',         '488',         '488',         '488',         '488',         '488'],
  'replaced-leg-speaks':['481',      '481',         '481',         '481',         '481',         '481',         '481',         '481',         '481'],

  'window-order':       ['open',     'refuse',      'refuse',      'refuse',      'refuse',      'refuse',      'refuse',      'open',        'open'],
  'cancel-order':       ['refuse',   'cancel',      'cancel',      'cancel',      'cancel',      'cancel',      'cancel',      'refuse',      'refuse'],
} as const satisfies Readonly<Record<string, Row>>
export type WindowEvent = keyof typeof WINDOW_EVENTS

export function ruleOf(event: WindowEvent, state: WindowState): Rule {
  const row: Row = WINDOW_EVENTS[event]
  return row[WINDOW_STATES.indexOf(state)] ?? '488'
}

/**
 * Where the window that was opened last stands. `isGuarded`: the guard is between the parties. `isLate`: a request of
 * the payer that comes now may have been sent inside of one.
 */
export function windowStateOf(
  payment: Pick<Payment, 'state'> | null,
  { isGuarded, isLate }: { readonly isGuarded: boolean; readonly isLate: boolean },
): WindowState {
  if (payment === null || payment.state === 'closed')
    return isLate ? 'just-closed' : payment === null ? 'none' : 'closed'
  return payment.state === 'opening' && !isGuarded ? 'ordered' : payment.state
}
