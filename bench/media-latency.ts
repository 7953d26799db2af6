import { setTimeout as delay } from 'node:timers/promises'
import { lossRatio } from '../src/demo/measure/call-measures.ts'
import { transmissionRating } from '../src/demo/measure/e-model.ts'
import { interarrivalJitterMs } from '../src/demo/measure/interarrival-jitter.ts'
import { delaysByTimestamp } from '../src/demo/measure/packet-delay.ts'
import { nowUs } from '../src/demo/monotonic.ts'
import { spawnPhone, type Phone } from '../src/demo/phone-client.ts'
import { figureOf, runArms, type Arm, type ArmRounds, type Measurement } from './harness/arms.ts'
import { describeMachine, type BenchResult, type Goal, type Plot } from './harness/results.ts'
import { median, quantile, ratioOfRounds } from './harness/statistics.ts'
import { startPlainRelay } from './plain-relay.ts'
import { AGENT_ADDRESS, AGENT_NAME, PAYER_ADDRESS, startProduct, type Product } from './product.ts'

const TALK_MS = 6_000
/** Endpoints settle: the first packets of a call are not measured. */
const SETTLE_MS = 500
const RATIO_SEED = 11
const CALL_SHOWN_MS = 5_000
const CLOSED_MS = 15_000
const BASELINE = 'plain rtpengine'

/** How long a voice packet takes from payer to agent, in each state and against two baselines. */
export async function benchMediaLatency(options: {
  readonly rounds: number
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const product = await startProduct(options.say)
  try {
    const arms: readonly Arm[] = [
      { name: 'direct', measure: () => measureCall(product, 'direct') },
      { name: BASELINE, measure: () => measureCall(product, 'plain') },
      { name: 'plain rtpengine again (A/A)', measure: () => measureCall(product, 'plain') },
      { name: 'Tonewall, clear', measure: () => measureCall(product, 'clear') },
      { name: 'Tonewall, in a window', measure: () => measureCall(product, 'window') },
    ]
    const { rounds, dropped } = await runArms(arms, { rounds: options.rounds, warmUp: 1, say: options.say })
    return summarise(arms, rounds, dropped)
  } finally {
    await product.close()
  }
}

/** What an earlier run found, beside the figures of this one. */
const SEEN_BEFORE =
  'Clear against plain rtpengine at p50: a first run of 8 rounds gave 1.059 (0.948 to 1.136), a second of 10 rounds 1.062 (0.983 to 1.232). The packets take the same code of the same rtpengine in both arms; some 15 us are not explained, and the intervals hold 1.00 as well as 1.02. More rounds on a quiet machine would settle it.'

type Way = 'direct' | 'plain' | 'clear' | 'window'

async function measureCall(product: Product, way: Way): Promise<Measurement> {
  const agent = await spawnPhone({
    name: AGENT_NAME,
    address: AGENT_ADDRESS,
    sipPort: product.agentPort,
    codecs: ['PCMU'],
    speech: { voice: 'agent', seed: 2 },
    answer: { kind: 'answer', afterMs: 50, earlyMedia: false },
  })
  const relay =
    way === 'plain'
      ? await startPlainRelay({ rtpengine: product.rtpengine, callee: { host: AGENT_ADDRESS, port: agent.sipPort } })
      : null
  let payer: Phone | null = null
  try {
    payer = await spawnPhone({
      name: '15550100',
      address: PAYER_ADDRESS,
      codecs: ['PCMU'],
      speech: { voice: 'payer', seed: 1 },
    })
    const to = way === 'direct' ? agent.uri : `sip:1000@${relay === null ? product.sip : `127.0.0.1:${relay.port}`}`
    const call = await payer.call({ to })
    if (call.kind !== 'answered') throw new Error(`the ${way} call was not answered`)
    const span = way === 'window' ? await talkInWindow(product, call.callId) : await talk()
    await payer.hangup()
    const [sent, heard] = await Promise.all([payer.report(), agent.report()])
    const inSpan = <Packet extends { readonly atUs: number }>(packets: readonly Packet[]) =>
      packets.filter(({ atUs }) => atUs >= span.fromUs && atUs < span.toUs)
    const direction = { sent: inSpan(sent.sent), received: inSpan(heard.received) }
    const values = delaysByTimestamp(sent.sent, direction.received).map(({ delayMs }) => delayMs)
    if (values.length < direction.received.length / 2) throw new Error('timestamps did not survive the path')
    const loss = lossRatio({ sent: direction.sent, received: heard.received })
    return {
      figures: {
        p50Ms: quantile(values, 0.5),
        p99Ms: quantile(values, 0.99),
        jitterMs: interarrivalJitterMs(direction.received) ?? Number.NaN,
        lossRatio: loss,
        rating: transmissionRating({ delayMs: quantile(values, 0.5), lossRatio: loss }),
      },
      values,
    }
  } finally {
    relay?.close()
    await payer?.close()
    await agent.close()
  }
}

async function talk(): Promise<{ readonly fromUs: number; readonly toUs: number }> {
  await delay(SETTLE_MS)
  const fromUs = nowUs()
  await delay(TALK_MS)
  return { fromUs, toUs: nowUs() }
}

async function talkInWindow(
  product: Product,
  sipCallId: string,
): Promise<{ readonly fromUs: number; readonly toUs: number }> {
  const callId = await product.desk.findCall(sipCallId, { deadlineMs: CALL_SHOWN_MS })
  await product.desk.openWindow(callId, { form: 'card', masking: 'talk-through' })
  const span = await talk()
  await product.desk.cancelWindow(callId)
  await product.desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS })
  return span
}

