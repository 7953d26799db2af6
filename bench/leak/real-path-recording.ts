import { decodeALaw, decodeMuLaw } from '../../src/demo/audio/g711.ts'
import { G722Decoder } from '../../src/demo/audio/g722.ts'
import { HalfBand } from '../../src/demo/audio/half-band.ts'
import { toneSample } from '../../src/demo/audio/tone-pair.ts'
import { eventsOf, infoKeyOf } from '../../src/demo/judge/out-of-band-judge.ts'
import { signed32 } from '../../src/demo/judge/recording.ts'
import type { LoggedInfo, LoggedPacket } from '../../src/demo/phone/phone-protocol.ts'
import { PAYLOAD_TYPES } from '../../src/demo/phone/sdp-text.ts'
import { FIRST_TIMESTAMP } from './payer-packets.ts'

/** What a recorder on one side has of a call, on the payer's own clock: sample n was spoken n * 125 us after the first. */
export type SideRecording = {
  readonly samples: Int16Array
  /** The same without what was told by events and INFO. */
  readonly audio: Int16Array
  /** 1 where audio was received. */
  readonly held: Uint8Array
  /** Every received audio packet that could be placed, and the place of its first sample. */
  readonly placed: readonly PlacedPacket[]
  /** Audio packets for which no place was found. */
  readonly unplaced: number
  /** How many of them were placed by their arrival alone, since nothing told more. */
  readonly guessed: number
  /** Keys that were told by events or INFO, whoever reads the audio. */
  readonly told: number
}
export type PlacedPacket = { readonly packet: LoggedPacket; readonly position: number; readonly samples: number }

const SAMPLE_US = 125
/** A packet this far from where its timestamp puts it starts a new run: the sender's clock was changed. */
const JUMP_US = 100_000
/**
 * Timestamps are the payer's own when this part of a run's packets has one that an audio packet of the payer had; the rest
 * are packets that a masker put in the place of events. By chance none has.
 */
const OWN_TIMESTAMPS = 0.4
/** A path delays by no more. */
const DELAY_MAX_US = 1_000_000
/** Before where arrival puts a run, in which its audio is looked for: half a second. */
const SEARCH_SAMPLES = 4_000
const STRETCH_SAMPLES = 12_000
/** Correlation of the right place with what was sent, where there is speech. Codecs with a model of the voice lower it. */
const ALIKE = 0.35
/** The same where the place is known to 120 ms, so that little else can be taken for it. */
const ALIKE_NEAR = 0.15
const NEAR_SAMPLES = 960
const EVENT_SAMPLES_MIN = 320
const RENDERED = { lowDbm0: -10, highDbm0: -8 } as const

/**
 * Lays what one side received on the payer's clock. Runs whose timestamps are the payer's go where these say, exact to
 * the sample. Runs with timestamps of their own go where they sound like what was sent, and where that is not to be
 * heard, where their arrival says. Telephone-events and INFO are rendered as the tones that they stand for.
 */
