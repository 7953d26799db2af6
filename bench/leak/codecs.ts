import { setTimeout as delay } from 'node:timers/promises'
import { nowUs } from '../../src/demo/monotonic.ts'
import { toneSample } from '../../src/demo/audio/tone-pair.ts'
import type { CodecName } from '../../src/demo/phone/sdp-text.ts'
import { PAYER_ADDRESS } from '../../test/fakes/site.ts'
import type { CodecGateway, GatewayCodec } from './codecs-gateway.ts'
import { multimonJudge } from './judges/multimon.ts'
import { payerPackets } from './payer-packets.ts'
import { recordCall } from './real-path-recording.ts'
import type { SendingClock } from './real-path-clock.ts'
import { BenchPhone } from './real-path-phone.ts'
import { SHORT_FORM, type BenchSite } from './real-path-site.ts'
import { KEYS, PLAIN, type Scenario } from './scenario.ts'
import { parseRtp } from '../../src/demo/phone/rtp-bytes.ts'
import { encode, SAMPLES_PER_MS, type KeyPress } from './stimulus.ts'

/** What a payment came to over one codec, on both legs, and one transport of keys. */
export type CodecOutcome = {
  readonly codec: 'PCMU' | GatewayCodec
  readonly transport: 'in-band' | 'events'
  readonly openMs: number | null
  /** A token came: every key was taken, once. */
  readonly isPaid: boolean
  /** What the form said, where it was not. */
  readonly problems: readonly string[]
  readonly keys: number
  /** Keys that multimon-ng reads from the agent's side, and events or INFO told there. */
  readonly recovered: number
  readonly told: number
  /** After the window was closed the agent heard the payer again. */
  readonly isHeardAfter: boolean
}

/** A public test card, its expiry and its code. */
const CARD_KEYS = '4263982640269299#1230123'
const FIRST_KEY_MS = 3_500
const ON_MS = 100
const OFF_MS = 120
const FIELD_MS = 700
/** Fields end after the #, and after the expiry. */
const FIELD_ENDS: readonly number[] = [16, 20]
const OPEN_AFTER_MS = 800
const AFTER_MS = 5_000
const CLOSED_MS = 10_000
/** Sound again after the close: a note that no detector takes for a key. */
const NOTE_HZ = 440
const NOTE_PEAK = 4_000
const LOUD_RMS = 500

/** Calls over one codec, pays by keys, and hears whether the call goes on after. */
export async function payOver(
  codec: CodecOutcome['codec'],
  transport: CodecOutcome['transport'],
  options: { readonly site: BenchSite; readonly clock: SendingClock; readonly gateway: CodecGateway },
): Promise<CodecOutcome> {
  const { site, clock, gateway } = options
  const codecs: readonly CodecName[] = ['PCMU']
  const behind = codec === 'PCMU' ? {} : { gateway: gateway.inFront(codec) }
  const payer = await BenchPhone.open({ address: PAYER_ADDRESS, codecs, ...behind })
  const agent = await BenchPhone.open({ address: AGENT_ADDRESS, codecs, ...behind })
  const call = await site.call({ payer, agent })
  try {
    const scenario: Scenario = { ...SCENARIO, transport: TRANSPORTS[transport] }
    const { presses, spoken, noteFrom } = cardCall(transport)
    const packets = payerPackets(
      scenario,
      { presses, audio: encode(spoken, 'ulaw'), tone: new Float32Array(0), speech: new Float32Array(0) },
      1,
    )
    const startUs = nowUs()
    const playing = clock.play({
      sendings: packets,
      startUs,
      send: ({ datagram }) => (payer.send(datagram) ? datagram : null),
    })
    await delay(OPEN_AFTER_MS)
    await site.desk.openWindow(call.callId, { form: SHORT_FORM, masking: 'talk-through' })
    const lastMs = noteFrom / SAMPLES_PER_MS + AFTER_MS
    const payment = await site.desk
      .until(call.callId, ({ state }) => state === 'closed', { deadlineMs: lastMs })
      .catch(() => null)
    const ended = payment ?? (await site.desk.payment(call.callId))
    if (payment === null) await site.desk.cancelWindow(call.callId).catch(() => undefined)
    await site.desk.until(call.callId, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS }).catch(() => null)
    const closedUs = nowUs()
    const sent = (await playing).flatMap(({ atUs, datagram }) => {
      const packet = parseRtp(datagram)
      return packet === undefined ? [] : [{ atUs, ...packet }]
    })
    const side = recordCall({ sent, received: agent.received, infos: call.agent.infos, spoken })
    const judge = multimonJudge()
    await judge.hear({ samples: side.samples, presses })
    const { hits, keys } = await judge.verdict()
    const after = side.placed.filter(({ packet }) => packet.atUs > closedUs)
    return {
      codec,
      transport,
      openMs: ended.openMs,
      isPaid: ended.token !== null,
      problems: ended.fields.flatMap(({ name, problem }) => (problem === null ? [] : [`${name}: ${problem}`])),
      keys,
      recovered: hits,
      told: side.told,
      isHeardAfter: after.some(
        ({ position, samples }) => rms(side.audio.subarray(position, position + samples)) > LOUD_RMS,
      ),
    }
  } finally {
    await call.close()
  }
}

const AGENT_ADDRESS = '127.0.0.3'
const SCENARIO: Scenario = { ...PLAIN, name: 'a card over a codec', axis: 'crossing', at: 0 }
const TRANSPORTS = {
  'in-band': { tone: 'whole', events: 'none' },
  events: { tone: 'none', events: 'instead' },
} as const

/** The keys of a card, a pause after each field, and a note from the last key on. */
function cardCall(transport: CodecOutcome['transport']): {
  readonly presses: readonly KeyPress[]
  readonly spoken: Int16Array
  readonly noteFrom: number
} {
  let atMs = FIRST_KEY_MS
  const presses = Array.from(CARD_KEYS, (key, index): KeyPress => {
    const start = atMs * SAMPLES_PER_MS
    atMs += ON_MS + (FIELD_ENDS.includes(index) ? FIELD_MS : OFF_MS)
    return { key: KEYS.findIndex((known) => known === key), start, samples: ON_MS * SAMPLES_PER_MS }
  })
  const noteFrom = (atMs + FIELD_MS) * SAMPLES_PER_MS
  const spoken = new Int16Array(noteFrom + AFTER_MS * SAMPLES_PER_MS)
  if (transport === 'in-band') {
    for (const { key, start, samples } of presses) {
      for (let n = 0; n < samples; n += 1) {
        spoken[start + n] = Math.round(toneSample(KEYS[key] ?? '', n, { lowDbm0: -10, highDbm0: -8 }))
      }
    }
  }
  for (let n = noteFrom; n < spoken.length; n += 1) {
    spoken[n] = Math.round(NOTE_PEAK * Math.sin((2 * Math.PI * NOTE_HZ * n) / 8_000))
  }
  return { presses, spoken, noteFrom }
}

function rms(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length))
}
