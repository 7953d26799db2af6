import type { WindowPorts } from './rtp-load-protocol.ts'
import type { FromBareRelay, ToBareRelay } from './bare-relay.ts'
import { GuardProcess } from './guard-process.ts'
import { LoadProcess } from './load-process.ts'
import { cpuUs, droppedAt, pin, residentBytes, waitedMs } from './process-usage.ts'
import type { FromRtpLoad, ToRtpLoad } from './rtp-load-protocol.ts'

const OPEN_MS = 10_000
/** Code that has just started is slow: the first seconds are not measured. */
export const WARM_UP_MS = 6_000
export const MEASURE_MS = 5_000
const LATE_MS = 30_000
const PACKETS_PER_SECOND = 50

/** What stands between the two sides of each window while the load runs. */
type Relay = {
  readonly pid: number
  readonly windows: readonly WindowPorts[]
  /** Memory before its windows. */
  readonly idleBytes: number
  readonly openMs: number
  readonly figures: () => Promise<ReadonlyMap<string, number>>
  close(): Promise<void>
}

export type LoadRun = {
  readonly windows: number
  readonly burstMs?: number
  readonly lookAheadMs: number
  readonly cores: number
}

/** Plays speech and keys through N windows of a relay and says what that cost it, and how the packets fared. */
export async function runLoad(
  options: LoadRun & { readonly relay: 'bare' | 'guard'; readonly nodeFlags?: readonly string[] },
): Promise<Readonly<Record<string, number>>> {
  const load = new LoadProcess<ToRtpLoad, FromRtpLoad>('rtp-load.ts')
  let relay: Relay | null = null
  try {
    load.send({ type: 'open', windows: options.windows })
    const { windows } = await load.next('opened', OPEN_MS)
    relay = options.relay === 'bare' ? await startBare(windows) : await startGuard(windows, options)
    // The relay has the last core for itself, as a guard of a busy site would.
    if (options.cores > 1) {
      pin(load.pid, `0-${options.cores - 2}`)
      pin(relay.pid, String(options.cores - 1))
    }
    load.send({
      type: 'run',
      targets: relay.windows,
      burstMs: options.burstMs ?? null,
      warmUpMs: WARM_UP_MS,
      measureMs: MEASURE_MS,
    })
    await load.next('measuring', WARM_UP_MS + LATE_MS)
    // Reading begins the guard's own figures anew.
    await relay.figures()
    const before = { cpuUs: cpuUs(relay.pid), waitedMs: waitedMs(relay.pid) }
    const startMs = performance.now()
    await load.next('measured', MEASURE_MS + LATE_MS)
    const tookMs = performance.now() - startMs
    const after = { cpuUs: cpuUs(relay.pid), waitedMs: waitedMs(relay.pid) }
    const own = await relay.figures()
    const { payer, agent, senderLateMs } = await load.next('done', LATE_MS)
    const ports = new Set(relay.windows.flatMap((window) => [window.payer.port, window.agent.port]))
    const usedUs = after.cpuUs - before.cpuUs
    // A relay that was starved of its core works off what it is behind with after the last packet was sent.
    const usedInAllUs = cpuUs(relay.pid) - before.cpuUs
    return {
      // Both ways; a payer's events are not counted, and so are part of the price.
      cpuUsPerPacket: usedInAllUs / ((options.windows * 2 * PACKETS_PER_SECOND * tookMs) / 1_000),
      cpuShare: usedUs / 1_000 / tookMs,
      coreWaitedMs: after.waitedMs - before.waitedMs,
      sent: payer.sent + agent.sent,
      lost: payer.lost + agent.lost,
      kernelDropped: droppedAt(ports),
      toAgentP50Ms: payer.delayMs.p50,
      toAgentP99Ms: payer.delayMs.p99,
      toAgentMaxMs: payer.delayMs.max,
      toPayerP50Ms: agent.delayMs.p50,
      toPayerP99Ms: agent.delayMs.p99,
      toPayerMaxMs: agent.delayMs.max,
      senderLateP99Ms: senderLateMs.p99,
      loopLagP99Ms: (own.get('nodejs_eventloop_lag_p99_seconds') ?? Number.NaN) * 1_000,
      loopLagMaxMs: (own.get('nodejs_eventloop_lag_max_seconds') ?? Number.NaN) * 1_000,
      windowKiB: (residentBytes(relay.pid) - relay.idleBytes) / options.windows / 1_024,
      openMs: relay.openMs,
    }
  } finally {
    await relay?.close()
    load.close()
  }
}

async function startGuard(
  windows: readonly WindowPorts[],
  options: LoadRun & { readonly nodeFlags?: readonly string[] },
): Promise<Relay> {
  const { lookAheadMs, nodeFlags } = options
  const guard = await GuardProcess.start({
    windowsMax: options.windows,
    ...(nodeFlags === undefined ? {} : { nodeFlags }),
  })
  try {
    const idleBytes = residentBytes(guard.pid)
    const opened = await guard.openWindows(windows, lookAheadMs)
    return {
      pid: guard.pid,
      windows: opened.windows,
      idleBytes,
      openMs: opened.tookMs,
      figures: () => guard.figures(),
      close: () => guard.close(),
    }
  } catch (error) {
    await guard.close()
    throw error
  }
}

async function startBare(windows: readonly WindowPorts[]): Promise<Relay> {
  const bare = new LoadProcess<ToBareRelay, FromBareRelay>('bare-relay.ts')
  const startMs = performance.now()
  await bare.next('started', OPEN_MS)
  const idleBytes = residentBytes(bare.pid)
  bare.send({ type: 'relay', windows })
  const relaying = await bare.next('relaying', OPEN_MS)
  return {
    pid: bare.pid,
    windows: relaying.windows,
    idleBytes,
    openMs: performance.now() - startMs,
    figures: () => Promise.resolve(new Map()),
    close: () => Promise.resolve(bare.close()),
  }
}
