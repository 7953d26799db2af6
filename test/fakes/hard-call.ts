import { setTimeout as delay } from 'node:timers/promises'
import { nowUs } from '../../src/demo/monotonic.ts'
import type { KeyTransport, LoggedPacket, PhoneReport, PressedKey } from '../../src/demo/phone/phone-protocol.ts'
import type { Payment } from '../../src/wire/call-protocol.ts'
import type { DeskEvents } from './desk-events.ts'
import type { SiteLine } from './site-line.ts'
import type { Site } from './site.ts'

/** The guard's noise repeats after this many samples (1.02 s): whatever comes later was known before the first key. */
export const NOISE_PERIOD = 8_192
const PERIOD_MS = NOISE_PERIOD / 8
/** From the order to the first key: one period, and the packets that were under way. */
const BEFORE_KEYS_MS = PERIOD_MS + 300
const ON_MS = 60
const OFF_MS = 60
const KEY_SAMPLES = (ON_MS + OFF_MS) * 8
/** What is compared after the last key was let go. */
const TAIL_SAMPLES = 2 * KEY_SAMPLES
const TRIES = 4
const CLOSED_MS = 12_000
const EVENT_DEADLINE_MS = 5_000

/** What the agent's side has of one call in which a card was keyed into a window that masks hard. */
export type HardCall = {
  /** What the payer's telephone sent, key by key, without what it holds: where that differs, nothing can be compared. */
  readonly sent: readonly string[]
  /**
   * RTP to the agent, key by key (each from its start to the start of the next, with 100 ms before the first and what
   * follows the last): timestamp, step of the sequence, payload type, marker, size, whose SSRC.
   */
  readonly rtp: readonly string[]
  readonly rtcp: readonly string[]
  /** SIP that the agent's telephone got, by the rule of normalSip(). */
  readonly sip: readonly string[]
  readonly infos: number
  /** What the desk told of the payment, each state once, declared fields aside. */
  readonly told: readonly string[]
  /** Samples of masked audio that equal the one a period before them, and those that do not. */
  readonly noise: { readonly repeated: number; readonly other: number }
  /** The agent's packets that the payer heard in the same time, byte by byte, and those it did not. */
  readonly heard: { readonly same: number; readonly other: number; readonly missing: number }
  readonly token: string | null
}

/**
 * One whole call: SIP, window through the desk, every key of the form in one go, token, end of the window, BYE. A
 * machine that stood still while keys were sent makes another run of it, which is made again.
 */
export async function hardCall(plan: HardCallPlan): Promise<HardCall> {
  for (let tries = 1; ; tries += 1) {
    const call = await once(plan)
    if (call !== null) return call
    if (tries === TRIES) throw new Error('the machine stood still in every try')
  }
}

export type HardCallPlan = {
  readonly site: Site
  readonly line: SiteLine
  readonly events: DeskEvents
  /** A whole form. */
  readonly keys: string
  readonly transport: KeyTransport
}

async function once(plan: HardCallPlan): Promise<HardCall | null> {
  const { site, line, events } = plan
  const before = await line.agent.report()
  await line.call()
  await line.payer.speak(false)
  const orderedMs = performance.now()
  await line.openWindow('hard')
  await delay(BEFORE_KEYS_MS)
  const sinceUs = nowUs()
  await line.payer.press({ keys: plan.keys, transport: plan.transport, onMs: ON_MS, offMs: OFF_MS })
  const last = await line
    .untilPayment(({ token, failure }) => token !== null || failure !== null, EVENT_DEADLINE_MS)
    .catch(() => null)
  if (last?.token == null) await site.desk.cancelWindow(line.callId).catch(() => undefined)
  await line.untilState('closed', CLOSED_MS)
  const payments = events.paymentsOf(line.callId, orderedMs)
  await line.payer.hangup()
  await line.agent.until('ended', { count: line.calls, deadlineMs: EVENT_DEADLINE_MS })
  const [payer, agent] = await Promise.all([line.payer.report(), line.agent.report()])
  const keys = payer.keys.filter(({ atUs }) => atUs >= sinceUs)
  if (last?.token == null || !wasSentWhole(payer, keys)) return null
  return {
    sent: rtpOf(payer.sent, spanOf(payer, keys)),
    rtp: rtpOf(agent.received, spanOf(payer, keys)),
    rtcp: agent.rtcpReceived.slice(before.rtcpReceived.length).map(({ bytes }) => String(bytes.length)),
    sip: normalSip(agent.sipReceived.slice(before.sipReceived.length)),
    infos: agent.infosReceived.length,
    told: toldOf(payments),
    noise: noiseOf(agent, { ...spanOf(payer, keys), fromUs: sinceUs - PERIOD_MS * 1_000 }),
    heard: heardOf(payer, agent, keys),
    token: last.token,
  }
}

