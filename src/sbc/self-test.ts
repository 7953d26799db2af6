import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { Address, GuardToSbc } from '../wire/guard-protocol.ts'
import type { SelfTestOrder } from '../wire/self-test-order.ts'
import type { SelfTestCode } from '../wire/self-test-protocol.ts'
import type { Masking } from '../wire/window-progress.ts'
import type { GuardLink } from './guard-link.ts'
import { randomLetters } from './letters.ts'
import { MediaSession } from './media-session.ts'
import { PaymentWindow } from './payment-window.ts'
import type { RtpengineControl } from './rtpengine-control.ts'
import { connectionText, readAudio } from './sdp.ts'

/** Answers that are given at once. */
const ANSWER_DEADLINE_MS = 1_000
/** Sixteen keys take two seconds. */
const PLAY_DEADLINE_MS = 6_000
/** The cool-down is half a second, the masker's patience four more. */
const CLOSE_DEADLINE_MS = 7_000
const JUDGE_DEADLINE_MS = 3_000
/** What a busy machine may add to the look-ahead at the median; customers would hear more. */
const DELAY_MARGIN_MS = 60
const ENGINE_NAME = 'self-test'
const CALL_LETTERS = 16

/** One field, and the shortest cool-down there is. */
const FORM: FormConfiguration = {
  name: 'self-test',
  fields: ['card-number'],
  brands: [],
  tries: 1,
  interDigitMs: 2_000,
  totalMs: 15_000,
  coolDownMs: 500,
}

export type SelfTestOutcome = {
  readonly code: SelfTestCode
  readonly keysRead: number
  readonly delayMs: number | null
}

export type SelfTestParts = {
  readonly guard: GuardLink
  readonly engine: RtpengineControl
  /** As of all calls of this sbc, so that what it leaves behind is swept like them. */
  readonly callIdPrefix: string
  readonly merchant: string
  readonly lookAheadMs: number
  readonly logger: Logger
}

/** Worst first: what is told of several outcomes. */
const WORST_FIRST: readonly SelfTestCode[] = ['leaked', 'key_lost', 'no_media', 'delay', 'not_direct', 'timeout', 'ok']

/**
 * A call through one rtpengine and one guard beside it, by the same code as a customer's, with the guard as both of its
 * telephones; once in each masking, at the same time. Never rejects.
 */
export async function runSelfTest(parts: SelfTestParts): Promise<SelfTestOutcome> {
  const outcomes = await Promise.all([testCall(parts, 'talk-through'), testCall(parts, 'hard')])
  const code = WORST_FIRST.find((worst) => outcomes.some((outcome) => outcome.code === worst)) ?? 'timeout'
  const delays = outcomes.map(({ delayMs }) => delayMs).filter((delayMs) => delayMs !== null)
  return {
    code,
    keysRead: outcomes.reduce((sum, { keysRead }) => sum + keysRead, 0),
    delayMs: delays.length === 0 ? null : Math.max(...delays),
  }
}

async function testCall(parts: SelfTestParts, masking: Masking): Promise<SelfTestOutcome> {
  const { guard, engine, callIdPrefix, merchant, lookAheadMs, logger } = parts
  const media = new MediaSession({ engine, callId: [callIdPrefix, 'self-test-', randomLetters(CALL_LETTERS)].join('') })
  let closed = (): void => undefined
  const isClosed = new Promise<boolean>((resolve) => {
    closed = () => resolve(true)
  })
  let turn: Promise<unknown> = Promise.resolve()
  const window: PaymentWindow = new PaymentWindow({
    media,
    guards: { chooseAny: () => guard, chooseWithin: () => Promise.resolve(guard) },
    rtpengine: ENGINE_NAME,
    form: FORM,
    masking,
    lookAheadMs,
    merchant,
    logger,
    changed: () => {
      if (window.isClosed) closed()
    },
    mediaGone: () => window.end('media_lost'),
    exclusive: (action) => {
      const result = turn.then(action)
      turn = result.catch(() => undefined)
      return result
    },
  })
  const { windowId } = window
  const ask = async (order: SelfTestOrder, deadlineMs = ANSWER_DEADLINE_MS): Promise<GuardToSbc | null> => {
    const answer = await guard.ask(order, { deadlineMs })
    return answer.kind === 'reply' ? answer.message : null
  }
  guard.beginTest(windowId)
  try {
    const ready = await ask({ type: 'selftest.begin', windowId })
    if (ready?.type !== 'selftest.ready') return FAILED.timeout
    const ports = await setUp(media, ready)
    if (ports === null) return FAILED.no_media
    if ((await ask({ type: 'selftest.connect', windowId, ...ports }))?.type !== 'ok') return FAILED.timeout
    const opened = await window.open()
    if (opened.kind === 'refused') return opened.code === 'guard_unavailable' ? FAILED.timeout : FAILED.no_media
    if ((await ask({ type: 'selftest.play', windowId }, PLAY_DEADLINE_MS))?.type !== 'ok') return FAILED.timeout
    const inTime = await Promise.race([isClosed, delay(CLOSE_DEADLINE_MS, false, { ref: false })])
    const facts = await media.facts()
    const judged = await ask(
      { type: 'selftest.judge', windowId, delayMsMax: lookAheadMs + DELAY_MARGIN_MS },
      JUDGE_DEADLINE_MS,
    )
    if (judged?.type !== 'selftest.judged') return FAILED.timeout
    const { code, keysRead, delayMs } = judged
    const isDirect = inTime && facts.kind === 'ok' && facts.value.partiesAreDirect
    return { code: code === 'ok' && !isDirect ? 'not_direct' : code, keysRead, delayMs }
  } finally {
    window.end('call_ended')
    await media.delete()
    await ask({ type: 'selftest.end', windowId })
    guard.endTest(windowId)
  }
}

/** rtpengine's ports towards the two telephones, or null when it did not take the call. */
async function setUp(
  media: MediaSession,
  phones: { readonly payer: Address; readonly agent: Address },
): Promise<{ readonly payer: Address; readonly agent: Address } | null> {
  const offered = await media.offer('payer', describe(phones.payer), { live: false })
  if (offered.kind === 'failed') return null
  const answered = await media.answer('payer', describe(phones.agent), { live: false })
  if (answered.kind === 'failed') return null
  const payer = readAudio(answered.value)
  const agent = readAudio(offered.value)
  if (payer === null || agent === null) return null
  return { payer: { host: payer.host, port: payer.port }, agent: { host: agent.host, port: agent.port } }
}

function describe(address: Address): string {
  const shown = connectionText(address.host)
  return [
    'v=0',
    `o=- 1 1 ${shown}`,
    's=-',
    `c=${shown}`,
    't=0 0',
    `m=audio ${address.port} RTP/AVP 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    'a=sendrecv',
    '',
  ].join('\r\n')
}

const FAILED = {
  timeout: { code: 'timeout', keysRead: 0, delayMs: null },
  no_media: { code: 'no_media', keysRead: 0, delayMs: null },
} as const satisfies Readonly<Record<string, SelfTestOutcome>>
