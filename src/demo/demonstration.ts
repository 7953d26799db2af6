import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ForcedChoice } from './judge/matched-filter.ts'
import { judgeCall, type Recovered } from './call-judgement.ts'
import { DeskClient, type PaymentState } from './desk-client.ts'
import { fieldKeys } from './field-keys.ts'
import { keysTaken } from './guard-counters.ts'
import { whatFailed, type PaymentRun } from './payment-verdict.ts'
import { nowUs } from './monotonic.ts'
import { spawnPhone, type Phone } from './phone-client.ts'
import type { KeyTransport, PhoneReport } from './phone/phone-protocol.ts'
import type { CodecName } from './phone/sdp-text.ts'

/**
 * The demonstration call: a payer and an agent outside the product, a payment over the telephone between them, and a
 * judgement of what the agent's side could have recorded. Only public test card numbers are keyed.
 */
export type DemonstrationOptions = {
  /** Where the product takes calls, and where its contact centre trunk sends them. */
  readonly sip: { readonly host: string; readonly port: number }
  readonly payerAddress: string
  readonly agent: { readonly address: string; readonly port: number; readonly name: string }
  readonly desk: { readonly address: string; readonly token: string }
  /** Prometheus endpoints of the guards: they count keys without saying which. */
  readonly guardMetrics: readonly string[]
  readonly form: string
  readonly transport: KeyTransport
  readonly codec: CodecName
  readonly masking: 'talk-through' | 'hard'
  /** Recordings go here as WAV. */
  readonly folder: string
  readonly versions: Readonly<Record<string, string>>
  /** One calm line for a person who watches. */
  readonly say: (line: string) => void
  /** Time to look at the page before the payment, and after it. */
  readonly talkMs: number
}

export type DemonstrationReport = {
  readonly ok: boolean
  /** What did not hold, in words; empty when ok. */
  readonly failures: readonly string[]
  readonly transport: KeyTransport
  readonly codec: CodecName
  readonly masking: 'talk-through' | 'hard'
  readonly keyed: number
  readonly captured: number
  readonly token: string | null
  readonly openMs: number | null
  readonly lostAtOpen: number
  readonly lostAtClose: number
  readonly delayMs: { readonly clear: Percentiles | null; readonly window: Percentiles | null }
  readonly recovered: { readonly agent: Recovered; readonly payer: Recovered }
  /** The matched filter when it must name every key, however unlike a tone it looks: at chance when nothing is left. */
  readonly forcedChoice: { readonly agent: ForcedChoice; readonly payer: ForcedChoice }
  readonly recordings: { readonly agent: string; readonly payer: string }
  readonly versions: Readonly<Record<string, string>>
}
type Percentiles = { readonly p50: number; readonly p99: number }

const KEY_ON_MS = 100
const KEY_OFF_MS = 100
/** A hand needs a moment between two fields. */
const FIELD_PAUSE_MS = 600
const CALL_SHOWN_MS_MAX = 5_000
const FIELD_MS_MAX = 8_000
const TOKEN_MS_MAX = 12_000
const CLOSED_MS_MAX = 20_000

/** Makes the call and judges it. Rejects when an endpoint cannot be started; a payment that fails is in the report. */
export async function runDemonstration(options: DemonstrationOptions): Promise<DemonstrationReport> {
  const { say } = options
  const phones: Phone[] = []
  try {
    const agent = await spawnPhone({
      name: options.agent.name,
      address: options.agent.address,
      sipPort: options.agent.port,
      codecs: [options.codec],
      speech: { voice: 'agent', seed: 2 },
      answer: { kind: 'answer', afterMs: 400, earlyMedia: false },
    })
    phones.push(agent)
    const payer = await spawnPhone({
      name: '15550100',
      address: options.payerAddress,
      codecs: [options.codec],
      speech: { voice: 'payer', seed: 1 },
    })
    phones.push(payer)
    const call = await payer.call({ to: `sip:18005550199@${options.sip.host}:${options.sip.port}` })
    if (call.kind !== 'answered')
      throw new Error(`the demonstration call was not answered: ${call.kind === 'refused' ? call.status : call.kind}`)
    say('The call is up: customer and agent talk.')
    const payment = await pay(options, payer, call.callId)
    await delay(options.talkMs)
    await payer.hangup()
    say('The customer hung up.')
    const [payerReport, agentReport] = await Promise.all([payer.report(), agent.report()])
    return await judge(options, payment, { payer: payerReport, agent: agentReport })
  } finally {
    await Promise.all(phones.map((phone) => phone.close()))
  }
}

