import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeskClient } from '../../src/demo/desk-client.ts'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { startSupervisor, type Supervisor } from '../../src/main/supervisor.ts'
import type { Configuration, HostPort } from '../../src/wire/configuration.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import type { MediaPorts } from './media-ports.ts'
import { sharedCertificates } from './shared-certificates.ts'
import { writeTestConfiguration } from './test-configuration.ts'

export const PAYER_ADDRESS = '127.0.0.2'
/** Each line's agent has an address of its own, since a trunk is told by the source of a request. */
const AGENT_ADDRESSES = ['127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6', '127.0.0.7', '127.0.0.8']
/** A start beside other tests on two cores. */
const READY_MS_MAX = 20_000

export type SiteOptions = {
  readonly say: (line: string) => void
  /** Agents that can be called at one time. */
  readonly lines?: number
  readonly guards?: number
  /** How long no key must be heard before a window ends; the schema allows 500 ms and more. */
  readonly coolDownMs?: number
  /** Called when a drain is over; the site itself goes on. */
  readonly drained?: () => void
  /** Alters the configuration before it is written. */
  readonly change?: (written: WrittenConfiguration) => WrittenConfiguration
}

/** The whole product as processes of their own, on free ports of loopback, with its data in a temporary folder. */
export class Site {
  readonly supervisor: Supervisor
  readonly configurationFile: string
  readonly configuration: Configuration
  /** Sees and orders every call. */
  readonly desk: DeskClient
  readonly deskAddress: string
  readonly token: string
  /** Where each line's agent waits for calls. */
  readonly agents: readonly HostPort[]
  readonly #folder: string
  readonly #media: MediaPorts

  private constructor(parts: {
    readonly supervisor: Supervisor
    readonly configurationFile: string
    readonly configuration: Configuration
    readonly agents: readonly HostPort[]
    readonly folder: string
    readonly media: MediaPorts
  }) {
    const { supervisor, configuration, agents, folder } = parts
    const { host, port, agents: users } = configuration.desk
    const tokenFile = users.find((user) => user.role === 'all')?.tokenFile
    if (tokenFile === undefined) throw new Error('the test configuration has no supervisor')
    this.supervisor = supervisor
    this.configurationFile = parts.configurationFile
    this.configuration = configuration
    this.agents = agents
    this.#folder = folder
    this.#media = parts.media
    this.deskAddress = `http://${host}:${port}`
    this.token = readFileSync(tokenFile, 'utf8').split('\n')[0] ?? ''
    this.desk = new DeskClient({ address: this.deskAddress, token: this.token })
  }

  /** Rejects when a process does not start; nothing runs then. */
  static async start(options: SiteOptions): Promise<Site> {
    const folder = mkdtempSync(join(tmpdir(), 'tonewall-site-'))
    // As root each process has a user of its own, who must get to its files.
    chmodSync(folder, 0o711)
    const agents = await Promise.all(
      AGENT_ADDRESSES.slice(0, options.lines ?? 1).map(async (host) => ({ host, port: await freePort() })),
    )
    const { file, configuration, media } = await writeTestConfiguration({
      folder,
      certificates: sharedCertificates(),
      ...(options.guards === undefined ? {} : { guards: options.guards }),
      change: (written) => {
        const lines = withLines(written, agents, options.coolDownMs)
        return options.change?.(lines) ?? lines
      },
    })
    const { say, drained } = options
    const started = await startSupervisor({
      configurationFile: file,
      say,
      ...(drained === undefined ? {} : { drained }),
    })
    if (started.kind === 'refused') {
      rmSync(folder, { recursive: true, force: true })
      throw new Error(started.texts.join('\n'))
    }
    return new Site({ supervisor: started.supervisor, configurationFile: file, configuration, agents, folder, media })
  }

  /** Where payers call, and what number reaches the agent of a line. */
  uriOf(line: number): string {
    const [sip] = this.configuration.sip.udp
    if (sip === undefined) throw new Error('the test configuration has no SIP address')
    return `sip:${numberOf(line)}@${sip.host}:${sip.port}`
  }

  pidOf(name: string): number {
    const pid = this.supervisor.pidOf(name)
    if (pid === null) throw new Error(`${name} does not run`)
    return pid
  }

  /** Sends a signal to one process of the site; SIGKILL is what a crash looks like to all others. */
  signal(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): number {
    const pid = this.pidOf(name)
    process.kill(pid, signal)
    return pid
  }

  /** Waits until the supervisor has put another process in the place of this one. */
  async untilBack(name: string, notPid: number): Promise<void> {
    const pid = await this.supervisor.untilReady({ name, notPid, deadlineMs: READY_MS_MAX })
    if (pid === null) throw new Error(`${name} did not come back`)
  }

  /** All process ids by name: what did not crash keeps its id. */
  pids(): Readonly<Record<string, number | null>> {
    const names = ['vault', 'media-1', ...this.configuration.guards.map(({ name }) => name), 'sipd', 'sbc', 'desk']
    return Object.fromEntries(names.map((name) => [name, this.supervisor.pidOf(name)]))
  }

  /** Waits until all guards have passed their self-test, so that a window opens at once. */
  async untilTested(): Promise<void> {
    const { metrics, guards } = this.configuration
    const inService = () => this.counted(metrics.ports.sbc, 'tonewall_selftest_guards', 'state="in"')
    await eventually(async () => (await inService()) === guards.length, READY_MS_MAX)
  }

  /** The sum over all labels of one counter, from the metrics endpoint at a port. */
  async counted(port: number, name: string, label = ''): Promise<number> {
    const { host } = this.configuration.metrics
    const text = await (await fetch(`http://${host}:${port}/metrics`, { signal: AbortSignal.timeout(2_000) })).text()
    return text
      .split('\n')
      .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  /** Ends all processes. Safe to call twice. */
  async close(): Promise<void> {
    await this.supervisor.close()
    this.#media.release()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The calls of the carrier go to an agent by number. */
function withLines(
  written: WrittenConfiguration,
  agents: readonly HostPort[],
  coolDownMs: number | undefined,
): WrittenConfiguration {
  const carriers = written.trunks.filter(({ side }) => side === 'carrier')
  const lines = agents.map((target, line) => ({
    name: lineName(line),
    side: 'contact-centre' as const,
    health: null,
    sources: [target.host],
    target,
  }))
  return {
    ...written,
    trunks: [...carriers, ...lines],
    // Any number reaches the first line that is not another's.
    routes: carriers.flatMap(({ name }) => [
      ...lines.slice(1).map((trunk, index) => ({ from: name, prefix: numberOf(index + 1), to: trunk.name })),
      { from: name, to: lineName(0) },
    ]),
    forms: written.forms.map((form) => ({ ...form, ...(coolDownMs === undefined ? {} : { coolDownMs }) })),
  }
}

function numberOf(line: number): string {
  return `1800555010${line}`
}

function lineName(line: number): string {
  return `line-${String.fromCharCode(97 + line)}`
}
