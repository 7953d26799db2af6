import { setTimeout as delay } from 'node:timers/promises'
import { lostAround } from '../src/demo/measure/call-measures.ts'
import { nowUs } from '../src/demo/monotonic.ts'
import { spawnPhone, type Phone } from '../src/demo/phone-client.ts'
import type { CodecName } from '../src/demo/phone/sdp-text.ts'
import { figureOf, runArms, type Arm, type ArmRounds, type Measurement } from './harness/arms.ts'
import { describeMachine, type BenchResult } from './harness/results.ts'
import { median, quantile } from './harness/statistics.ts'
import { AGENT_ADDRESS, AGENT_NAME, PAYER_ADDRESS, startProduct, type Product } from './product.ts'

const SWITCHES_A_CALL = 3
/** Losses are counted 500 ms either side of a switch, so switches stay apart by more than a second. */
const APART_MS = 1_200
const CALL_SHOWN_MS = 5_000
const CLOSED_MS = 15_000

/** What a switch costs: time from the order to the proof, and packets lost at open and at close. */
export async function benchSwitch(options: {
  readonly rounds: number
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const product = await startProduct(options.say)
  try {
    const arms: readonly Arm[] = [
      ...(['PCMU', 'PCMA', 'G722'] as const).map((codec) => ({
        name: codec,
        measure: () => measureSwitches(product, codec, true),
      })),
      { name: 'PCMU, no switch (control)', measure: () => measureSwitches(product, 'PCMU', false) },
    ]
    const { rounds, dropped } = await runArms(arms, { rounds: options.rounds, warmUp: 1, say: options.say })
    return summarise(arms, rounds, dropped)
  } finally {
    await product.close()
  }
}

async function measureSwitches(product: Product, codec: CodecName, isSwitching: boolean): Promise<Measurement> {
  const agent = await spawnPhone({
    name: AGENT_NAME,
    address: AGENT_ADDRESS,
    sipPort: product.agentPort,
    codecs: [codec],
    speech: { voice: 'agent', seed: 2 },
    answer: { kind: 'answer', afterMs: 50, earlyMedia: false },
  })
  let payer: Phone | null = null
  try {
    payer = await spawnPhone({
      name: '15550100',
      address: PAYER_ADDRESS,
      codecs: [codec],
      speech: { voice: 'payer', seed: 1 },
    })
    const call = await payer.call({ to: `sip:1000@${product.sip}` })
    if (call.kind !== 'answered') throw new Error('the call was not answered')
    const callId = await product.desk.findCall(call.callId, { deadlineMs: CALL_SHOWN_MS })
    await delay(APART_MS)
    const opens: number[] = []
    const closes: number[] = []
    const openMs: number[] = []
    for (let switched = 0; switched < SWITCHES_A_CALL; switched += 1) {
      if (isSwitching) await product.desk.openWindow(callId, { form: 'card', masking: 'talk-through' })
      opens.push(nowUs())
      await delay(APART_MS)
      if (isSwitching) {
        await product.desk.cancelWindow(callId)
        const payment = await product.desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS })
        if (payment.openMs !== null) openMs.push(payment.openMs)
      }
      closes.push(nowUs())
      await delay(APART_MS)
    }
    await payer.hangup()
    const [fromPayer, fromAgent] = await Promise.all([payer.report(), agent.report()])
    const towardsAgent = { sent: fromPayer.sent, received: fromAgent.received }
    const towardsPayer = { sent: fromAgent.sent, received: fromPayer.received }
    const sum = (times: readonly number[], way: typeof towardsAgent) =>
      times.reduce((lost, atUs) => lost + lostAround(way, atUs), 0)
    return {
      figures: {
        lostAtOpenToAgent: sum(opens, towardsAgent),
        lostAtOpenToPayer: sum(opens, towardsPayer),
        lostAtCloseToAgent: sum(closes, towardsAgent),
        lostAtCloseToPayer: sum(closes, towardsPayer),
        switches: opens.length,
      },
      values: openMs,
    }
  } finally {
    await payer?.close()
    await agent.close()
  }
}

const LOSSES = ['lostAtOpenToAgent', 'lostAtOpenToPayer', 'lostAtCloseToAgent', 'lostAtCloseToPayer'] as const

/** What a reader of the page should know beside the figures: the gap that is left, and what was tried against it. */
const NOTES = [
  'The control arm makes the same call without a window: what it loses is the machine, not the switch.',
  "G.722 misses the goal by about two packets (40 ms) a window and direction: rtpengine 10.5's transcoder holds two packets from the moment it starts, and what it holds when the close offer comes is dropped. Tried on rtpengine alone with raw sockets: leaving the guard's tags undeleted loses the two packets in the first window of a call only; deleting them 150 ms later, or closing after a pause, gains nothing (what the guard withholds meanwhile is lost instead). The cure would be G.722 in the guard itself.",
]

function summarise(arms: readonly Arm[], rounds: ArmRounds, dropped: number): BenchResult {
  const total = (arm: string, figure: string) => figureOf(rounds, arm, figure).reduce((sum, value) => sum + value, 0)
  const openTimes = (arm: string) => (rounds.get(arm) ?? []).flatMap((measurement) => measurement.values ?? [])
  const perArm = Object.fromEntries(
    arms.map(({ name }) => [
      name,
      {
        switches: total(name, 'switches'),
        openMs: {
          p50: median(openTimes(name)),
          p99: quantile(openTimes(name), 0.99),
          max: Math.max(...openTimes(name)),
        },
        ...Object.fromEntries(LOSSES.map((figure) => [figure, total(name, figure)])),
      },
    ]),
  )
  const switching = arms.map(({ name }) => name).filter((name) => !name.includes('control'))
  return {
    bench: 'switch',
    question: 'What does it cost to put the guard into a live call and to take it out again?',
    method: `${SWITCHES_A_CALL} windows in each call, no keys. openMs is from the order to the proof that the guard stands between the parties; the first packet must have crossed it, so it includes the wait for that packet and the look-ahead. Packets that were sent within 500 ms of a switch and never came are counted, in both directions.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: { rounds: rounds.get('PCMU')?.length ?? 0, dropped, arms: perArm },
    goals: switching.map((name) => {
      const lost = LOSSES.reduce((sum, figure) => sum + total(name, figure), 0)
      return {
        name: `${name}: packets lost at ${total(name, 'switches')} opens and closes, both directions`,
        goal: '0',
        measured: String(lost),
        met: lost === 0,
      }
    }),
    plots: [
      {
        title: 'From the order to the proof: median, fastest and slowest window',
        unit: 'ms',
        bars: switching.map((name) => {
          const times = openTimes(name)
          return { name, value: median(times), low: Math.min(...times), high: Math.max(...times) }
        }),
      },
    ],
    notes: NOTES,
  }
}
