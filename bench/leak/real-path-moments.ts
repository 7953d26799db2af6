import { setTimeout as delay } from 'node:timers/promises'
import { nowUs } from '../../src/demo/monotonic.ts'
import type { CodecName, Direction } from '../../src/demo/phone/sdp-text.ts'
import type { BenchPhone } from './real-path-phone.ts'
import { LONG_FORM, SHORT_FORM, type BenchCall, type BenchSite } from './real-path-site.ts'
import type { KeyPress } from './stimulus.ts'

/**
 * What happens to a call while a key is down.
 *
 * - `hold`, `port`, `codec`: re-INVITE of the payer: hold and back, another port, the other law of G.711.
 * - `agent-hold`, `agent-port`: re-INVITE of the contact centre, as a PBX puts on hold and transfers.
 * - `cancel`: the agent gives the window up. `paid`: a card was taken just before, and keys go on.
 * - `edges`: windows are opened and given up all the time; the keys that are judged were pressed in one.
 * - `bye`: the payer hangs up and goes on sending.
 */
export const MOMENTS = ['hold', 'port', 'codec', 'agent-hold', 'agent-port', 'cancel', 'paid', 'edges', 'bye'] as const
export type Moment = (typeof MOMENTS)[number]

/** When payer keys had to be masked (monotonic us). */
export type OpenSpan = { readonly fromUs: number; readonly toUs: number }

export type Happened = {
  readonly spans: readonly OpenSpan[]
  /** Around each change; null where the whole window is what is looked at. */
  readonly near: readonly OpenSpan[] | null
  /** Changes that were refused, or not answered. */
  readonly refused: number
  readonly openMs: number | null
}

export type Stage = {
  readonly site: BenchSite
  readonly call: BenchCall
  /** Its number among the calls that are made at the same time. */
  readonly index: number
  readonly presses: readonly KeyPress[]
  readonly masking: 'talk-through' | 'hard'
  readonly law: 'ulaw' | 'alaw'
  readonly random: () => number
  readonly startUs: number
  readonly endUs: number
  /** From now on the payer's audio is sent in this codec. */
  readonly speaks: (codec: CodecName) => void
}

/** From one change to the next: a hold of 0.4 s and its two transactions fit. */
const APART_US = 2_500_000
const HOLD_MS = 400
/** A key is near a change that began so long before or after it. */
const BEFORE_US = 400_000
const AFTER_US = 1_200_000
const BYE_BEFORE_US = 2_000_000
/** The last key before a telephone was closed must have been sent whole. */
const SAMPLE_TIME_US = 150_000
/**
 * A key that is pressed within this time before a close was seen may have been pressed when the guard was silent and the
 * close offer under way (ARCHITECTURE.md, the moment of closing).
 */
const CLOSE_MARGIN_US = 100_000
const CLOSED_MS = 12_000
/** Between two windows, so that some keys are pressed that must be heard. */
const CLEAR_MS = 700
/** What happens once happens after this part of the keys. */
const ONCE_AFTER = 0.6
const SAMPLE_US = 125
const OPEN_AFTER_US = 800_000
/** Windows are not opened all at once: agents press their buttons when they like. */
const OPEN_APART_US = 120_000
const OPEN_TRIES = 3
const OPEN_AGAIN_MS = 300
/** After hanging up the payer's telephone sends on for so long: later its ports are another call's. */
const SEND_ON_MS = 300
/** A public test card, its expiry and its code. */
const CARD_KEYS = '4263982640269299#1230#123#'
const INFO_EVERY_MS = 140
const INFO_KEY_MS = 60
const FIRST_INFO_AFTER_MS = 300

/** Opens the window and does to the call what the moment says. Rejects when the window does not open. */
export async function happen(moment: Moment | null, stage: Stage): Promise<Happened> {
  await until(stage.startUs + OPEN_AFTER_US + stage.index * OPEN_APART_US)
  if (moment === 'edges') return edges(stage)
  const { desk } = stage.site
  const { callId } = stage.call
  await open(stage, LONG_FORM)
  const fromUs = nowUs()
  const { openMs } = await desk.payment(callId)
  const span = { fromUs, toUs: stage.endUs }
  if (moment === null) return { spans: [span], near: null, refused: 0, openMs }
  if (moment === 'paid') return { spans: [{ ...span, fromUs: await pay(stage) }], near: null, refused: 0, openMs }
  const changes = moments(stage, moment === 'cancel' || moment === 'bye')
  const near: OpenSpan[] = []
  let refused = 0
  for (const [index, dueUs] of changes.entries()) {
    await until(dueUs)
    const atUs = nowUs()
    near.push({ fromUs: atUs - BEFORE_US, toUs: moment === 'cancel' ? stage.endUs : atUs + AFTER_US })
    if (!(await change(moment, stage, index))) refused += 1
    if (moment === 'bye') near.splice(0, 1, { fromUs: atUs - BYE_BEFORE_US, toUs: nowUs() - SAMPLE_TIME_US })
  }
  return { spans: [span], near, refused, openMs }
}