/** The agent's part through the API, and the customer's keys. */
async function pay(options: DemonstrationOptions, payer: Phone, sipCallId: string): Promise<PaymentRun> {
  const { say } = options
  const desk = new DeskClient(options.desk)
  const callId = await desk.findCall(sipCallId, { deadlineMs: CALL_SHOWN_MS_MAX })
  await delay(options.talkMs)
  const keysBefore = await keysTaken(options.guardMetrics)
  let keysPressed = 0
  let openUs = nowUs()
  let closeUs = openUs
  let payment: PaymentState | null = null
  let problem: string | null = null
  try {
    await desk.openWindow(callId, { form: options.form, masking: options.masking })
    openUs = nowUs()
    say('The window is open and proven: the customer may type.')
    await delay(FIELD_PAUSE_MS)
    for (const [index, keys] of fieldKeys(new Date()).entries()) {
      await payer.press({ keys, transport: options.transport, onMs: KEY_ON_MS, offMs: KEY_OFF_MS })
      keysPressed += keys.length
      payment = await desk.until(callId, ({ fields }) => ['accepted', 'refused'].includes(fields[index]?.state ?? ''), {
        deadlineMs: FIELD_MS_MAX,
      })
      await delay(FIELD_PAUSE_MS)
    }
    payment = await desk.until(callId, (now) => now.token !== null || now.failure !== null, {
      deadlineMs: TOKEN_MS_MAX,
    })
    say(payment.token === null ? 'The payment failed.' : 'The vault returned a token.')
    payment = await desk.until(callId, (now) => now.state === 'closed', { deadlineMs: CLOSED_MS_MAX })
    say('The keys were quiet for the cool-down: the window is closed.')
  } catch (error) {
    problem =
      error instanceof Error && 'code' in error ? `the desk said ${String(error.code)}` : 'the payment broke off'
    payment = await desk.payment(callId).catch(() => payment)
  }
  closeUs = nowUs()
  return {
    payment,
    keysPressed,
    captured: (await keysTaken(options.guardMetrics)) - keysBefore,
    openUs,
    closeUs,
    problem,
  }
}

async function judge(
  options: DemonstrationOptions,
  run: PaymentRun,
  sides: { readonly payer: PhoneReport; readonly agent: PhoneReport },
): Promise<DemonstrationReport> {
  const judged = await judgeCall({ ...sides, windows: [{ openUs: run.openUs, closeUs: run.closeUs }] })
  if (judged.kind === 'unavailable')
    throw new Error(`the call could not be judged: install the package ${judged.package}`)
  mkdirSync(options.folder, { recursive: true })
  const recordings = { agent: join(options.folder, 'agent.wav'), payer: join(options.folder, 'payer.wav') }
  writeFileSync(recordings.agent, judged.agent.wav, { mode: 0o600 })
  writeFileSync(recordings.payer, judged.payer.wav, { mode: 0o600 })
  const failures = whatFailed(run, judged)
  return {
    ok: failures.length === 0,
    failures,
    transport: options.transport,
    codec: options.codec,
    masking: options.masking,
    keyed: run.keysPressed,
    captured: run.captured,
    token: run.payment?.token ?? null,
    openMs: run.payment?.openMs ?? null,
    lostAtOpen: judged.lostAtOpen,
    lostAtClose: judged.lostAtClose,
    delayMs: { clear: percentiles(judged.delayMs.clear), window: percentiles(judged.delayMs.window) },
    recovered: { agent: judged.agent.recovered, payer: judged.payer.recovered },
    forcedChoice: { agent: judged.agent.filter.forcedChoice, payer: judged.payer.filter.forcedChoice },
    recordings,
    versions: options.versions,
  }
}

function percentiles(figures: { readonly p50: number; readonly p99: number } | undefined): Percentiles | null {
  return figures === undefined
    ? null
    : { p50: Math.round(figures.p50 * 1_000) / 1_000, p99: Math.round(figures.p99 * 1_000) / 1_000 }
}