export function recordCall(call: {
  readonly sent: readonly LoggedPacket[]
  readonly received: readonly LoggedPacket[]
  readonly infos: readonly LoggedInfo[]
  /** The payer's audio in 16-bit units on its own clock; its length is the recording's. */
  readonly spoken: Int16Array
  /** Set where timestamps may fall behind by packets of so many ms: then a packet goes where its neighbours' arrivals say. */
  readonly slipMs?: number | undefined
}): SideRecording {
  const { sent, spoken } = call
  const samples = new Int16Array(spoken.length)
  const held = new Uint8Array(spoken.length)
  const placed: PlacedPacket[] = []
  const offsets: { readonly ssrc: number; readonly fromUs: number; readonly toUs: number; readonly offset: number }[] =
    []
  const positions = new Set(sent.filter(isVoice).map((packet) => packet.timestamp))
  const startUs = Math.min(...sent.filter(isVoice).map((packet) => packet.atUs - positionOf(packet) * SAMPLE_US))
  const shape = new Spoken(spoken)
  const runs = runsOf(call.received.filter(isVoice)).map((run) => ({ run, pieces: decodeRun(run) }))
  const aligned = (delay: number | null): readonly Aligned[] =>
    runs.map(({ run, pieces }) =>
      call.slipMs === undefined
        ? offsetOf(run, { positions, pieces, spoken: shape, startUs, delay })
        : { offset: 0, isSure: true },
    )
  let offsetsOfRuns = aligned(null)
  const delays = runs.flatMap(({ run }, index) => {
    const found = offsetsOfRuns[index]
    return found?.isSure === true ? [arrivalOffset(run, startUs) - found.offset] : []
  })
  const delay = delays.sort((first, second) => first - second)[delays.length >> 1]
  // Runs too short to be found again take the delay of those that were.
  if (delay !== undefined && offsetsOfRuns.some(({ isSure }) => !isSure)) {
    const again = aligned(delay)
    offsetsOfRuns = offsetsOfRuns.map((found, index) => (found.isSure ? found : (again[index] ?? found)))
  }
  let unplaced = 0
  let guessed = 0
  /** How late the call's first packets were. */
  let slipBase: number | null = null
  for (const [place, { run, pieces }] of runs.entries()) {
    const offset = offsetsOfRuns[place]?.offset ?? 0
    const [first, last] = [run[0], run.at(-1)]
    if (first === undefined || last === undefined) continue
    if (offsetsOfRuns[place]?.isSure !== true) guessed += run.length
    offsets.push({ ssrc: first.ssrc, fromUs: first.atUs, toUs: last.atUs, offset })
    const slips: Slips | null =
      call.slipMs === undefined ? null : slipsOf(run, { startUs, slipSamples: call.slipMs * 8, base: slipBase })
    slipBase ??= slips?.base ?? null
    for (const [index, packet] of run.entries()) {
      const position = positionOf(packet) + offset + (slips?.slips[index] ?? 0)
      const piece = pieces[index] ?? NOTHING
      if (position + piece.length <= 0 || position >= spoken.length) {
        unplaced += 1
        continue
      }
      placed.push({ packet, position, samples: piece.length })
      for (const [at, sample] of piece.entries()) {
        const place = position + at
        if (place < 0 || place >= samples.length || held[place] === 1) continue
        samples[place] = sample
        held[place] = 1
      }
    }
  }
  const audio = samples.slice()
  const events = eventsOf(call.received)
  for (const event of events) {
    const run = offsets.findLast(({ ssrc, fromUs }) => ssrc === event.ssrc && fromUs <= event.atUs) ?? offsets.at(-1)
    render(samples, {
      key: event.key,
      at: signed32(event.timestamp - FIRST_TIMESTAMP) + (run?.offset ?? 0),
      length: event.durationSamples,
    })
  }
  const infos = call.infos.flatMap((info) => {
    const read = infoKeyOf(info)
    return read === undefined ? [] : [{ ...read, at: Math.round((info.atUs - startUs) / SAMPLE_US) }]
  })
  for (const { key, at, durationMs } of infos) render(samples, { key, at, length: durationMs * 8 })
  return { samples, audio, held, placed, unplaced, guessed, told: events.length + infos.length }
}

/** Place of a packet's first sample on the payer's clock, if its timestamp is the payer's. */
function positionOf(packet: LoggedPacket): number {
  return signed32(packet.timestamp - FIRST_TIMESTAMP)
}

const NOTHING = new Int16Array(0)
const VOICE_TYPES: ReadonlySet<number> = new Set(Object.values(PAYLOAD_TYPES))

function isVoice(packet: LoggedPacket): boolean {
  return VOICE_TYPES.has(packet.payloadType)
}

