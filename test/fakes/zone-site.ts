import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DeskClient } from '../../src/demo/desk-client.ts'
import { ensureDevelopmentSecrets, readSecret } from '../../src/main/development-secrets.ts'
import { childEnvironment, launchOf } from '../../src/main/launch.ts'
import { chooseAccounts, type ChosenAccounts } from '../../src/main/process-account.ts'
import { ProcessLog, warningText } from '../../src/main/process-log.ts'
import { processPlans, type ProcessPlan } from '../../src/main/process-plan.ts'
import { WatchedProcess } from '../../src/main/watched-process.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { eventually } from './eventually.ts'
import { sharedCertificates } from './shared-certificates.ts'
import { writeTestConfiguration, type TestConfiguration } from './test-configuration.ts'
import { addressIn, type ZoneName, type ZoneNetwork } from './zone-network.ts'
import { ZoneRelay } from './zone-relay.ts'

const ZONE_OF: Readonly<Record<string, ZoneName>> = {
  sipd: 'edge',
  sbc: 'edge',
  vault: 'cde',
  'guard-1': 'cde',
  'media-1': 'cde',
  desk: 'contact',
}
const COOL_DOWN_MS = 500
/** A start and a self-test beside other tests on two cores. */
const READY_MS_MAX = 40_000
const CLOSE_MS_MAX = 5_000
export const AGENT = { host: addressIn('contact', 'second'), port: 5_070 }

/** The whole product, each process in the network of its zone and as its own user: what systemd units do on several machines. */
export class ZoneSite {
  readonly configuration: Configuration
  readonly file: string
  /** As an agent who sits in the contact centre. */
  readonly desk: DeskClient
  readonly #processes: readonly WatchedProcess[]
  readonly #relays: readonly ZoneRelay[]

  private constructor(parts: {
    readonly configuration: Configuration
    readonly file: string
    readonly desk: DeskClient
    readonly processes: readonly WatchedProcess[]
    readonly relays: readonly ZoneRelay[]
  }) {
    this.configuration = parts.configuration
    this.file = parts.file
    this.desk = parts.desk
    this.#processes = parts.processes
    this.#relays = parts.relays
  }

