import { decodeALaw, decodeMuLaw } from '../audio/g711.ts'
import { G722Decoder } from '../audio/g722.ts'
import { HalfBand } from '../audio/half-band.ts'
import { toneSample } from '../audio/tone-pair.ts'
import { formatWav } from '../audio/wav.ts'
import type { LoggedInfo, LoggedPacket } from '../phone/phone-protocol.ts'
import { PAYLOAD_TYPES } from '../phone/sdp-text.ts'
import { eventsOf, infoKeyOf } from './out-of-band-judge.ts'

/** Mono 8 kHz audio; sample n belongs to the monotonic time startUs + n * 125 us. */
export type Recording = { readonly startUs: number; readonly samples: Int16Array }

export type Recordable = { readonly packets: readonly LoggedPacket[]; readonly infos: readonly LoggedInfo[] }

const SAMPLE_US = 125

/** A packet this far from where its timestamp puts it starts a new run: the sender's clock has jumped. */
const JUMP_US = 100_000

/** Longer recordings than an hour are refused by cutting: no call here lasts so long. */
const SAMPLES_MAX = 8_000 * 3_600

/** An event is rendered for at least this long, as a gateway would, so that a receiver can read it. */
const EVENT_SAMPLES_MIN = 320

const TONE_LEVEL = { lowDbm0: -10, highDbm0: -8 } as const

/**
 * What a recorder on one side would have: the audio of all RTP in PCMU, PCMA or G722, placed by timestamp, with
 * telephone-events and INFO digits rendered as the tones they stand for. A gateway or recorder behind the agent
 * could do exactly this, so a judge of tones sees every transport.
 */
export function recordSide(side: Recordable): Recording {
  const times = [...side.packets.map(({ atUs }) => atUs), ...side.infos.map(({ atUs }) => atUs)]
  const startUs = times.reduce((first, time) => Math.min(first, time), times[0] ?? 0)
  const pieces = [...audioPieces(side.packets), ...tonePieces(side)]
  const length = pieces.reduce((end, { atUs, samples }) => Math.max(end, sampleAt(startUs, atUs) + samples.length), 0)
  const samples = new Int16Array(Math.min(length, SAMPLES_MAX))
  for (const piece of pieces) {
    const at = sampleAt(startUs, piece.atUs)
    for (const [offset, sample] of piece.samples.entries()) {
      if (at + offset >= 0 && at + offset < samples.length) samples[at + offset] = sample
    }
  }
  return { startUs, samples }
}

/** The recording as a WAV file. */
export function recordingWav(recording: Recording): Buffer {
  return formatWav({ rateHz: 8_000, samples: recording.samples })
}

/** Decoded audio of one packet, and when its first sample belongs. */
export type AudioPiece = { readonly packet: LoggedPacket; readonly atUs: number; readonly samples: Int16Array }

/** All audio packets, decoded per SSRC in order of sequence and placed by timestamp on the clock of their run. */
export function audioPieces(packets: readonly LoggedPacket[]): readonly AudioPiece[] {
  return [...streamsOf(packets.filter(isAudio)).values()].flatMap((stream) => {
    const decoder = new StreamDecoder()
    return runsOf(inSequence(stream)).flatMap((run) => {
      const clockUs = run.reduce((least, { atUs, timestamp }) => {
        return Math.min(least, atUs - signed32(timestamp - (run[0]?.timestamp ?? 0)) * SAMPLE_US)
      }, Infinity)
      return run.map((packet): AudioPiece => {
        const atUs = clockUs + signed32(packet.timestamp - (run[0]?.timestamp ?? 0)) * SAMPLE_US
        return { packet, atUs, samples: decoder.decode(packet) }
      })
    })
  })
}

