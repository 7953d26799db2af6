import { readMatchedFilter, type MatchedFilterReading } from './judge/matched-filter.ts'
import { readMultimon } from './judge/multimon-judge.ts'
import { readOutOfBand } from './judge/out-of-band-judge.ts'
import { recordSide, recordingWav, type Recordable } from './judge/recording.ts'
import { scoreKeys } from './judge/score-keys.ts'
import { callDelays, lossRatio, lostAround, type CallDelays, type OpenWindow } from './measure/call-measures.ts'
import { transmissionRating } from './measure/e-model.ts'
import { interarrivalJitterMs } from './measure/interarrival-jitter.ts'
import type { PhoneReport, PressedKey } from './phone/phone-protocol.ts'

/** How many of the keys each judge reads rightly from one side. */
export type Recovered = { readonly events: number; readonly multimon: number; readonly matchedFilter: number }

export type SideJudgement = {
  readonly recovered: Recovered
  readonly filter: MatchedFilterReading
  /** The recording that was judged, mono 8 kHz WAV. */
  readonly wav: Buffer
}

export type CallJudgement = {
  readonly kind: 'judged'
  readonly keyed: number
  readonly agent: SideJudgement
  /** The control: what the payer sent, read by the same judges. */
  readonly payer: SideJudgement
  /** True when every judge that can read the transports used did read every key of the control. */
  readonly controlHolds: boolean
  readonly delayMs: CallDelays
  /** Payer to agent, summed over all windows. */
  readonly lostAtOpen: number
  readonly lostAtClose: number
  readonly jitterMs: number | undefined
  /** E-model R of the clear part. */
  readonly rating: number | undefined
}

export type NotJudged = {
  readonly kind: 'unavailable'
  readonly code: 'multimon_missing' | 'multimon_failed'
  readonly package: string
}

/**
 * Judges one finished call from the reports of its two phones: what can be read on the agent's side, whether the same
 * judges read everything on the payer's, and what the call suffered. Windows are in monotonic us.
 */
export async function judgeCall(call: {
  readonly payer: PhoneReport
  readonly agent: PhoneReport
  readonly windows: readonly OpenWindow[]
}): Promise<CallJudgement | NotJudged> {
  const keys = call.payer.keys
  const payer = await judgeSide({ packets: call.payer.sent, infos: call.payer.infosSent }, keys)
  if (payer.kind === 'unavailable') return payer
  const agent = await judgeSide({ packets: call.agent.received, infos: call.agent.infosReceived }, keys)
  if (agent.kind === 'unavailable') return agent
  const heard = { sent: call.payer.sent, received: call.agent.received }
  const delayMs = callDelays(heard, call.windows)
  const lost = (edge: 'openUs' | 'closeUs'): number =>
    call.windows.reduce((sum, window) => sum + lostAround(heard, window[edge]), 0)
  const told = keys.filter(({ transport }) => transport !== 'inband').length
  const { recovered } = payer.side
  return {
    kind: 'judged',
    keyed: keys.length,
    agent: agent.side,
    payer: payer.side,
    controlHolds:
      recovered.multimon === keys.length && recovered.matchedFilter === keys.length && recovered.events === told,
    delayMs,
    lostAtOpen: lost('openUs'),
    lostAtClose: lost('closeUs'),
    jitterMs: interarrivalJitterMs(call.agent.received),
    rating:
      delayMs.clear === undefined
        ? undefined
        : transmissionRating({ delayMs: delayMs.clear.p50, lossRatio: lossRatio(heard) }),
  }
}

async function judgeSide(
  side: Recordable,
  keys: readonly PressedKey[],
): Promise<{ readonly kind: 'judged'; readonly side: SideJudgement } | NotJudged> {
  const recording = recordSide(side)
  const keyed = keys.map(({ key }) => key).join('')
  // In-band keys are told by nobody, so the reader of packets is asked for the others only.
  const toldKeys = keys.filter(({ transport }) => transport !== 'inband').map(({ key }) => key)
  const multimon = await readMultimon(recording)
  if (multimon.kind === 'unavailable') return multimon
  const filter = readMatchedFilter({ recording, keys })
  const recovered = {
    events: scoreKeys(toldKeys.join(''), readOutOfBand(side)),
    multimon: scoreKeys(keyed, multimon.keys),
    matchedFilter: filter.read,
  }
  return { kind: 'judged', side: { recovered, filter, wav: recordingWav(recording) } }
}