  /** Rejects when a process does not start; nothing runs then. Resolves when the guard has passed its self-test. */
  static async start(options: {
    readonly network: ZoneNetwork
    readonly folder: string
    readonly say: (line: string) => void
  }): Promise<ZoneSite> {
    const { network, folder, say } = options
    const { file, configuration } = await written(folder)
    ensureDevelopmentSecrets(configuration)
    const accounts = chooseAccounts(configuration, file)
    if (accounts.kind === 'refused') throw new Error(accounts.texts.join('\n'))
    const processes: WatchedProcess[] = []
    const relays: ZoneRelay[] = []
    try {
      const plans = processPlans(configuration)
      for (const stage of new Set(plans.map((plan) => plan.stage))) {
        const started = plans
          .filter((plan) => plan.stage === stage)
          .map(async (plan) => {
            const process = inItsZone({ plan, network, accounts, configuration, file, say })
            processes.push(process)
            const first = await process.start()
            if (first.kind !== 'ready') throw new Error(`${plan.name} does not start (${first.code ?? 'no code'})`)
          })
        await Promise.all(started)
      }
      const { metrics, desk } = configuration
      const sbc = await ZoneRelay.open({ network, zone: 'edge', to: { ...metrics, port: metrics.ports.sbc }, folder })
      const page = await ZoneRelay.open({ network, zone: 'contact', to: desk, folder })
      relays.push(sbc, page)
      await eventually(async () => {
        const { host, port } = sbc.address
        const answer = await fetch(`http://${host}:${port}/metrics`, { signal: AbortSignal.timeout(5_000) })
        return /^tonewall_selftest_guards\{[^}]*state="in"[^}]*\} 1$/m.test(await answer.text())
      }, READY_MS_MAX)
      const token = readSecret(desk.agents.find(({ role }) => role === 'all')?.tokenFile ?? '')
      const client = new DeskClient({ address: `http://${page.address.host}:${page.address.port}`, token })
      return new ZoneSite({ configuration, file, desk: client, processes, relays })
    } catch (error) {
      for (const relay of relays) relay.close()
      for (const process of processes) process.kill()
      throw error
    }
  }

  pids(): readonly number[] {
    return this.#processes.flatMap(({ pid }) => pid ?? [])
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    for (const relay of this.#relays) relay.close()
    for (const process of this.#processes.toReversed()) await process.close({ deadlineMs: CLOSE_MS_MAX })
  }
}

function written(folder: string): Promise<TestConfiguration> {
  const [edge, cde, contact] = [addressIn('edge'), addressIn('cde'), addressIn('contact')]
  const local = '127.0.0.1'
  return writeTestConfiguration({
    folder,
    certificates: sharedCertificates(),
    carrier: { host: addressIn('carrier'), port: 5_060 },
    contactCentre: AGENT,
    change: (written) => ({
      ...written,
      sip: {
        ...written.sip,
        udp: [{ host: edge, port: 5_060 }],
        tcp: [{ host: edge, port: 5_060 }],
        control: { host: local, port: 9_022 },
      },
      rtpengines: [
        {
          name: 'media-1',
          host: cde,
          port: 22_230,
          start: { interface: `zone/${cde}`, portMin: 23_000, portMax: 24_999 },
        },
      ],
      guards: [
        {
          name: 'guard-1',
          host: cde,
          port: 9_201,
          rtpengine: 'media-1',
          media: cde,
          windowsMax: 10,
          metricsPort: 9_311,
        },
      ],
      vault: { ...written.vault, host: cde, port: 9_210 },
      sbc: { host: edge, port: 9_220 },
      desk: { ...written.desk, host: contact, port: 8_080 },
      forms: written.forms.map((form) => ({ ...form, coolDownMs: COOL_DOWN_MS })),
      // Each in a zone of its own, which has a loopback of its own.
      metrics: { host: local, ports: { sipd: 9_301, sbc: 9_302, vault: 9_303, desk: 9_304 } },
    }),
  })
}

function inItsZone(options: {
  readonly plan: ProcessPlan
  readonly network: ZoneNetwork
  readonly accounts: ChosenAccounts
  readonly configuration: Configuration
  readonly file: string
  readonly say: (line: string) => void
}): WatchedProcess {
  const { plan, network, accounts, configuration, file, say } = options
  const zone = ZONE_OF[plan.name]
  if (zone === undefined) throw new Error(`${plan.name} has no zone`)
  const launch = launchOf({ plan, accounts, basis: () => ({ configuration, file }) })
  const given = typeof launch.arguments === 'function' ? launch.arguments() : launch.arguments
  const [command, within] = network.within(zone, [launch.command, ...given])
  const process: WatchedProcess = new WatchedProcess({
    command,
    arguments: within,
    environment: childEnvironment(),
    // rtpengine answers in its zone only; that it listens can be seen from anywhere.
    probe: launch.probe === null ? null : () => Promise.resolve(listens(process.pid, plan.ports[0]?.port ?? 0)),
    log: new ProcessLog({
      file: join(configuration.dataFolder, 'logs', `${plan.name}.log`),
      line: (line) => {
        const text = warningText(line)
        if (text !== null) say(`${plan.name}: ${text}`)
      },
    }),
    event: () => undefined,
  })
  return process
}

/** proc(5): /proc/PID/net is the network that the process is in. */
function listens(pid: number | null, port: number): boolean {
  try {
    const hex = port.toString(16).toUpperCase().padStart(4, '0')
    return readFileSync(`/proc/${pid ?? 0}/net/udp`, 'utf8').includes(`:${hex} `)
  } catch {
    return false
  }
}
