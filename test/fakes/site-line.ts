import { setTimeout as delay } from 'node:timers/promises'
import type { PaymentState } from '../../src/demo/desk-client.ts'
import { readMatchedFilter, type ForcedChoice } from '../../src/demo/judge/matched-filter.ts'
import { readMultimon } from '../../src/demo/judge/multimon-judge.ts'
import { readOutOfBand } from '../../src/demo/judge/out-of-band-judge.ts'
import { recordSide } from '../../src/demo/judge/recording.ts'
import { scoreKeys } from '../../src/demo/judge/score-keys.ts'
import { nowUs } from '../../src/demo/monotonic.ts'
import { spawnPhone, type Phone } from '../../src/demo/phone-client.ts'
import type { KeyTransport, PhoneReport, PressedKey } from '../../src/demo/phone/phone-protocol.ts'
import type { CodecName } from '../../src/demo/phone/sdp-text.ts'
import { PAYER_ADDRESS, type Site } from './site.ts'

/** A public test card of the brand's documentation, as a customer keys it. */
export const CARD_KEYS = '4111111111111111'
export const CODE_KEYS = '123'
export const FORM_KEYS = CARD_KEYS.length + 4 + CODE_KEYS.length
/** Quick but human; a receiver needs 40 ms on and 40 ms off (ITU-T Q.24). */
const ON_MS = 60
const OFF_MS = 60
const CALL_SHOWN_MS = 5_000
const CALL_AGAIN_MS = 200
const STATE_MS = 8_000
const LOOK_EVERY_MS = 30
/** A field is accepted at once, or a key was missed. */
const FIELD_MS = 2_500
const FIELD_TRIES = 3
/** The agent has to say it; keys that follow a refused field sooner are taken for what was left of it. */
const ASKED_AGAIN_MS = 2_500
const TOKEN_MS = 14_000
const PACKET_US = 20_000

/** How many keys each judge reads. */
export type SideScores = { readonly events: number; readonly multimon: number; readonly matchedFilter: number }

export type LineScores = {
  readonly keys: number
  /** Keys that were sent as events. */
  readonly told: number
  readonly agent: SideScores
  readonly payer: SideScores
  readonly forcedChoice: ForcedChoice
}

/** A payer and an agent, each a telephone in a process of its own, and the call between them. */
export class SiteLine {
  readonly payer: Phone
  readonly agent: Phone
  readonly #site: Site
  readonly #line: number
  /** Why fields had to be keyed again. */
  readonly keyedAgain: string[] = []
  readonly #presses: { readonly atUs: number; readonly keys: readonly PressedKey[] }[] = []
  #callId = ''
  #calls = 0

  private constructor(site: Site, line: number, phones: { readonly payer: Phone; readonly agent: Phone }) {
    this.#site = site
    this.#line = line
    this.payer = phones.payer
    this.agent = phones.agent
  }

  static async open(
    site: Site,
    options: { readonly line: number; readonly codecs?: readonly CodecName[] },
  ): Promise<SiteLine> {
    const { line } = options
    const codecs = options.codecs ?? ['PCMU']
    const address = site.agents[line]
    if (address === undefined) throw new Error('the site has no such line')
    const agent = await spawnPhone({
      name: 'agent',
      address: address.host,
      sipPort: address.port,
      codecs,
      speech: { voice: 'agent', seed: 2 + line },
      answer: { kind: 'answer', afterMs: 20, earlyMedia: false },
    })
    try {
      const payer = await spawnPhone({
        name: `1555010${line}`,
        address: PAYER_ADDRESS,
        codecs,
        speech: { voice: 'payer', seed: 1 + line },
      })
      return new SiteLine(site, line, { payer, agent })
    } catch (error) {
      await agent.close()
      throw error
    }
  }

  /** The desk's id of the last call. */
  get callId(): string {
    return this.#callId
  }

  /** How many calls this line has made: the count-th `ended` of its phones is the last one's. */
  get calls(): number {
    return this.#calls
  }

  /** Calls, and waits until the desk shows the call. */
  async call(): Promise<void> {
    if (!(await this.tryCall())) throw new Error('the call was not answered')
  }

