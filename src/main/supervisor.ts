import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { problemLine } from '../kit/configuration-file.ts'
import type { ReloadOutcome } from '../sbc/site-orders.ts'
import type { Configuration } from '../wire/configuration.ts'
import { loadConfiguration } from './configuration.ts'
import { ensureDevelopmentSecrets } from './development-secrets.ts'
import { giveSecrets } from './hand-over.ts'
import { childEnvironment, launchOf, type Basis } from './launch.ts'
import { missingCertificates, missingText } from './missing-certificates.ts'
import { checkPorts, portProblemText } from './port-check.ts'
import { chooseAccounts, type ChosenAccounts } from './process-account.ts'
import { ProcessLog, warningText } from './process-log.ts'
import { processPlans, type ProcessPlan } from './process-plan.ts'
import { reloadSite } from './site-reload.ts'
import { WatchedProcess, type FirstStart, type ProcessEvent, type RoleOrder } from './watched-process.ts'

/** All calls are ended with BYE and all data is safe within this, or the rest is killed. */
const CLOSE_MS_MAX = 5_000
/** Time kept back of it for those who close after the sbc. */
const CLOSE_REST_MS = 1_500
/** A role reads a few files for it. */
const APPLY_MS_MAX = 10_000
const RESTART_MS_MAX = 20_000

export type SupervisorStart =
  | { readonly kind: 'started'; readonly supervisor: Supervisor }
  /** Nothing runs. Each text is a line for people. */
  | { readonly kind: 'refused'; readonly texts: readonly string[] }

export type SupervisorOptions = {
  readonly configurationFile: string
  /** One line for each event, for people. */
  readonly say: (line: string) => void
  /** Ends everything when it is aborted, during the start too. */
  readonly signal?: AbortSignal
  /** The site takes no calls any more, and has none. */
  readonly drained?: () => void
}

/** Makes what development needs, starts every process of the configuration in order, and watches them. */
export async function startSupervisor(options: SupervisorOptions): Promise<SupervisorStart> {
  const loaded = loadConfiguration(options.configurationFile)
  if (loaded.kind === 'refused') {
    return { kind: 'refused', texts: loaded.problems.map((problem) => problemLine(options.configurationFile, problem)) }
  }
  const { configuration } = loaded
  const secrets = ensureDevelopmentSecrets(configuration)
  if (secrets.length > 0) {
    return { kind: 'refused', texts: secrets.map(({ file, problem }) => `the secret in ${file} ${problem}`) }
  }
  if (!madeRecordFolder(configuration)) {
    return { kind: 'refused', texts: [`${configuration.callRecords ?? ''} cannot be made: call records go there`] }
  }
  const { folder, development } = configuration.certificates
  if (development) {
    const { made } = makeDevelopmentAuthority(folder, configuration.vault.api?.clients)
    if (made.length > 0) options.say(`made development certificates in ${folder}`)
  }
  const missing = missingCertificates(configuration)
  if (missing.length > 0) return { kind: 'refused', texts: missing.map(missingText) }
  const plans = processPlans(configuration)
  const taken = await checkPorts(plans.flatMap((plan) => plan.ports))
  if (taken.length > 0) return { kind: 'refused', texts: taken.map(portProblemText) }
  const accounts = chooseAccounts(configuration, options.configurationFile)
  if (accounts.kind === 'refused') return accounts
  if (accounts.kind === 'same' && accounts.why !== null) options.say(accounts.why)
  const supervisor = new Supervisor(configuration, plans, accounts, options)
  const end = (): void => void supervisor.close()
  options.signal?.addEventListener('abort', end)
  if (options.signal?.aborted === true) return { kind: 'refused', texts: ['ended before anything was started'] }
  const texts = await supervisor.startAll()
  return texts.length > 0 ? { kind: 'refused', texts } : { kind: 'started', supervisor }
}

/** The sbc may write below the folder for call records, which must be there when it is granted. */
function madeRecordFolder({ callRecords }: Configuration): boolean {
  if (callRecords === null) return true
  try {
    mkdirSync(callRecords, { recursive: true, mode: 0o700 })
    return true
  } catch {
    return false
  }
}

/** The processes of one site on one machine. Who closes whom: the supervisor closes all, calls first, media last. */
export class Supervisor {
  configuration: Configuration
  /** What the processes said for people, such as the URL of the agents' page, by process name. */
  readonly addresses = new Map<string, readonly string[]>()
  #plans: readonly ProcessPlan[]
  #configurationFile: string
  readonly #accounts: ChosenAccounts
  readonly #options: SupervisorOptions
  readonly #processes = new Map<string, WatchedProcess>()
  readonly #logs: ProcessLog[] = []
  #waiters: (() => void)[] = []
  readonly #applying = new Map<string, (problem: string | null) => void>()
  #isReloading = false
  /** What new processes are started with before the site has taken it. */
  #next: Basis | null = null
  #closing: Promise<void> | null = null