/** Timestamps of the payer's clock: what is compared. */
type Span = { readonly ssrc: number; readonly first: number; readonly end: number }

function spanOf(payer: PhoneReport, keys: readonly PressedKey[]): Span {
  const [first] = keys
  const last = keys.at(-1)
  if (first === undefined || last === undefined) throw new Error('no key was pressed')
  const near = payer.sent.reduce((best, packet) =>
    Math.abs(packet.atUs - first.atUs) < Math.abs(best.atUs - first.atUs) ? packet : best,
  )
  const samples = (last.atUs - first.atUs) / 125 + last.onMs * 8
  return { ssrc: near.ssrc, first: near.timestamp, end: (near.timestamp + samples + TAIL_SAMPLES) >>> 0 }
}

/** Every packet time had its packet: nothing was left out because the machine stood still. */
function wasSentWhole(payer: PhoneReport, keys: readonly PressedKey[]): boolean {
  if (keys.length === 0) return false
  const { ssrc, first, end } = spanOf(payer, keys)
  const sent = payer.sent.filter((packet) => packet.ssrc === ssrc && isWithin(packet.timestamp, first - 800, end))
  return sent.every((packet, index) => {
    const before = sent[index - 1]
    return before === undefined || ((packet.timestamp - before.timestamp) | 0) <= Math.max(160, (ON_MS + 20) * 8)
  })
}

function rtpOf(all: readonly LoggedPacket[], span: Span): readonly string[] {
  const within = all.filter(({ timestamp }) => isWithin(timestamp, span.first - 800, span.end))
  // Order of arrival is rtpengine's threads' and the machine's; what was sent is told by the numbers.
  const start = within[0]?.sequence ?? 0
  const place = ({ sequence }: LoggedPacket) => ((sequence - start) << 16) >> 16
  const packets = within.sort((a, b) => place(a) - place(b))
  const keys = Math.round(((span.end - span.first) >>> 0) / KEY_SAMPLES)
  const rows: string[][] = Array.from({ length: keys }, () => [])
  packets.forEach((packet, index) => {
    const before = packets[index - 1]
    const step = before === undefined ? 0 : place(packet) - place(before)
    const at = (packet.timestamp - span.first) | 0
    const source = packet.ssrc === span.ssrc ? 'payer' : 'other'
    const key = Math.min(Math.max(Math.floor(at / KEY_SAMPLES), 0), keys - 1)
    const marker = packet.marker ? 'marker ' : ''
    rows[key]?.push(`${at} +${step} type ${packet.payloadType} ${marker}${packet.payload.length} ${source}`)
  })
  return rows.map((lines) => lines.join('\n'))
}

/** Whether what the agent hears is the noise that it has heard already. */
function noiseOf(agent: PhoneReport, span: Span & { readonly fromUs: number }): HardCall['noise'] {
  const known = new Map<number, number>()
  let repeated = 0
  let other = 0
  for (const packet of agent.received) {
    if (packet.atUs < span.fromUs || !isWithin(packet.timestamp, span.first - NOISE_PERIOD - 1_600, span.end)) continue
    packet.payload.forEach((byte, index) => {
      const place = (packet.timestamp + index) % NOISE_PERIOD
      const seen = known.get(place)
      if (seen === undefined) known.set(place, byte)
      else if (seen === byte) repeated += 1
      else other += 1
    })
  }
  return { repeated, other }
}

function heardOf(payer: PhoneReport, agent: PhoneReport, keys: readonly PressedKey[]): HardCall['heard'] {
  const fromUs = (keys[0]?.atUs ?? 0) - 500_000
  const toUs = (keys.at(-1)?.atUs ?? 0) + 100_000
  const got = new Map(payer.received.map((packet) => [packet.timestamp, packet]))
  let same = 0
  let other = 0
  let missing = 0
  for (const packet of agent.sent) {
    if (packet.atUs < fromUs || packet.atUs > toUs) continue
    const arrived = got.get(packet.timestamp)
    if (arrived === undefined) missing += 1
    else if (isSame(packet, arrived)) same += 1
    else other += 1
  }
  return { same, other, missing }
}