/** Packets of one source whose timestamps and arrivals go together, in order of timestamp; repetitions are left out. */
function runsOf(received: readonly LoggedPacket[]): readonly (readonly LoggedPacket[])[] {
  const runs: LoggedPacket[][] = []
  const current = new Map<number, LoggedPacket[]>()
  for (const packet of received) {
    const run = current.get(packet.ssrc)
    const first = run?.[0]
    const expectedUs = first === undefined ? 0 : first.atUs + signed32(packet.timestamp - first.timestamp) * SAMPLE_US
    if (run !== undefined && first !== undefined && Math.abs(expectedUs - packet.atUs) <= JUMP_US) run.push(packet)
    else {
      const fresh = [packet]
      current.set(packet.ssrc, fresh)
      runs.push(fresh)
    }
  }
  return runs.map((run) => {
    const seen = new Set<number>()
    return run
      .filter(({ timestamp }) => !seen.has(timestamp) && seen.add(timestamp))
      .sort((first, second) => signed32(first.timestamp - second.timestamp))
  })
}

/** G.722 remembers, so a run is decoded in its order. */
function decodeRun(run: readonly LoggedPacket[]): readonly Int16Array[] {
  const g722 = new G722Decoder()
  const halver = new HalfBand()
  return run.map(({ payloadType, payload }) => {
    if (payloadType === PAYLOAD_TYPES.PCMU) return decodeMuLaw(payload)
    if (payloadType === PAYLOAD_TYPES.PCMA) return decodeALaw(payload)
    return halver.halve(g722.decode(payload))
  })
}

type Aligned = { readonly offset: number; readonly isSure: boolean }

/** What must be added to a run's timestamps to have places on the payer's clock. */
function offsetOf(
  run: readonly LoggedPacket[],
  about: {
    readonly positions: ReadonlySet<number>
    readonly pieces: readonly Int16Array[]
    readonly spoken: Spoken
    readonly startUs: number
    /** How long the path was found to take in another run, in samples. */
    readonly delay: number | null
  },
): Aligned {
  const isPlausible = (packet: LoggedPacket): boolean => {
    const lateUs = packet.atUs - about.startUs - positionOf(packet) * SAMPLE_US
    return lateUs >= 0 && lateUs < DELAY_MAX_US
  }
  const known = run.filter(({ timestamp }) => about.positions.has(timestamp)).length
  if (known >= OWN_TIMESTAMPS * run.length && run.every(isPlausible)) return { offset: 0, isSure: true }
  const first = run[0]
  if (first === undefined) return { offset: 0, isSure: false }
  // The packet that was under way the shortest sets the clock; how long the path takes, only the audio says.
  const byArrival = arrivalOffset(run, about.startUs)
  const end = run.reduce(
    (most, packet, index) =>
      Math.max(most, signed32(packet.timestamp - first.timestamp) + (about.pieces[index]?.length ?? 0)),
    0,
  )
  const heard = new Float64Array(end)
  for (const [index, packet] of run.entries()) {
    const at = signed32(packet.timestamp - first.timestamp)
    for (const [n, sample] of (about.pieces[index] ?? NOTHING).entries()) heard[at + n] = sample
  }
  // Where another run has told how long the path takes, this one took about as long: a masker's look-ahead more or less.
  const moves =
    about.delay === null
      ? { from: -SEARCH_SAMPLES, to: 0 }
      : { from: -about.delay - NEAR_SAMPLES, to: Math.min(0, NEAR_SAMPLES - about.delay) }
  const best = about.spoken.find(heard, { base: byArrival + positionOf(first), moves })
  if (best.alike >= (about.delay === null ? ALIKE : ALIKE_NEAR)) return { offset: byArrival + best.move, isSure: true }
  return { offset: byArrival - (about.delay ?? 0), isSure: false }
}

type Slips = { readonly slips: readonly number[]; readonly base: number }

/** Packets on either side whose arrival tells how far timestamps have slipped. */
const SLIP_NEIGHBOURS = 12