  constructor(
    configuration: Configuration,
    plans: readonly ProcessPlan[],
    accounts: ChosenAccounts,
    options: SupervisorOptions,
  ) {
    this.configuration = configuration
    this.#plans = plans
    this.#accounts = accounts
    this.#options = options
    this.#configurationFile = options.configurationFile
    for (const plan of plans) this.#processes.set(plan.name, this.#watch(plan))
  }

  /** Takes another configuration, null: the site's own file as it is now, without dropping a call; or changes nothing. */
  async reload(file: string | null): Promise<ReloadOutcome> {
    if (this.#isReloading || this.#isClosing)
      return { kind: 'refused', texts: ['another reload is under way, or the site is ending'] }
    this.#isReloading = true
    try {
      return await reloadSite(
        {
          configuration: this.configuration,
          roles: rolesToTell(this.#plans),
          apply: (name, configuration) => this.#apply(name, configuration),
          add: (plans, configuration, from) => this.#add(plans, { configuration, file: from }),
          remove: (plans) => this.#remove(plans),
          settle: (configuration, from) => {
            this.configuration = configuration
            this.#configurationFile = from
            this.#plans = processPlans(configuration)
            this.#next = null
          },
          restart: async (name) => {
            const notPid = this.pidOf(name)
            this.#processes.get(name)?.tell({ type: 'close' })
            await this.untilReady({ name, ...(notPid === null ? {} : { notPid }), deadlineMs: RESTART_MS_MAX })
          },
        },
        file ?? this.#configurationFile,
      )
    } finally {
      this.#isReloading = false
      this.#next = null
    }
  }

  /** The process's id, or null while it does not run or there is none of that name. */
  pidOf(name: string): number | null {
    return this.#processes.get(name)?.pid ?? null
  }

  /** Resolves to the id of the process when it is ready and its id is not `notPid`; null when the deadline passes. */
  async untilReady(options: {
    readonly name: string
    readonly notPid?: number
    readonly deadlineMs: number
  }): Promise<number | null> {
    const process = this.#processes.get(options.name)
    const deadline = AbortSignal.timeout(options.deadlineMs)
    const wake = (): void => this.#wake()
    deadline.addEventListener('abort', wake)
    try {
      for (;;) {
        if (process?.state === 'ready' && process.pid !== (options.notPid ?? null)) return process.pid
        if (process === undefined || deadline.aborted || this.#closing !== null) return null
        await new Promise<void>((resolve) => this.#waiters.push(resolve))
      }
    } finally {
      deadline.removeEventListener('abort', wake)
    }
  }

  /** Starts stage after stage. Returns what went wrong, with nothing running any more, or an empty list. */
  async startAll(): Promise<readonly string[]> {
    for (const stage of stagesOf(this.#plans, 'stage')) {
      const outcomes = await Promise.all(
        stage.map(async (plan) => ({ plan, outcome: await this.#processes.get(plan.name)?.start() })),
      )
      const texts = outcomes.flatMap(({ plan, outcome }) => {
        if (outcome?.kind === 'ready') {
          this.addresses.set(plan.name, outcome.addresses)
          return []
        }
        return outcome === undefined ? [] : [this.#failureText(plan, outcome)]
      })
      if (this.#isClosing) {
        await this.close()
        return ['ended before everything was started']
      }
      if (texts.length > 0) {
        await this.close()
        return texts
      }
    }
    return []
  }

  /** Ends everything in order: calls with BYE first, media last; what is not gone in time is killed. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  get #isClosing(): boolean {
    return this.#closing !== null
  }

  /** Kills everything at once. */
  kill(): void {
    for (const process of this.#processes.values()) process.kill()
  }

  async #closeAll(): Promise<void> {
    this.#wake()
    const deadlineMs = performance.now() + CLOSE_MS_MAX
    const stages = stagesOf(this.#plans, 'closeStage')
    for (const [index, stage] of stages.entries()) {
      const kept = index === stages.length - 1 ? 0 : CLOSE_REST_MS
      const left = Math.max(0, deadlineMs - performance.now() - kept)
      const processes = stage.flatMap((plan) => this.#processes.get(plan.name) ?? [])
      await Promise.all(processes.map((process) => process.close({ deadlineMs: left })))
    }
    for (const log of this.#logs) log.close()
  }

  /** Has a role take a configuration; a line for people when it did not. */
  async #apply(name: string, configuration: Configuration): Promise<string | null> {
    // What the new configuration names may have been made for it a moment ago.
    if (this.#accounts.kind === 'separate') giveSecrets(configuration, this.#accounts.of)
    const answered = new Promise<string | null>((resolve) => this.#applying.set(name, resolve))
    if (this.#processes.get(name)?.tell({ type: 'apply', configuration }) !== true) {
      this.#applying.delete(name)
      return 'it does not run now: try again when it is back'
    }
    const deadline = AbortSignal.timeout(APPLY_MS_MAX)
    const late = new Promise<string>((resolve) =>
      deadline.addEventListener('abort', () => resolve('it did not answer in time: look at its log')),
    )
    const problem = await Promise.race([answered, late])
    this.#applying.delete(name)
    return problem
  }

  async #add(plans: readonly ProcessPlan[], basis: Basis): Promise<readonly string[]> {
    this.#next = basis
    for (const stage of stagesOf(plans, 'stage')) {
      const outcomes = await Promise.all(
        stage.map(async (plan) => {
          const process = this.#watch(plan)
          this.#processes.set(plan.name, process)
          return { plan, outcome: await process.start() }
        }),
      )
      const texts = outcomes.flatMap(({ plan, outcome }) =>
        outcome.kind === 'ready' ? [] : [this.#failureText(plan, outcome)],
      )
      if (texts.length === 0) continue
      await this.#remove(plans)
      return texts
    }
    return []
  }

  async #remove(plans: readonly ProcessPlan[]): Promise<void> {
    await Promise.all(
      plans.map(async ({ name }) => {
        await this.#processes.get(name)?.close({ deadlineMs: CLOSE_MS_MAX })
        this.#processes.delete(name)
      }),
    )
  }

  #hear(plan: ProcessPlan, message: RoleOrder): void {
    switch (message.type) {
      case 'applied':
        this.#applying.get(plan.name)?.(message.problem)
        return
      case 'drained':
        this.#options.drained?.()
        return
      case 'reload':
        void this.reload(message.file).then((outcome) => {
          for (const line of outcomeLines(outcome)) this.#options.say(line)
          const isDone = outcome.kind === 'reloaded'
          const lines = outcome.kind === 'reloaded' ? outcome.keys : outcome.texts
          this.#processes.get(plan.name)?.tell({ type: 'reloaded', isDone, lines })
        })
    }
  }

  /** What a process is started with: a new one with what is being reloaded, all others with what the site runs with. */
  #basisOf(plan: ProcessPlan): Basis {
    const current = { configuration: this.configuration, file: this.#configurationFile }
    return this.#plans.some(({ name }) => name === plan.name) ? current : (this.#next ?? current)
  }

  #watch(plan: ProcessPlan): WatchedProcess {
    const { say } = this.#options
    const logFile = join(this.configuration.dataFolder, 'logs', `${plan.name}.log`)
    const log = new ProcessLog({
      file: logFile,
      line: (line) => {
        const text = warningText(line)
        // At the end everybody misses somebody, as they should.
        if (text !== null && !this.#isClosing) say(`${plan.name}: ${text}`)
      },
    })
    this.#logs.push(log)
    return new WatchedProcess({
      environment: childEnvironment(),
      log,
      event: (event: ProcessEvent) => this.#tell(plan, event),
      heard: (message: RoleOrder) => this.#hear(plan, message),
      ...launchOf({ plan, accounts: this.#accounts, basis: () => this.#basisOf(plan) }),
    })
  }

  #tell(plan: ProcessPlan, event: ProcessEvent): void {
    switch (event.type) {
      case 'ready':
        this.#options.say(
          event.again
            ? `${plan.name} is back (process ${event.pid})`
            : `${plan.name} is ready after ${(event.tookMs / 1_000).toFixed(1)} s (process ${event.pid})`,
        )
        break
      case 'died':
        this.#options.say(`${plan.name} ended (${event.how}) and is started again in ${event.delayMs / 1_000} s`)
        break
      case 'hung':
        this.#options.say(`${plan.name} does not answer and is killed`)
    }
    this.#wake()
  }

  #failureText(plan: ProcessPlan, failure: FirstStart & { readonly kind: 'failed' }): string {
    const address = plan.ports.find(({ port, host }) => port === failure.port && host === (failure.host ?? host))
    if (address !== undefined && failure.code !== null) return portProblemText({ address, code: failure.code })
    const log = join(this.configuration.dataFolder, 'logs', `${plan.name}.log`)
    const code = failure.code === null ? '' : ` (${failure.code})`
    return `${plan.name} does not start${code}: its log says more: ${log}`
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}

/** The sbc first: it alone can refuse what a file says, such as a password that cannot be read. */
function rolesToTell(plans: readonly ProcessPlan[]): readonly string[] {
  const roles = plans.filter(({ program }) => program.kind === 'role').map(({ name }) => name)
  return [...roles.filter((name) => name === 'sbc'), ...roles.filter((name) => name !== 'sbc')]
}

/** What became of a reload, for people. */
export function outcomeLines(outcome: ReloadOutcome): readonly string[] {
  if (outcome.kind === 'refused') return ['The configuration was not taken, and nothing was changed:', ...outcome.texts]
  if (outcome.keys.length === 0) return ['The configuration is what the site runs with.']
  return [`The configuration was taken: ${outcome.keys.join(', ')}.`]
}

function stagesOf(plans: readonly ProcessPlan[], key: 'stage' | 'closeStage'): readonly (readonly ProcessPlan[])[] {
  const numbers = [...new Set(plans.map((plan) => plan[key]))].sort((one, other) => one - other)
  return numbers.map((number) => plans.filter((plan) => plan[key] === number))
}