/**
 * What a SIP message says beyond chance: branch, tags, Call-ID, session ids (and so the length of the text), ports and
 * dates are drawn or counted anew for each call, whatever is keyed in it.
 */
export function normalSip(messages: readonly string[]): readonly string[] {
  return messages.map((message) =>
    message
      .replaceAll(/branch=[^;\s]+/g, 'branch=x')
      .replaceAll(/tag=[^;\s>]+/g, 'tag=x')
      .replaceAll(/^(Call-ID|CSeq|Date|Session-ID|Content-Length):.*$/gim, '$1: x')
      .replaceAll(/^o=.*$/gm, 'o=x')
      .replaceAll(/^m=audio \d+/gm, 'm=audio x')
      .replaceAll(/^a=rtcp:\d+/gm, 'a=rtcp:x')
      .replaceAll(/^(Via|Contact|Record-Route|Route):(.*)$/gim, (line) => line.replaceAll(/:\d{4,5}/g, ':x')),
  )
}

/**
 * The states of the payment, and of each field, in order. Two changes within 100 ms may be told in one, so each has its
 * own row. The brand and what follows from it, the last four and the token are declared.
 */
function toldOf(payments: readonly Payment[]): readonly string[] {
  const names = payments.at(-1)?.fields.map(({ name }) => name) ?? []
  const rows = names.map((name) => {
    const field = payments.map(({ fields }) => fields.find((candidate) => candidate.name === name))
    return field.flatMap((seen) =>
      seen === undefined ? [] : [`${seen.state} ${seen.problem ?? ''} ${seen.triesLeft}`],
    )
  })
  const states = payments.map(({ state, failure, masking }) => `${state} ${failure ?? ''} ${masking}`)
  const known = payments.map(({ lastFour, token }) => `${lastFour === null} ${token === null}`)
  return [states, known, ...rows].map((row) => row.filter((text, index) => text !== row[index - 1]).join(', '))
}

function isWithin(timestamp: number, first: number, end: number): boolean {
  const length = (end - first) >>> 0
  return (timestamp - first) >>> 0 < length
}

function isSame(a: LoggedPacket, b: LoggedPacket): boolean {
  return a.payloadType === b.payloadType && Buffer.from(a.payload).equals(Buffer.from(b.payload))
}

/** One key and how long its packets took from the payer's telephone to the agent's, in ms. */
export type TimedKey = { readonly key: string; readonly delaysMs: readonly number[] }

/**
 * Presses keys in one window that masks hard, which need not make a card, and says for each key how long the packets
 * of its time (from its start to the start of the next) were on their way.
 */
export async function timedKeys(plan: Omit<HardCallPlan, 'events'>): Promise<readonly TimedKey[]> {
  const { site, line } = plan
  await line.call()
  await line.payer.speak(false)
  await line.openWindow('hard')
  await delay(BEFORE_KEYS_MS - PERIOD_MS)
  const sinceUs = nowUs()
  await line.payer.press({ keys: plan.keys, transport: plan.transport, onMs: ON_MS, offMs: OFF_MS })
  await site.desk.cancelWindow(line.callId).catch(() => undefined)
  await line.untilState('closed', CLOSED_MS)
  await line.payer.hangup()
  await line.agent.until('ended', { count: line.calls, deadlineMs: EVENT_DEADLINE_MS })
  const [payer, agent] = await Promise.all([line.payer.report(), line.agent.report()])
  const arrived = new Map(agent.received.map((packet) => [packet.timestamp, packet.atUs]))
  const keys = payer.keys.filter(({ atUs }) => atUs >= sinceUs)
  return keys.map(({ key, atUs, onMs }) => {
    const endUs = atUs + (onMs + OFF_MS) * 1_000
    const sent = payer.sent.filter((packet) => packet.payloadType === 0 && packet.atUs >= atUs && packet.atUs < endUs)
    const delaysMs = sent.flatMap((packet) => {
      const at = arrived.get(packet.timestamp)
      return at === undefined ? [] : [(at - packet.atUs) / 1_000]
    })
    return { key, delaysMs }
  })
}
