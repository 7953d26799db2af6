import { setTimeout as delay } from 'node:timers/promises'
import { nowUs } from '../../src/demo/monotonic.ts'
import type { CodecName } from '../../src/demo/phone/sdp-text.ts'
import type { PeerRelay, PeerSetting } from './peer-relay.ts'
import { judgeable, type JudgeableCall } from './real-path-call.ts'
import type { SendingClock } from './real-path-clock.ts'
import type { RealJob } from './real-path-job.ts'
import { BenchPhone } from './real-path-phone.ts'
import { SAMPLES_PER_MS } from './stimulus.ts'

const ADDRESS = '127.0.0.1'
/** For what a delay buffer still holds. */
const TAIL_MS = 500
const STAGGER_MS = 30

/** Plays one call through rtpengine alone. What it returns lays the recordings out, as for the product. */
export async function playPeerJob(
  job: RealJob,
  options: {
    readonly relay: PeerRelay
    readonly setting: PeerSetting
    readonly clock: SendingClock
    readonly index: number
  },
): Promise<() => JudgeableCall> {
  const { scenario } = job.row
  await delay(options.index * STAGGER_MS)
  const codecs: readonly CodecName[] = [scenario.law === 'ulaw' ? 'PCMU' : 'PCMA']
  // Where telephone-event is negotiated, rtpengine does not look for tones in the audio: it is named only where it is used.
  const stance = { address: ADDRESS, codecs, ptimeMs: scenario.ptimeMs, events: scenario.transport.events !== 'none' }
  const payer = await BenchPhone.open(stance)
  const agent = await BenchPhone.open(stance)
  try {
    await options.relay.call({ payer, agent }, options.setting)
    const startUs = nowUs()
    const sent = await options.clock.play({
      sendings: job.sendings,
      startUs,
      send: ({ datagram }) => (payer.send(datagram) ? datagram : null),
    })
    await delay(TAIL_MS)
    const endUs = startUs + (job.spoken.length / SAMPLES_PER_MS) * 1_000
    const received = [...agent.received]
    // Where packets are missing, rtpengine's own timestamps fall behind.
    const mayInsert =
      scenario.network.loss > 0 || scenario.network.jitterMs > 0 || scenario.transport.events === 'instead'
    return () =>
      judgeable({
        presses: job.stimulus.presses,
        spoken: job.spoken,
        isExact: true,
        startUs,
        happened: { spans: [{ fromUs: startUs, toUs: endUs }], near: null, refused: 0, openMs: null },
        sent,
        received,
        infosSent: [],
        infosReceived: [],
        payerHeard: 1,
        turnedHard: false,
        ...(mayInsert ? { slipMs: scenario.ptimeMs } : {}),
      })
  } finally {
    payer.close()
    agent.close()
  }
}