/**
 * A relay that writes a new timestamp to each packet it makes falls behind by a packet for each that was lost; who has the
 * times of arrival sees it. In whole packets, against how the call began.
 */
function slipsOf(
  run: readonly LoggedPacket[],
  clock: { readonly startUs: number; readonly slipSamples: number; readonly base: number | null },
): Slips {
  const late = run.map((packet) => (packet.atUs - clock.startUs) / SAMPLE_US - positionOf(packet))
  const around = (index: number): number => {
    const near = late.slice(Math.max(0, index - SLIP_NEIGHBOURS), index + SLIP_NEIGHBOURS + 1)
    return near.sort((first, second) => first - second)[near.length >> 1] ?? 0
  }
  const base = clock.base ?? around(0)
  const slips = run.map((_packet, index) => clock.slipSamples * Math.round((around(index) - base) / clock.slipSamples))
  return { slips, base }
}

function arrivalOffset(run: readonly LoggedPacket[], startUs: number): number {
  return Math.round(Math.min(...run.map((packet) => (packet.atUs - startUs) / SAMPLE_US - positionOf(packet))))
}

/** What the payer said, in which what the agent heard is found again. */
class Spoken {
  readonly #samples: Float64Array
  readonly #energy: Float64Array

  constructor(samples: Int16Array) {
    this.#samples = Float64Array.from(samples)
    this.#energy = new Float64Array(samples.length + 1)
    for (const [n, sample] of samples.entries()) this.#energy[n + 1] = (this.#energy[n] ?? 0) + sample * sample
  }

  /** By how many samples `heard`, whose first sample is laid at `base`, must be moved to be most like what was spoken. */
  find(
    heard: Float64Array,
    where: { readonly base: number; readonly moves: { readonly from: number; readonly to: number } },
  ): { readonly move: number; readonly alike: number } {
    const { base, moves } = where
    let best = { move: 0, alike: 0 }
    for (const from of loudest(heard)) {
      let energy = 0
      for (let n = from; n < from + STRETCH_SAMPLES; n += 1) energy += (heard[n] ?? 0) ** 2
      for (let move = moves.from; move <= moves.to; move += 1) {
        const at = base + from + move
        if (at < 0 || at + STRETCH_SAMPLES > this.#samples.length) continue
        let product = 0
        for (let n = 0; n < STRETCH_SAMPLES; n += STEP) product += (heard[from + n] ?? 0) * (this.#samples[at + n] ?? 0)
        if (product <= 0) continue
        const spoken = (this.#energy[at + STRETCH_SAMPLES] ?? 0) - (this.#energy[at] ?? 0)
        const alike = (STEP * product) / Math.sqrt(energy * spoken)
        if (alike > best.alike) best = { move, alike }
      }
    }
    return best
  }
}

/** Where the few loudest stretches begin: there is most to be found again. */
function loudest(heard: Float64Array): readonly number[] {
  const energies: { from: number; energy: number }[] = []
  for (let from = 0; from + STRETCH_SAMPLES <= heard.length; from += STRETCH_SAMPLES / 2) {
    let energy = 0
    for (let n = from; n < from + STRETCH_SAMPLES; n += STEP) energy += (heard[n] ?? 0) ** 2
    if (energy > 0) energies.push({ from, energy })
  }
  return energies
    .sort((first, second) => second.energy - first.energy)
    .slice(0, STRETCHES_MAX)
    .map(({ from }) => from)
}

/** Stretches looked at in one run, and samples left out between two that are compared. */
const STRETCHES_MAX = 6
const STEP = 3

function render(
  samples: Int16Array,
  tone: { readonly key: string; readonly at: number; readonly length: number },
): void {
  const length = Math.max(EVENT_SAMPLES_MIN, tone.length)
  for (let n = 0; n < length; n += 1) {
    const place = tone.at + n
    if (place >= 0 && place < samples.length) samples[place] = Math.round(toneSample(tone.key, n, RENDERED))
  }
}
