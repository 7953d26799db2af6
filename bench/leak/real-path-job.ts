import { setTimeout as delay } from 'node:timers/promises'
import { AudioEncoder } from '../../src/demo/audio/audio-encoder.ts'
import { seededRandom } from '../../src/demo/audio/seeded-random.ts'
import { nowUs } from '../../src/demo/monotonic.ts'
import { PAYLOAD_TYPES, type CodecName } from '../../src/demo/phone/sdp-text.ts'
import { PAYER_ADDRESS } from '../../test/fakes/site.ts'
import type { CodecGateway, GatewayCodec } from './codecs-gateway.ts'
import { payerPackets } from './payer-packets.ts'
import { judgeable, type JudgeableCall } from './real-path-call.ts'
import type { Sending, SendingClock, Sent } from './real-path-clock.ts'
import { happen, type Happened, type Moment } from './real-path-moments.ts'
import { BenchPhone } from './real-path-phone.ts'
import type { BenchSite } from './real-path-site.ts'
import { KEYS, type Scenario } from './scenario.ts'
import { LINEAR, makeStimulus, SAMPLES_PER_MS, type Stimulus } from './stimulus.ts'
import type { Voice } from './voices.ts'

/** One row of the real path: what the payer does, and what happens to the call meanwhile. */
export type RealScenario = {
  readonly scenario: Scenario
  readonly masking: 'talk-through' | 'hard'
  /** What the telephones speak; null: G.711 in the scenario's law. */
  readonly codec: 'G722' | GatewayCodec | null
  /** Keys go by SIP INFO, beside what the scenario's transport says. */
  readonly info: boolean
  readonly moment: Moment | null
}

/** One call to be made, with everything computed beforehand that would hold up the clock. */
export type RealJob = {
  readonly row: RealScenario
  readonly stimulus: Stimulus
  /** The stimulus as 16-bit samples. */
  readonly spoken: Int16Array
  readonly sendings: readonly Sending[]
  /** The same packets in the other law, for a change of codec. */
  readonly otherSendings: readonly Sending[]
  readonly seed: number
}

/** The window must be proven before the first key. */
const LEAD_MS = 5_000
/** Keying a card takes longer. */
const PAID_LEAD_MS = 10_000
/** Calls do not begin in the same millisecond. */
const STAGGER_MS = 37
const AGENT_ADDRESS = '127.0.0.3'
const AGENT_PACKET_MS = 20
const AGENT_PACKETS_MAX = 5_000
/** For what the guard still holds. */
const TAIL_MS = 400
const RTP_HEADER_BYTES = 12

/** Makes what a call needs to be played. */
export function prepareJob(
  row: RealScenario,
  options: {
    readonly keys: number
    readonly seed: number
    readonly voices: readonly Voice[]
    readonly leadMs?: number
  },
): RealJob {
  const firstKeyMs = options.leadMs ?? (row.moment === 'paid' ? PAID_LEAD_MS : LEAD_MS)
  const scenario = { ...row.scenario, firstKeyMs, keysPerCall: options.keys }
  const stimulus = makeStimulus(scenario, options)
  const packets = payerPackets(scenario, stimulus, options.seed + 1)
  const table = LINEAR[scenario.law]
  const spoken = Int16Array.from(stimulus.audio, (byte) => table[byte] ?? 0)
  const size = scenario.ptimeMs * SAMPLES_PER_MS
  const encoded = (codec: CodecName): readonly Sending[] => {
    const encoder = new AudioEncoder()
    const payloads = Array.from({ length: spoken.length / size }, (_, index) =>
      encoder.encode(spoken.subarray(index * size, (index + 1) * size), codec),
    )
    return packets.map(({ atMs, datagram, position, kind }) => {
      const payload = kind === 'event' ? undefined : payloads[position / size]
      return { atMs, datagram: payload === undefined ? datagram : recoded(datagram, codec, payload) }
    })
  }
  return {
    row,
    stimulus,
    spoken,
    sendings: row.codec === 'G722' ? encoded('G722') : packets,
    otherSendings: row.moment === 'codec' ? encoded(scenario.law === 'ulaw' ? 'PCMA' : 'PCMU') : [],
    seed: options.seed,
  }
}

/**
 * Plays one call through the whole product. What it returns lays the recordings out, which takes a while and is to be
 * done when no call is on the clock. Rejects when the call or its window does not come about.
 */
