import { seededRandom } from '../../src/demo/audio/seeded-random.ts'
import type { Scenario } from './scenario.ts'
import { audibleSamples, SAMPLES_PER_MS, type KeyPress, type Stimulus } from './stimulus.ts'

/** A datagram of the payer's, and when it comes: milliseconds since the call's first sample was taken. */
export type PayerPacket = {
  readonly atMs: number
  readonly datagram: Buffer
  /** Place of its first sample in the call; for an event packet the place of the event. */
  readonly position: number
  readonly kind: 'audio' | 'event'
}

/** So that timestamp and sequence number wrap within the call. */
export const FIRST_TIMESTAMP = 4_294_960_000
const FIRST_SEQUENCE = 65_500
const SSRC = 0x1ea4
export const EVENT_PAYLOAD_TYPE = 101

/** RFC 4733 section 2.5.1.4: the last packet of an event is sent three times. */
const END_PACKETS = 3
/** Event numbers of RFC 4733 section 3.2, in the order of KEYS. */
const EVENTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 11] as const

/** What a payer's telephone and the network make of a stimulus, in order of arrival. */
export function payerPackets(scenario: Scenario, stimulus: Stimulus, seed: number): readonly PayerPacket[] {
  const random = seededRandom(seed)
  const { network, transport } = scenario
  const size = scenario.ptimeMs * SAMPLES_PER_MS
  const out: PayerPacket[] = []
  let sequence = FIRST_SEQUENCE
  let losing = false
  // Loss at random comes in such bursts by itself.
  const burst = Math.max(network.burst, 1 / (1 - network.loss))
  const send = (packet: {
    position: number
    kind: 'audio' | 'event'
    due: number
    payload: Uint8Array
    mark: boolean
  }) => {
    const payloadType = packet.kind === 'event' ? EVENT_PAYLOAD_TYPE : scenario.law === 'ulaw' ? 0 : 8
    const datagram = rtp({
      payloadType,
      mark: packet.mark,
      sequence,
      timestamp: packet.position,
      payload: packet.payload,
    })
    sequence += 1
    // Two states (Gilbert): a burst goes on so that its mean length holds, and begins so often that the loss holds.
    losing = random() < (losing ? 1 - 1 / burst : network.loss / (burst * (1 - network.loss)))
    if (losing) return
    const times = random() < network.duplicates ? 2 : 1
    for (let time = 0; time < times; time += 1) {
      const atMs = packet.due / SAMPLES_PER_MS + random() * network.jitterMs
      out.push({ atMs, datagram, position: packet.position, kind: packet.kind })
    }
  }
  for (let at = 0; at + size <= stimulus.audio.length; at += size) {
    const due = at + size
    const events = transport.events === 'none' ? [] : eventsAt(scenario, stimulus.presses, { from: at, size })
    const replaced = transport.events === 'instead' && isReplaced(scenario, stimulus.presses, { from: at, size })
    if (!replaced) send({ position: at, kind: 'audio', due, payload: stimulus.audio.subarray(at, due), mark: at === 0 })
    for (const event of events) send({ ...event, kind: 'event', due })
  }
  return out.sort((first, second) => first.atMs - second.atMs)
}

/** The event packets due when the audio packet that begins here is sent. */
function eventsAt(
  scenario: Scenario,
  presses: readonly KeyPress[],
  packet: { readonly from: number; readonly size: number },
): readonly { readonly position: number; readonly payload: Uint8Array; readonly mark: boolean }[] {
  const now = packet.from + packet.size
  const due: { position: number; payload: Uint8Array; mark: boolean }[] = []
  for (const press of presses) {
    const start = eventStart(scenario, press)
    const stop = press.start + press.samples
    if (now <= start || packet.from >= stop || stop <= start) continue
    const isEnd = now >= stop
    const duration = Math.min(now, stop) - start
    const payload = Uint8Array.from([EVENTS[press.key] ?? 0, isEnd ? 0x8a : 0x0a, duration >> 8, duration & 0xff])
    const mark = packet.from <= start
    for (let time = 0; time < (isEnd ? END_PACKETS : 1); time += 1)
      due.push({ position: start, payload, mark: mark && time === 0 })
  }
  return due
}

/** A gateway that sends events sends no audio packet for the time that an event covers whole. */
function isReplaced(
  scenario: Scenario,
  presses: readonly KeyPress[],
  packet: { readonly from: number; readonly size: number },
): boolean {
  return presses.some(
    (press) => packet.from >= eventStart(scenario, press) && packet.from + packet.size <= press.start + press.samples,
  )
}

/** Events begin where a gateway has cut the tone; beside whole tones they begin with them. */
function eventStart(scenario: Scenario, press: KeyPress): number {
  return typeof scenario.transport.tone === 'object' ? press.start + audibleSamples(scenario, press) : press.start
}

/** RFC 3550 section 5.1; a builder of its own, for the bench plays the outside world. */
function rtp(packet: {
  readonly payloadType: number
  readonly mark: boolean
  readonly sequence: number
  readonly timestamp: number
  readonly payload: Uint8Array
}): Buffer {
  const datagram = Buffer.allocUnsafe(12 + packet.payload.length)
  datagram[0] = 0x80
  datagram[1] = (packet.mark ? 0x80 : 0) | packet.payloadType
  datagram.writeUInt16BE(packet.sequence & 0xffff, 2)
  datagram.writeUInt32BE((FIRST_TIMESTAMP + packet.timestamp) % 2 ** 32, 4)
  datagram.writeUInt32BE(SSRC, 8)
  datagram.set(packet.payload, 12)
  return datagram
}