  /** False when the call is refused, as it is while a part of the site is missing. */
  async tryCall(): Promise<boolean> {
    const call = await this.payer.call({ to: this.#site.uriOf(this.#line) })
    if (call.kind !== 'answered') {
      await delay(CALL_AGAIN_MS)
      return false
    }
    this.#calls += 1
    this.#callId = await this.#site.desk.findCall(call.callId, { deadlineMs: CALL_SHOWN_MS })
    return true
  }

  /** Resolves when the desk says that the masking is proven; rejects with DeskError when it is refused. */
  openWindow(masking: 'talk-through' | 'hard' = 'talk-through'): Promise<void> {
    return this.#site.desk.openWindow(this.#callId, { form: 'card', masking })
  }

  async press(keys: string, transport: KeyTransport): Promise<void> {
    const atUs = nowUs()
    const pressed = await this.payer.press({ keys, transport, onMs: ON_MS, offMs: OFF_MS })
    if (pressed.kind === 'not_a_key') throw new Error('not a key')
    if (pressed.kind === 'pressed') this.#presses.push({ atUs, keys: pressed.keys })
    // No hand presses the next key at once: the product takes that for a line that makes two keys of one.
    await delay(OFF_MS)
  }

  payment(): Promise<PaymentState> {
    return this.#site.desk.payment(this.#callId)
  }

  /** Waits, also while a desk that was restarted does not know the call yet; rejects when it does not come to that. */
  async untilPayment(fits: (payment: PaymentState) => boolean, deadlineMs = STATE_MS): Promise<PaymentState> {
    const untilMs = performance.now() + deadlineMs
    let last: PaymentState | null = null
    while (performance.now() < untilMs) {
      last = await this.payment().catch(() => null)
      if (last !== null && fits(last)) return last
      await delay(LOOK_EVERY_MS)
    }
    throw new Error(`the payment stays ${last?.state ?? 'unknown'}, ${last?.failure ?? 'no failure'}`)
  }

  untilState(state: PaymentState['state'], deadlineMs = STATE_MS): Promise<PaymentState> {
    return this.untilPayment((payment) => payment.state === state, deadlineMs)
  }

  /** Keys all fields of the form but the last key; the next digit completes the card. */
  async pressAllButOne(transport: KeyTransport): Promise<void> {
    await this.#pressFields(transport, CODE_KEYS.slice(0, -1))
  }

  /** Keys the whole form and waits for the token. */
  async pay(transport: KeyTransport): Promise<PaymentState> {
    await this.#pressFields(transport, CODE_KEYS)
    return this.untilPayment(({ token, failure }) => token !== null || failure !== null, TOKEN_MS)
  }

  /** Keys the rest of the form, whose card number was keyed already. */
  async finishForm(transport: KeyTransport): Promise<void> {
    await this.#untilAccepted(0, CARD_KEYS, transport)
    await this.press(expiryKeys(new Date()), transport)
    await this.#untilAccepted(1, expiryKeys(new Date()), transport)
    await this.press(CODE_KEYS, transport)
    await this.#untilAccepted(2, CODE_KEYS, transport)
  }

  async #pressFields(transport: KeyTransport, code: string): Promise<void> {
    await this.press(CARD_KEYS, transport)
    await this.#untilAccepted(0, CARD_KEYS, transport)
    await this.press(expiryKeys(new Date()), transport)
    await this.#untilAccepted(1, expiryKeys(new Date()), transport)
    await this.press(code, transport)
    if (code === CODE_KEYS) await this.#untilAccepted(2, code, transport)
  }

  /** Keys a field again until it is accepted: on a machine that stood still, keys go missing, and the agent asks again. */
  async #untilAccepted(index: number, keys: string, transport: KeyTransport): Promise<void> {
    const isDone = ({ fields, failure, token }: PaymentState) =>
      ['accepted', 'refused'].includes(fields[index]?.state ?? '') || failure !== null || token !== null
    for (let tries = 0; tries < FIELD_TRIES; tries += 1) {
      const payment = await this.untilPayment(isDone, FIELD_MS).catch(() => null)
      if (payment !== null && payment.fields[index]?.state !== 'refused') return
      this.keyedAgain.push(payment?.fields[index]?.problem ?? 'missing')
      if (payment === null) await this.#site.desk.clearField(this.#callId)
      await delay(ASKED_AGAIN_MS)
      await this.press(keys, transport)
    }
    throw new Error('the field was not accepted')
  }

  /** What the judges read on both sides, of every key that was pressed on this line. */
  async judge(): Promise<LineScores> {
    const [payer, agent] = await Promise.all([this.payer.report(), this.agent.report()])
    if (payer.truncated || agent.truncated) throw new Error('a log was full')
    const begun = this.#presses.flatMap(({ atUs, keys }) => {
      const ended = payer.events.find((event) => event.name === 'ended' && event.atUs > atUs)
      return keys.filter((key) => ended === undefined || key.atUs < ended.atUs)
    })
    const sent = begun.filter((key) => wasSent(key, payer))
    const told = sent.filter(({ transport }) => transport === 'events' || transport === 'both')
    const heard = await score(begun, { packets: agent.received, infos: agent.infosReceived })
    const control = await score(sent, { packets: payer.sent, infos: payer.infosSent })
    return {
      keys: sent.length,
      told: told.length,
      agent: heard.scores,
      payer: control.scores,
      forcedChoice: heard.forcedChoice,
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.payer.close(), this.agent.close()])
  }
}

async function score(
  keys: readonly PressedKey[],
  side: { readonly packets: PhoneReport['sent']; readonly infos: PhoneReport['infosSent'] },
): Promise<{ readonly scores: SideScores; readonly forcedChoice: ForcedChoice }> {
  const recording = recordSide(side)
  const truth = keys.map(({ key }) => key).join('')
  const multimon = await readMultimon(recording)
  if (multimon.kind !== 'read') throw new Error('multimon-ng could not be run: install the package multimon-ng')
  const filter = readMatchedFilter({ recording, keys })
  const scores = {
    events: scoreKeys(truth, readOutOfBand(side)),
    multimon: scoreKeys(truth, multimon.keys),
    matchedFilter: filter.read,
  }
  return { scores, forcedChoice: filter.forcedChoice }
}

/**
 * Whether the key left the payer's telephone whole. One that the end of its call cut off, or that fell into a moment in
 * which the machine stood still, is no control for anything.
 */
function wasSent(key: PressedKey, report: PhoneReport): boolean {
  const endUs = key.atUs + key.onMs * 1_000
  const ended = report.events.some(
    ({ name, atUs }) => name === 'ended' && atUs > key.atUs - PACKET_US && atUs < endUs + PACKET_US,
  )
  const during = report.sent.filter(({ atUs }) => atUs >= key.atUs - PACKET_US && atUs < endUs + PACKET_US)
  return !ended && during.length >= key.onMs / 20 + 1
}

/** MMYY, December of the year after next. */
export function expiryKeys(today: Date): string {
  return `12${String((today.getUTCFullYear() + 2) % 100).padStart(2, '0')}`
}
