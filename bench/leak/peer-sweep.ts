import { multimonJudge } from './judges/multimon.ts'
import { peerScenario } from './peer.ts'
import { playPeerJob } from './peer-call.ts'
import { PeerRelay, type PeerSetting } from './peer-relay.ts'
import { SendingClock } from './real-path-clock.ts'
import { prepareJob } from './real-path-job.ts'
import { scenarioNamed } from './scenarios.ts'
import type { Voice } from './voices.ts'

/** Keys of the probes that multimon-ng read behind one setting, and of how many. */
export type SweptSetting = { readonly setting: PeerSetting; readonly recovered: number; readonly keys: number }

function setting(security: PeerSetting['security'], delayBufferMs: number): PeerSetting {
  const isDelayed = security !== 'off' && security !== 'drop'
  return { name: isDelayed ? `${security}, delay-buffer ${delayBufferMs} ms` : security, security, delayBufferMs }
}

/**
 * Everything that rtpengine 10.5 can put in a digit's place, and the buffers of DESIGN's measurements and beyond. `random` is left out: with
 * a tone in the audio it ends the daemon (fixed upstream in 11.2).
 */
const SETTINGS: readonly PeerSetting[] = [
  setting('drop', 0),
  ...[0, 40, 50, 60, 80, 100].map((ms) => setting('silence', ms)),
  ...[60, 80].map((ms) => setting('zero', ms)),
  ...[60, 80].map((ms) => setting('tone', ms)),
]

/** One probe for each way to send keys, and for what makes a detector unsure. */
const PROBES = ['in-band', 'both: events beside whole tones', '40 ms of tone, then events', 'talk-over 0 dB'] as const
const PROBE_KEYS = 60
const LEAD_MS = 500

/** A quick look at which setting recovers least: all settings at the same time, a call for each probe. */
export async function sweepPeer(options: {
  readonly voices: readonly Voice[]
  readonly seed: number
  readonly say: (line: string) => void
}): Promise<readonly SweptSetting[]> {
  const { voices, seed, say } = options
  const relay = await PeerRelay.start()
  const clock = new SendingClock()
  try {
    const jobs = PROBES.map((name, index) =>
      prepareJob(peerScenario(scenarioNamed(name)), { keys: PROBE_KEYS, seed: seed + index, voices, leadMs: LEAD_MS }),
    )
    const calls = SETTINGS.flatMap((tried) => jobs.map((job) => ({ tried, job })))
    const finish = await Promise.all(
      calls.map(({ tried, job }, index) => playPeerJob(job, { relay, setting: tried, clock, index })),
    )
    const swept: SweptSetting[] = []
    for (const tried of SETTINGS) {
      const judge = multimonJudge()
      for (const [index, call] of calls.entries()) {
        if (call.tried === tried)
          await judge.hear(finish[index]?.().agent ?? { samples: new Int16Array(0), presses: [] })
      }
      const { hits, keys } = await judge.verdict()
      say(`peer: ${tried.name}: ${hits} of ${keys} keys recovered`)
      swept.push({ setting: tried, recovered: hits, keys })
    }
    return swept
  } finally {
    clock.close()
    await relay.close()
  }
}