export async function playJob(
  job: RealJob,
  options: {
    readonly site: BenchSite
    readonly clock: SendingClock
    readonly gateway: CodecGateway | null
    /** Its number among those that run at the same time. */
    readonly index: number
  },
): Promise<() => JudgeableCall> {
  const { row, stimulus } = job
  const { site, clock } = options
  await delay(options.index * STAGGER_MS)
  const phones = await openPhones(row, options.gateway)
  const call = await site.call(phones).catch((error: unknown) => {
    phones.payer.close()
    phones.agent.close()
    throw error
  })
  const stop = new AbortController()
  try {
    const own: CodecName = row.scenario.law === 'ulaw' ? 'PCMU' : 'PCMA'
    let isOther = false
    const startUs = nowUs()
    const spokenMs = job.spoken.length / SAMPLES_PER_MS
    const fromPayer = clock.play({
      sendings: job.sendings,
      startUs,
      stopped: stop.signal,
      send: (sending, index) => {
        const datagram = (isOther ? job.otherSendings[index]?.datagram : undefined) ?? sending.datagram
        return phones.payer.send(datagram) ? datagram : null
      },
    })
    const fromAgent = clock.play({
      sendings: agentPackets(row.codec === 'G722' ? 'G722' : own, spokenMs),
      startUs,
      stopped: stop.signal,
      send: ({ datagram }) => (phones.agent.send(datagram) ? datagram : null),
    })
    const infos = row.info
      ? tellKeys(job, (key, onMs) => call.info(key, onMs), { startUs, stopped: stop.signal })
      : null
    const happened = await happen(row.moment, {
      site,
      call,
      index: options.index,
      presses: stimulus.presses,
      masking: row.masking,
      law: row.scenario.law,
      random: seededRandom(job.seed + 2),
      startUs,
      endUs: startUs + spokenMs * 1_000,
      speaks: (codec) => {
        isOther = codec !== own
      },
    })
    const [sent, agentSent]: readonly (readonly Sent[])[] = await Promise.all([fromPayer, fromAgent])
    await infos
    await delay(TAIL_MS)
    const atEnd = await site.desk.payment(call.callId).catch(() => null)
    const turnedHard = row.masking === 'talk-through' && atEnd?.masking === 'hard'
    return judged(job, {
      turnedHard,
      happened,
      startUs,
      sent: sent ?? [],
      agentSent: agentSent?.length ?? 0,
      call,
      phones,
    })
  } finally {
    stop.abort()
    await call.close()
  }
}

function judged(
  job: RealJob,
  played: {
    readonly turnedHard: boolean
    readonly happened: Happened
    readonly startUs: number
    readonly sent: readonly Sent[]
    readonly agentSent: number
    readonly call: Awaited<ReturnType<BenchSite['call']>>
    readonly phones: { readonly payer: BenchPhone; readonly agent: BenchPhone }
  },
): () => JudgeableCall {
  const { call, phones } = played
  return () =>
    judgeable({
      presses: job.stimulus.presses,
      spoken: job.spoken,
      isExact: false,
      turnedHard: played.turnedHard,
      startUs: played.startUs,
      happened: played.happened,
      sent: played.sent,
      received: phones.agent.received,
      infosSent: call.payer.infosSent,
      infosReceived: call.agent.infos,
      payerHeard: phones.payer.received.length / Math.max(1, played.agentSent),
    })
}

async function openPhones(
  row: RealScenario,
  gateway: CodecGateway | null,
): Promise<{ readonly payer: BenchPhone; readonly agent: BenchPhone }> {
  const { codec, scenario, moment } = row
  const own: CodecName = scenario.law === 'ulaw' ? 'PCMU' : 'PCMA'
  const behind = codec === null || codec === 'G722' || gateway === null ? {} : { gateway: gateway.inFront(codec) }
  const spoken: readonly CodecName[] = codec === 'G722' ? ['G722'] : [own]
  const common = { ptimeMs: scenario.ptimeMs, ...behind }
  const payer = await BenchPhone.open({ address: PAYER_ADDRESS, codecs: spoken, ...common })
  // Where the payer changes its codec, the agent takes either.
  const taken: readonly CodecName[] = moment === 'codec' ? ['PCMU', 'PCMA'] : spoken
  const agent = await BenchPhone.open({ address: AGENT_ADDRESS, codecs: taken, ...common })
  return { payer, agent }
}

/** Tells each key by INFO when it is pressed. */
async function tellKeys(
  job: RealJob,
  tell: (key: string, onMs: number) => void,
  options: { readonly startUs: number; readonly stopped: AbortSignal },
): Promise<void> {
  for (const { key, start, samples } of job.stimulus.presses) {
    const leftMs = (options.startUs + start * 125 - nowUs()) / 1_000
    if (leftMs > 0) await delay(leftMs)
    if (options.stopped.aborted) return
    tell(KEYS[key] ?? '', Math.round(samples / SAMPLES_PER_MS))
  }
}

/** The same packet with its audio in another codec. */
function recoded(datagram: Buffer, codec: CodecName, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(RTP_HEADER_BYTES + payload.length)
  datagram.copy(out, 0, 0, RTP_HEADER_BYTES)
  out[1] = ((datagram[1] ?? 0) & 0x80) | PAYLOAD_TYPES[codec]
  out.set(payload, RTP_HEADER_BYTES)
  return out
}

/** An agent who listens: silence, as all packets of a telephone are. */
function agentPackets(codec: CodecName, lengthMs: number): readonly Sending[] {
  const count = Math.min(AGENT_PACKETS_MAX, Math.floor(lengthMs / AGENT_PACKET_MS))
  return Array.from({ length: count }, (_, index) => {
    const datagram = Buffer.alloc(RTP_HEADER_BYTES + AGENT_PACKET_MS * SAMPLES_PER_MS, codec === 'PCMA' ? 0xd5 : 0xff)
    datagram[0] = 0x80
    datagram[1] = PAYLOAD_TYPES[codec]
    datagram.writeUInt16BE(index & 0xffff, 2)
    datagram.writeUInt32BE(index * AGENT_PACKET_MS * SAMPLES_PER_MS, 4)
    datagram.writeUInt32BE(0xa6e7, 8)
    return { atMs: index * AGENT_PACKET_MS, datagram }
  })
}
