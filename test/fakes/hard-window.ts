import { encodeAlaw, decodeUlaw } from '../../src/cde/guard/g711.ts'
import { buildRtp, parseRtp } from '../../src/cde/guard/rtp-packet.ts'
import type { GuardToSbc, PrepareWindow } from '../../src/wire/guard-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'
import { payerStream, type PayerPacket } from './payer-stream.ts'
import { seededRandom } from './seeded-random.ts'
import { AGENT, WINDOW_ID, WindowBench } from './window-bench.ts'

/** Every way in which a payer's keys reach a guard. `red`: events inside RFC 2198. */
export const TRANSPORTS = ['inband', 'events', 'both', 'red', 'info'] as const
export type Transport = (typeof TRANSPORTS)[number]

export type HardWindowPlan = {
  /** The only thing in which two runs differ: digits of a card, an expiry and a code, all of one length. */
  readonly keys: readonly number[]
  readonly transport: Transport
  readonly codec: PrepareWindow['codec']
  readonly headers: PrepareWindow['headers']
  /** Part of the packets that never arrive, and how late others come: by packet number, never by what they hold. */
  readonly loss: number
  readonly jitterMs: number
  readonly seed: number
  /** Left out: hard. The other is for a control. */
  readonly masking?: PrepareWindow['masking']
}

/** All that leaves a guard for anybody but the vault, each with its time on the injected clock. */
export type HardTranscript = {
  readonly toAgent: readonly string[]
  readonly toPayer: readonly string[]
  readonly told: readonly string[]
  /** What the vault was given: the control, that the digits did arrive and did differ. */
  readonly cards: readonly string[]
}

const KEY_ON_MS = 80
const KEY_OFF_MS = 80
const FIRST_KEY_MS = 400
const START_MS = 1_000
const PACKET_MS = 20
/** The cool-down of the form, and time to find it over. */
const AFTER_MS = 5_000
const RED_TYPE = 102
const EVENT_TYPE = 101

/**
 * One whole window in hard masking on a clock and a chance of its own: the payer keys a card while the agent speaks.
 * A function of the plan alone, so what differs between two runs that differ in keys comes from the keys.
 */
export function hardWindow(plan: HardWindowPlan): HardTranscript {
  const bench = new WindowBench({
    order: { masking: plan.masking ?? 'hard', codec: plan.codec, headers: plan.headers },
    seed: plan.seed,
  }).open()
  const keysMs = FIRST_KEY_MS + plan.keys.length * (KEY_ON_MS + KEY_OFF_MS)
  for (const act of inTurn([...payerActs(plan, bench), ...agentActs(keysMs + AFTER_MS, bench)])) {
    bench.runTo(act.atMs)
    act.run()
  }
  bench.runTo(START_MS + keysMs + AFTER_MS)
  bench.simple('window.drain')
  bench.runTo(bench.nowMs + 200)
  bench.simple('window.release')
  const sent = (list: WindowBench['toAgent']) => list.map(({ atMs, datagram }) => `${atMs} ${datagram.toString('hex')}`)
  return {
    toAgent: sent(bench.toAgent),
    toPayer: sent(bench.toPayer),
    told: bench.told.map(({ atMs, message }) => `${atMs} ${JSON.stringify(withoutDeclared(message))}`),
    cards: bench.vault.cards,
  }
}

/**
 * What of a guard's word may depend on digits, as SECURITY.md declares it: the brand, from the first digits on, and how
 * many digits a field takes, which follows from it; the last four, once the check digit passed; the token, which ends in
 * them. Everything else is compared as it is, the moment of telling included.
 */
export function withoutDeclared(message: GuardToSbc): GuardToSbc {
  if (message.type !== 'progress') return message
  const progress: WindowProgress = {
    ...message.progress,
    token: message.progress.token === null ? null : 'declared',
    lastFour: message.progress.lastFour === null ? null : 'declared',
    brand: null,
    fields: message.progress.fields.map((field) => ({
      ...field,
      lastFour: field.lastFour === null ? null : 'declared',
      brand: null,
      digitsMax: 0,
    })),
  }
  return { ...message, progress }
}

type Act = { readonly atMs: number; readonly run: () => void }

function inTurn(acts: readonly Act[]): readonly Act[] {
  return [...acts].sort((a, b) => a.atMs - b.atMs)
}