/** Cuts a stream where the sender's clock jumps. The packet that was under way the shortest sets a run's clock. */
function runsOf(stream: readonly LoggedPacket[]): readonly (readonly LoggedPacket[])[] {
  const runs: LoggedPacket[][] = []
  for (const packet of stream) {
    const run = runs.at(-1)
    const first = run?.[0]
    const expectedUs = first === undefined ? 0 : first.atUs + signed32(packet.timestamp - first.timestamp) * SAMPLE_US
    const fits = first !== undefined && Math.abs(expectedUs - packet.atUs) <= JUMP_US
    if (run !== undefined && fits) run.push(packet)
    else runs.push([packet])
  }
  return runs
}

/** True for a payload type that this house decodes as audio. */
export function isAudio(packet: LoggedPacket): boolean {
  return AUDIO_TYPES.has(packet.payloadType)
}

const AUDIO_TYPES: ReadonlySet<number> = new Set(Object.values(PAYLOAD_TYPES))

/** Decodes one stream; G.722 remembers, so packets must come in order. */
class StreamDecoder {
  readonly #g722 = new G722Decoder()
  readonly #halver = new HalfBand()

  /** 8 kHz samples; none when the packet is not audio. */
  decode(packet: LoggedPacket): Int16Array {
    switch (packet.payloadType) {
      case PAYLOAD_TYPES.PCMU:
        return decodeMuLaw(packet.payload)
      case PAYLOAD_TYPES.PCMA:
        return decodeALaw(packet.payload)
      case PAYLOAD_TYPES.G722:
        return this.#halver.halve(this.#g722.decode(packet.payload))
      default:
        return new Int16Array(0)
    }
  }
}

/** Tones for telephone-events, at their timestamp where the stream's audio says what that means, and for INFO. */
function tonePieces(side: Recordable): readonly { readonly atUs: number; readonly samples: Int16Array }[] {
  const audio = audioPieces(side.packets)
  const events = eventsOf(side.packets).map((event) => {
    const before = audio.findLast(
      ({ packet, atUs }) => packet.ssrc === event.ssrc && atUs <= event.atUs && event.atUs - atUs < 5_000_000,
    )
    const byTimestamp =
      before === undefined ? event.atUs : before.atUs + signed32(event.timestamp - before.packet.timestamp) * SAMPLE_US
    const atUs = Math.abs(byTimestamp - event.atUs) > JUMP_US ? event.atUs : byTimestamp
    return { atUs, samples: tone(event.key, Math.max(EVENT_SAMPLES_MIN, event.durationSamples)) }
  })
  const infos = side.infos.flatMap((info) => {
    const read = infoKeyOf(info)
    if (read === undefined) return []
    return [{ atUs: info.atUs, samples: tone(read.key, Math.max(EVENT_SAMPLES_MIN, read.durationMs * 8)) }]
  })
  return [...events, ...infos]
}

function tone(key: string, length: number): Int16Array {
  return Int16Array.from({ length }, (_, at) => Math.round(toneSample(key, at, TONE_LEVEL)))
}

export function streamsOf(packets: readonly LoggedPacket[]): ReadonlyMap<number, readonly LoggedPacket[]> {
  return Map.groupBy(packets, ({ ssrc }) => ssrc)
}

/** Packets of one stream by extended sequence number (RFC 3550 appendix A.1); a repeated packet counts once. */
function inSequence(stream: readonly LoggedPacket[]): readonly LoggedPacket[] {
  let last: number | undefined
  const byOrder = new Map<number, LoggedPacket>()
  for (const packet of stream) {
    const step = last === undefined ? 0 : signed16(packet.sequence - (last & 0xffff))
    const order: number = last === undefined ? packet.sequence : last + step
    last = Math.max(last ?? order, order)
    if (!byOrder.has(order)) byOrder.set(order, packet)
  }
  return [...byOrder].sort(([first], [second]) => first - second).map(([, packet]) => packet)
}

export function signed32(difference: number): number {
  return difference | 0
}

function signed16(difference: number): number {
  return (difference << 16) >> 16
}

function sampleAt(startUs: number, atUs: number): number {
  return Math.round((atUs - startUs) / SAMPLE_US)
}