/** A machine that is busy with other things may refuse a window; the payer is not asked to type then. */
async function open({ site, call, masking }: Stage, form: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await site.desk.openWindow(call.callId, { form, masking })
    } catch (error) {
      if (tries === OPEN_TRIES) throw error
      await delay(OPEN_AGAIN_MS)
    }
  }
}

/** Times in the middle of keys, any part of them. */
function moments({ presses, random, startUs, endUs }: Stage, once: boolean): readonly number[] {
  const times: number[] = []
  const first = startUs + (presses[0]?.start ?? 0) * SAMPLE_US
  let earliestUs = once ? first + (endUs - first) * ONCE_AFTER : first
  for (const press of presses) {
    const atUs = startUs + (press.start + random() * press.samples) * SAMPLE_US
    if (atUs < earliestUs || (!once && atUs > endUs - APART_US)) continue
    times.push(atUs)
    if (once) break
    earliestUs = atUs + APART_US
  }
  return times
}

async function change(moment: Exclude<Moment, 'edges' | 'paid'>, stage: Stage, index: number): Promise<boolean> {
  const { call, site } = stage
  switch (moment) {
    case 'hold':
      return hold(call.payer, 'sendonly')
    case 'agent-hold':
      return hold(call.agent, 'sendonly')
    case 'port':
      return reinvite(call.payer, { newPort: true })
    case 'agent-port':
      return reinvite(call.agent, { newPort: true })
    case 'codec': {
      const codecs: readonly CodecName[] = ['PCMU', 'PCMA']
      const isOther = index % 2 === 0
      const codec = codecs[(stage.law === 'ulaw') === isOther ? 1 : 0] ?? 'PCMU'
      const done = await reinvite(call.payer, { codecs: [codec] })
      if (done) stage.speaks(codec)
      return done
    }
    case 'cancel':
      await site.desk.cancelWindow(call.callId)
      return true
    case 'bye': {
      const outcome = await call.payer.agent.hangup()
      await delay(SEND_ON_MS)
      call.payer.phone.close()
      return outcome.kind === 'done'
    }
  }
}

async function hold(side: BenchCall['payer'] | BenchCall['agent'], direction: Direction): Promise<boolean> {
  const held = await reinvite(side, { direction })
  await delay(HOLD_MS)
  return (await reinvite(side, { direction: 'sendrecv' })) && held
}

async function reinvite(
  side: BenchCall['payer'] | BenchCall['agent'],
  options: Parameters<BenchPhone['change']>[0],
): Promise<boolean> {
  await side.phone.change(options)
  return (await side.agent.reinvite()).kind === 'done'
}

/** The payer's card by SIP INFO, so that the window is at its end while keys go on; the time of the token. */
async function pay({ site, call }: Stage): Promise<number> {
  // An INFO tells of a press that is over: one that began before the window was open is not taken.
  await delay(FIRST_INFO_AFTER_MS)
  for (const key of CARD_KEYS) {
    call.info(key, INFO_KEY_MS)
    await delay(INFO_EVERY_MS)
  }
  await site.desk.until(call.callId, ({ token }) => token !== null, { deadlineMs: CLOSED_MS })
  return nowUs()
}

/** Opens and gives up one window after the other. */
async function edges(stage: Stage): Promise<Happened> {
  const { site, call, random, endUs } = stage
  const { desk } = site
  const spans: OpenSpan[] = []
  let openMs: number | null = null
  while (nowUs() < endUs - APART_US) {
    await open(stage, SHORT_FORM)
    const fromUs = nowUs()
    openMs ??= (await desk.payment(call.callId)).openMs
    await delay(random() * 900)
    await desk.cancelWindow(call.callId)
    await desk.until(call.callId, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS })
    const toUs = nowUs() - CLOSE_MARGIN_US
    if (toUs > fromUs) spans.push({ fromUs, toUs })
    await delay(CLEAR_MS + random() * CLEAR_MS)
  }
  return { spans, near: null, refused: 0, openMs }
}

async function until(timeUs: number): Promise<void> {
  const leftMs = (timeUs - nowUs()) / 1_000
  if (leftMs > 0) await delay(leftMs)
}