function payerActs(plan: HardWindowPlan, bench: WindowBench): readonly Act[] {
  const { keys, transport, jitterMs, loss, seed } = plan
  const random = seededRandom(seed + 1)
  const stream = payerStream({
    keys: transport === 'info' ? keys.map(() => 0) : keys,
    transport: transport === 'red' || transport === 'info' ? 'events' : transport,
    startMs: START_MS,
    onMs: KEY_ON_MS,
    offMs: KEY_OFF_MS,
    leadMs: FIRST_KEY_MS,
  })
  const silent = stream.filter(({ datagram }) => transport !== 'info' || typeOf(datagram) !== EVENT_TYPE)
  const whole = [...packetsOf(silent, plan), ...roomNoise(silent, plan)]
  const acts: Act[] = whole.flatMap(({ atMs, datagram }) => {
    const lateMs = random.next() * jitterMs
    if (random.next() < loss) return []
    return [{ atMs: atMs + lateMs, run: () => bench.play([{ atMs: bench.nowMs, datagram: Buffer.from(datagram) }]) }]
  })
  if (transport !== 'info') return acts
  const infos = keys.map((key, index) => ({
    atMs: START_MS + FIRST_KEY_MS + index * (KEY_ON_MS + KEY_OFF_MS),
    run: () => {
      const body = Buffer.from(`Signal=${key}\r\nDuration=${KEY_ON_MS}\r\n`).toString('base64')
      bench.order({ type: 'window.info', windowId: WINDOW_ID, relay: true, body })
    },
  }))
  return [...acts, ...infos]
}

/** The payer's line goes on after the last key, until long after the cool-down. */
function roomNoise(stream: readonly PayerPacket[], plan: HardWindowPlan): readonly PayerPacket[] {
  const last = stream.at(-1)
  const audio = stream.findLast(({ datagram }) => typeOf(datagram) === 0)
  const parsed = audio === undefined ? undefined : parseRtp(audio.datagram)
  if (last === undefined || parsed?.kind !== 'rtp') throw new Error('the stream is empty')
  const random = seededRandom(plan.seed + 2)
  const first = last.datagram.readUInt16BE(2) + 1
  const payloadType = plan.codec === 'PCMU' ? 0 : 8
  return Array.from({ length: AFTER_MS / PACKET_MS }, (_, index) => {
    const payload = Buffer.from(Array.from({ length: PACKET_MS * 8 }, () => 0xf0 | random.below(16)))
    const sequence = (first + index) & 0xffff
    const timestamp = (parsed.packet.timestamp + (index + 1) * PACKET_MS * 8) >>> 0
    const { ssrc } = parsed.packet
    return {
      atMs: last.atMs + (index + 1) * PACKET_MS,
      datagram: buildRtp({ payloadType, marker: false, sequence, timestamp, ssrc, payload }),
    }
  })
}

/** In the leg's law, and events wrapped into RED with the one before where the plan asks for it. */
function packetsOf(stream: readonly PayerPacket[], plan: HardWindowPlan): readonly PayerPacket[] {
  let before: { readonly timestamp: number; readonly payload: Buffer } | null = null
  return stream.map(({ atMs, datagram }) => {
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'refused') throw new Error('the stream holds what is no RTP')
    const { packet } = parsed
    if (packet.payloadType === 0) {
      return plan.codec === 'PCMU'
        ? { atMs, datagram }
        : { atMs, datagram: buildRtp({ ...packet, payloadType: 8, payload: alawOf(packet.payload) }) }
    }
    if (plan.transport !== 'red') return { atMs, datagram }
    const earlier: { readonly timestamp: number; readonly payload: Buffer } = before ?? packet
    before = packet
    const offset = (packet.timestamp - earlier.timestamp) >>> 0
    const header = Buffer.of(0x80 | EVENT_TYPE, 0, 0, 0, EVENT_TYPE)
    header.writeUIntBE((offset << 10) | earlier.payload.length, 1, 3)
    const payload = Buffer.concat([header, earlier.payload, packet.payload])
    return { atMs, datagram: buildRtp({ ...packet, payloadType: RED_TYPE, payload }) }
  })
}

/** A voice that is not silence: a byte pattern that the payer's side must get as it is. */
function agentActs(lengthMs: number, bench: WindowBench): readonly Act[] {
  const acts: Act[] = []
  for (let index = 0; index * PACKET_MS < lengthMs; index += 1) {
    const payload = Buffer.from(Array.from({ length: PACKET_MS * 8 }, (_, at) => (index * 7 + at) & 0xff))
    const header = { payloadType: 0, marker: false, sequence: index, timestamp: index * PACKET_MS * 8, ssrc: 0xa9e }
    const datagram = buildRtp({ ...header, payload })
    acts.push({
      atMs: START_MS + 7 + index * PACKET_MS,
      run: () => bench.window.fromAgent(datagram, AGENT, bench.nowMs),
    })
  }
  return acts
}

function typeOf(datagram: Buffer): number {
  return (datagram[1] ?? 0) & 0x7f
}

function alawOf(payload: Uint8Array): Uint8Array {
  const samples = new Int16Array(payload.length)
  decodeUlaw(payload, samples)
  return encodeAlaw(samples)
}
