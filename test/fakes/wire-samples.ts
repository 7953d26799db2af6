import type { CallView, DeskToSbc, Payment, SbcToDesk } from '../../src/wire/call-protocol.ts'
import type { GuardToSbc, SbcToGuard } from '../../src/wire/guard-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'

/** One good message of every kind that crosses between rooms, with every field that can be filled filled. */

const windowId = 'abcdefghijklmnop'
const callId = 'abcdefghijklmnopqrst'
const address = { host: '127.0.0.1', port: 30_000 }
const token = 'tok_abcdefghijklmnopqrst0_1111'

const fields = [
  {
    name: 'card-number',
    state: 'accepted',
    entered: 16,
    digitsMax: 16,
    brand: 'visa',
    lastFour: '1111',
    problem: 'check_digit',
    triesLeft: 2,
  },
] as const

export const PROGRESS: WindowProgress = {
  state: 'finished',
  masking: 'hard',
  fields,
  token,
  lastFour: '1111',
  brand: 'visa',
  failure: 'guard_lost',
}

export const SBC_TO_GUARD: readonly SbcToGuard[] = [
  { type: 'sbc.hello', owner: 'bcdefghijklmnopq' },
  {
    type: 'audit.report',
    event: 'administrator_act',
    cause: 'drain',
    by: 'operator',
    occurredMs: 1_700_000_000_000,
  },
  {
    type: 'window.prepare',
    windowId,
    masking: 'talk-through',
    lookAheadMs: 40,
    codec: 'PCMU',
    headers: 'own',
    form: { fields: ['card-number'], brands: ['visa'], tries: 3, interDigitMs: 5_000, totalMs: 60_000 },
    merchant: 'shop-1',
    coolDownMs: 3_000,
  },
  { type: 'window.connect', windowId, payer: address, agent: address },
  { type: 'window.capture', windowId },
  { type: 'window.clear', windowId, field: 'expiry' },
  { type: 'window.cancel', windowId },
  { type: 'window.drain', windowId },
  { type: 'window.resume', windowId },
  { type: 'window.release', windowId },
  { type: 'window.count', windowId },
  { type: 'window.info', windowId, relay: true, body: 'U2lnbmFsPTUK' },
  { type: 'selftest.begin', windowId },
  { type: 'selftest.connect', windowId, payer: address, agent: address },
  { type: 'selftest.play', windowId },
  { type: 'selftest.judge', windowId, delayMsMax: 100 },
  { type: 'selftest.end', windowId },
]

export const GUARD_TO_SBC: readonly GuardToSbc[] = [
  { type: 'guard.hello', windowsOpen: [windowId], windowsMax: 100 },
  { type: 'prepared', payer: address, agent: address },
  { type: 'ok' },
  { type: 'refused', code: 'key_down' },
  { type: 'drained' },
  { type: 'counted', counts: { fromPayer: 1, fromAgent: 2, toPayer: 3, toAgent: 4, dropped: 5, maskedMs: 6 } },
  { type: 'progress', windowId, progress: PROGRESS },
  { type: 'safe-to-close', windowId },
  { type: 'alarm', windowId, code: 'sentinel' },
  { type: 'payer-heard', windowId },
  { type: 'selftest.ready', payer: address, agent: address },
  { type: 'selftest.judged', code: 'ok', keysRead: 1, delayMs: 41 },
]

const payment: Payment = {
  windowId,
  form: 'card',
  masking: 'hard',
  state: 'capturing',
  fields,
  token,
  lastFour: '1111',
  brand: 'visa',
  failure: 'not_proven',
  openMs: 4,
  alarmed: true,
  payerSilent: true,
}

const call: CallView = {
  callId,
  agent: 'agent',
  payerSipCallId: 'one@192.0.2.1',
  agentSipCallId: 'two@192.0.2.2',
  from: '+15550100',
  to: '+18005550199',
  payerTrunk: 'carrier',
  agentTrunk: 'contact-centre',
  merchant: 'shop',
  state: 'talking',
  startedAtMs: 1_800_000_000_000,
  endedAtMs: 1_800_000_000_001,
  forms: ['card'],
  payment,
}

export const DESK_TO_SBC: readonly DeskToSbc[] = [
  { type: 'calls.watch' },
  { type: 'window.open', callId, form: 'card', masking: 'hard' },
  { type: 'window.clear', callId, field: 'card-code' },
  { type: 'window.cancel', callId },
  { type: 'login.refused' },
  { type: 'selftest.run', guard: 'guard-1' },
]

export const SBC_TO_DESK: readonly SbcToDesk[] = [
  { type: 'calls', calls: [call] },
  { type: 'call', call },
  { type: 'done', callId, windowId },
  { type: 'refused', code: 'not_proven' },
  {
    type: 'selftest.report',
    results: [
      {
        guard: 'guard-1',
        rtpengine: 'media-1',
        code: 'leaked',
        inService: false,
        keysRead: 16,
        delayMs: 41,
        durationMs: 3_300,
        atMs: 1_800_000_000_000,
      },
    ],
  },
  { type: 'selftest.refused', code: 'busy' },
]

/** What a card number could look like when it slips into a field: public test numbers only. */
const CARDS = [
  '4111111111111111',
  '4111 1111 1111 1111',
  '4111-1111-1111-1111',
  '378282246310005',
  4111111111111111,
  [4, 1, 1, 1],
]

/**
 * Puts a card number in place of each value of each message, one at a time, and returns the paths of those that the
 * parser still took.
 */
export function pathsThatTakeACard(messages: readonly object[], parse: (value: unknown) => unknown): readonly string[] {
  const taken = new Set<string>()
  for (const message of messages) {
    for (const path of leaves(message)) {
      for (const card of CARDS) {
        const changed = structuredClone(message) as Record<string, unknown>
        let here = changed
        for (const part of path.slice(0, -1)) here = here[part] as Record<string, unknown>
        here[path.at(-1) ?? ''] = card
        if (parse(changed) !== null) taken.add(path.filter((part) => !/^\d+$/.test(part)).join('.'))
      }
    }
  }
  return [...taken].sort()
}

/** The same, with one more field of that value in each object. */
export function addedFieldsTaken(messages: readonly object[], parse: (value: unknown) => unknown): number {
  return messages.filter((message) => parse({ ...message, more: 1 }) !== null).length
}

function leaves(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, [...path, name]))
}
