import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startVault } from '../../src/cde/vault/vault.ts'
import { ChannelClient } from '../../src/kit/channel.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { ProcessLog } from '../../src/main/process-log.ts'
import { roleCommand } from '../../src/main/role-command.ts'
import { WatchedProcess } from '../../src/main/watched-process.ts'
import { parseGuardToSbc, type GuardToSbc, type SbcToGuard } from '../../src/wire/guard-protocol.ts'
import { sharedCertificates, sharedIdentity } from '../../test/fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../../test/fakes/test-configuration.ts'
import type { WindowPorts } from './rtp-load-protocol.ts'

const NAME = 'guard-1'
const MERCHANT = 'shop'
const OWNER = 'abcdefghijklmnop'
const ORDER_MS = 5_000
const OPEN_MS = 10_000
const CLOSE_MS = 3_000
/** How late the event loop was; prom-client begins anew with each reading. */
const FIGURES = /^(nodejs_eventloop_lag_\w+)\{[^}]*\} ([\d.e+-]+)$/gm

/** One guard as the supervisor starts it, ordered about as an sbc would. */
export class GuardProcess {
  readonly pid: number
  readonly #process: WatchedProcess
  readonly #channel: ChannelClient<SbcToGuard, GuardToSbc>
  readonly #metricsUrl: string
  readonly #folder: string
  readonly #log: ProcessLog
  /** No window takes keys that is not in its audit record. */
  readonly #vault: { close(): Promise<void> }

  private constructor(parts: {
    readonly process: WatchedProcess
    readonly pid: number
    readonly channel: ChannelClient<SbcToGuard, GuardToSbc>
    readonly metricsUrl: string
    readonly folder: string
    readonly log: ProcessLog
    readonly vault: { close(): Promise<void> }
  }) {
    this.#process = parts.process
    this.pid = parts.pid
    this.#channel = parts.channel
    this.#metricsUrl = parts.metricsUrl
    this.#folder = parts.folder
    this.#log = parts.log
    this.#vault = parts.vault
  }

  /** `nodeFlags`: for a copy that is looked into, which then runs without the permission model, so that it may write. */
  static async start(options: {
    readonly windowsMax: number
    readonly nodeFlags?: readonly string[]
  }): Promise<GuardProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'tonewall-load-'))
    const { file, configuration } = await writeTestConfiguration({
      folder,
      certificates: sharedCertificates(),
      change: (written) => ({
        ...written,
        logLevel: 'warn',
        guards: written.guards.map((guard) => ({ ...guard, windowsMax: options.windowsMax })),
      }),
    })
    const guard = configuration.guards.find(({ name }) => name === NAME)
    if (guard === undefined) throw new Error('the test configuration has no guard')
    mkdirSync(join(folder, 'log'))
    const vault = await startVault({
      identity: sharedIdentity('vault'),
      logger: createLogger({ role: 'bench', level: 'silent' }),
      metrics: new Metrics('vault'),
      host: configuration.vault.host,
      port: configuration.vault.port,
      dataDir: configuration.vault.folder,
      merchants: [{ name: MERCHANT }],
    })
    const log = new ProcessLog({ file: join(folder, 'log', 'guard.log'), line: () => undefined })
    const command = roleCommand({ role: 'guard', name: NAME, configurationFile: file, configuration })
    const process_ = new WatchedProcess({
      command: process.execPath,
      arguments: options.nodeFlags === undefined ? command : [...options.nodeFlags, ...command.filter(isNoPermission)],
      environment: { PATH: process.env['PATH'] ?? '' },
      probe: null,
      log,
      event: () => undefined,
    })
    const started = await process_.start()
    const { pid } = process_
    if (started.kind !== 'ready' || pid === null) throw new Error('the guard did not start')
    const opened = Promise.withResolvers<null>()
    const channel = new ChannelClient<SbcToGuard, GuardToSbc>({
      host: guard.host,
      port: guard.port,
      identity: sharedIdentity('sbc'),
      peer: 'guard',
      parse: parseGuardToSbc,
      message: () => undefined,
      opened: () => opened.resolve(null),
    })
    await opened.promise
    channel.send({ type: 'sbc.hello', owner: OWNER })
    const metricsUrl = `http://${configuration.metrics.host}:${guard.metricsPort}/metrics`
    return new GuardProcess({ process: process_, pid, channel, metricsUrl, folder, log, vault })
  }

  /** Opens all windows at once, with their fields open, and returns the guard's own ports and how long it took. */
  async openWindows(
    windows: readonly WindowPorts[],
    lookAheadMs: number,
  ): Promise<{ readonly windows: readonly WindowPorts[]; readonly tookMs: number }> {
    const startMs = performance.now()
    const opened = await Promise.all(windows.map((window, index) => this.#open(window, index, lookAheadMs)))
    const tookMs = performance.now() - startMs
    if (tookMs > OPEN_MS) throw new Error('the windows took too long to open')
    return { windows: opened, tookMs }
  }

  /** The guard's own figures by name, as Prometheus would read them. */
  async figures(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(this.#metricsUrl, { signal: AbortSignal.timeout(ORDER_MS) })).text()
    const figures = new Map<string, number>()
    for (const [, name, value] of text.matchAll(FIGURES)) figures.set(name ?? '', Number(value))
    return figures
  }

  async close(): Promise<void> {
    this.#channel.close()
    await this.#process.close({ deadlineMs: CLOSE_MS })
    this.#log.close()
    await this.#vault.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #open(window: WindowPorts, index: number, lookAheadMs: number): Promise<WindowPorts> {
    const windowId = windowIdOf(index)
    const prepared = await this.#ask({
      type: 'window.prepare',
      windowId,
      masking: 'talk-through',
      lookAheadMs,
      codec: 'PCMU',
      headers: 'same',
      merchant: MERCHANT,
      coolDownMs: 3_000,
      form: { fields: ['card-number', 'expiry'], brands: [], tries: 5, interDigitMs: 60_000, totalMs: 600_000 },
    })
    if (prepared.type !== 'prepared') throw new Error('the guard prepared no window')
    await this.#ask({ type: 'window.connect', windowId, ...window })
    await this.#ask({ type: 'window.capture', windowId })
    return { payer: prepared.payer, agent: prepared.agent }
  }

  async #ask(order: SbcToGuard): Promise<GuardToSbc> {
    const answer = await this.#channel.request(order, { deadlineMs: ORDER_MS })
    if (answer.kind !== 'reply' || answer.message.type === 'refused') throw new Error(`the guard refused ${order.type}`)
    return answer.message
  }
}

/** Sixteen letters, as window ids are: no digits. */
function windowIdOf(index: number): string {
  return index
    .toString(26)
    .padStart(16, '0')
    .replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] ?? '')
}

function isNoPermission(word: string): boolean {
  return word !== '--permission' && !word.startsWith('--allow-')
}