function summarise(arms: readonly Arm[], rounds: ArmRounds, dropped: number): BenchResult {
  const ratio = (arm: string, figure: string) =>
    ratioOfRounds(figureOf(rounds, arm, figure), figureOf(rounds, BASELINE, figure), { seed: RATIO_SEED })
  const perArm = Object.fromEntries(
    arms.map(({ name }) => {
      const values = (rounds.get(name) ?? []).flatMap((measurement) => measurement.values ?? [])
      return [
        name,
        {
          packets: values.length,
          p50Ms: median(figureOf(rounds, name, 'p50Ms')),
          p99Ms: median(figureOf(rounds, name, 'p99Ms')),
          p999Ms: quantile(values, 0.999),
          jitterMs: median(figureOf(rounds, name, 'jitterMs')),
          lossRatio: median(figureOf(rounds, name, 'lossRatio')),
          rating: median(figureOf(rounds, name, 'rating')),
          ratioToPlain: { p50: ratio(name, 'p50Ms'), p99: ratio(name, 'p99Ms') },
        },
      ]
    }),
  )
  const clear = { p50: ratio('Tonewall, clear', 'p50Ms'), p99: ratio('Tonewall, clear', 'p99Ms') }
  const same = {
    p50: ratio('plain rtpengine again (A/A)', 'p50Ms'),
    p99: ratio('plain rtpengine again (A/A)', 'p99Ms'),
  }
  const words = (estimate: { readonly ratio: number; readonly low95: number; readonly high95: number }) =>
    `${estimate.ratio.toFixed(3)} (${estimate.low95.toFixed(3)} to ${estimate.high95.toFixed(3)})`
  const goals: readonly Goal[] = [
    {
      name: 'clear against plain rtpengine, p50',
      goal: '<= 1.02',
      measured: words(clear.p50),
      met: clear.p50.ratio <= 1.02,
    },
    {
      name: 'clear against plain rtpengine, p99',
      goal: '<= 1.05',
      measured: words(clear.p99),
      met: clear.p99.ratio <= 1.05,
    },
  ]
  return {
    bench: 'media-latency',
    question:
      'How long does a voice packet take from payer to agent: direct, through a plain rtpengine, through Tonewall in the clear state, and inside a window?',
    method: `20 ms G.711 packets, ${TALK_MS / 1_000} s a measurement; sender and receiver are processes of their own on one monotonic clock. p50 and p99 are medians over rounds, p99.9 is over all packets. E-model R simplified as src/demo/measure/e-model.ts says.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: { rounds: rounds.get(BASELINE)?.length ?? 0, dropped, arms: perArm },
    goals,
    plots: (['p50Ms', 'p99Ms'] as const).map((figure): Plot => ({
      title: `One-way delay, ${figure === 'p50Ms' ? 'p50' : 'p99'}: median of rounds, lowest and highest round`,
      unit: 'ms',
      bars: arms.map(({ name }) => {
        const values = figureOf(rounds, name, figure)
        return { name, value: median(values), low: Math.min(...values), high: Math.max(...values) }
      }),
    })),
    notes: [
      `The same arm against itself (A/A) gives ${words(same.p50)} at p50 and ${words(same.p99)} at p99: differences inside that are noise.`,
      'Inside a window the look-ahead is part of the delay, by design.',
      SEEN_BEFORE,
    ],
  }
}
