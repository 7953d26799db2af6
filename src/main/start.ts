import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { runDemonstration, type DemonstrationReport } from '../demo/demonstration.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { Command } from './command-line.ts'
import { readSecret } from './development-secrets.ts'
import { outcomeLines, startSupervisor, type Supervisor } from './supervisor.ts'
import { swapAdvice } from './swap.ts'
import { productVersion } from './version.ts'

/**
 * A terminal's Ctrl-C reaches this process directly and through npm and setup.mjs as well: what comes within this time
 * of the first is the same key press, what comes later is a person who will not wait.
 */
const SAME_SIGNAL_MS = 500
/** Time to look at the page before the payment and after it. */
const TALK_MS = 3_000
const TALK_ONCE_MS = 1_000

type StartCommand = Command & { readonly kind: 'start' }

/** `tonewall start`: runs the site until it is told to end, or for one demonstration call. Resolves to the exit code. */
export async function runStart(command: StartCommand, say: (line: string) => void): Promise<number> {
  say(`Tonewall ${productVersion()} on Node ${process.versions.node}`)
  const ending = endBySignal()
  const drained = new AbortController()
  const started = await startSupervisor({
    configurationFile: command.configurationFile,
    say,
    signal: ending.asked,
    drained: () => drained.abort(),
  })
  if (started.kind === 'refused') {
    for (const text of started.texts) say(text)
    return 1
  }
  const { supervisor } = started
  process.on('exit', () => supervisor.kill())
  ending.killed.addEventListener('abort', () => supervisor.kill())
  sayWhereItListens(supervisor, say)
  const swap = swapAdvice()
  if (swap !== null) say(`Unwise: ${swap}`)
  let exitCode = 0
  if (command.call !== null) {
    const held = await demonstrate(supervisor, command, say)
    if (command.onceReport !== null) exitCode = held ? 0 : 1
  }
  if (command.onceReport === null && !ending.asked.aborted) {
    say('Running. Ctrl-C ends every call with BYE, and every process.')
    process.on('SIGHUP', () => void reload(supervisor, say))
    await new Promise<void>((done) => {
      for (const signal of [ending.asked, drained.signal]) signal.addEventListener('abort', () => done())
    })
  }
  if (drained.signal.aborted) say('Drained: the site ends.')
  if (ending.asked.aborted) say('Ending. Ctrl-C once more ends at once.')
  await supervisor.close()
  say('Ended.')
  return exitCode
}

/** The first signal asks, the next one kills. */
function endBySignal(): { readonly asked: AbortSignal; readonly killed: AbortSignal } {
  const asked = new AbortController()
  const killed = new AbortController()
  let firstMs = Number.NaN
  const hear = (): void => {
    if (asked.signal.aborted && performance.now() - firstMs > SAME_SIGNAL_MS) killed.abort()
    if (!asked.signal.aborted) firstMs = performance.now()
    asked.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, hear)
  // A terminal that is closed says so by SIGHUP. To a service it means to read its configuration again.
  process.on('SIGHUP', process.stdin.isTTY ? hear : () => undefined)
  return { asked: asked.signal, killed: killed.signal }
}

/** Without a terminal, SIGHUP has the site read its file again. */
async function reload(supervisor: Supervisor, say: (line: string) => void): Promise<void> {
  if (process.stdin.isTTY) return
  for (const line of outcomeLines(await supervisor.reload(null))) say(line)
}

function sayWhereItListens(supervisor: Supervisor, say: (line: string) => void): void {
  const { sip, desk, certificates } = supervisor.configuration
  for (const transport of ['udp', 'tcp'] as const) {
    for (const { host, port } of sip[transport]) say(`SIP listens on ${transport} ${host}:${port}`)
  }
  for (const address of supervisor.addresses.get('desk') ?? []) {
    say(`The agents' page is at ${address}`)
    for (const agent of desk.agents) {
      // In development the address signs in by itself; what follows the # never reaches a server or its log.
      say(
        certificates.development
          ? `  as ${agent.name}: ${address}#token=${readSecret(agent.tokenFile)}`
          : `  ${agent.name} signs in with the token in ${agent.tokenFile}`,
      )
    }
  }
}

/** Places one call between endpoints outside the product. True when all held that must. */
async function demonstrate(
  supervisor: Supervisor,
  command: StartCommand,
  say: (line: string) => void,
): Promise<boolean> {
  const place = demonstrationPlace(supervisor.configuration)
  const [address] = supervisor.addresses.get('desk') ?? []
  if (command.call === null || place === null || address === undefined) {
    say('No demonstration call: it needs a carrier, a contact centre and an agent of role agent, all on loopback.')
    return false
  }
  const { configuration } = supervisor
  const once = command.onceReport !== null
  try {
    const report = await runDemonstration({
      ...place,
      desk: { address, token: place.token },
      guardMetrics: configuration.guards.map(
        ({ metricsPort }) => `http://${configuration.metrics.host}:${metricsPort}/metrics`,
      ),
      ...command.call,
      folder: join(configuration.dataFolder, 'demonstration'),
      versions: versions(),
      say,
      talkMs: once ? TALK_ONCE_MS : TALK_MS,
    })
    for (const line of summaryOf(report)) say(line)
    if (command.onceReport !== null) {
      const file = resolve(command.onceReport)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
      say(`The report is in ${file}`)
    }
    return report.ok
  } catch (error) {
    say(`The demonstration call did not work: ${error instanceof Error ? error.message : 'for an unknown reason'}`)
    return false
  }
}

/** What a person wants to know of the call: what was captured, what the agent's side got, and where to hear both. */
function summaryOf(report: DemonstrationReport): readonly string[] {
  const { events, multimon, matchedFilter } = report.recovered.agent
  return [
    `Keys pressed: ${report.keyed}, captured: ${report.captured}. Keys that judges read from the agent's side: ${events} in events, ${multimon} by multimon-ng, ${matchedFilter} by a matched filter.`,
    `Hear what the agent heard: ${report.recordings.agent}`,
    `and what the customer sent: ${report.recordings.payer}`,
    ...report.failures.map((failure) => `did not hold: ${failure}`),
  ]
}

/** Where the demonstration's endpoints stand: the first carrier source and contact centre target, on loopback only. */
function demonstrationPlace(configuration: Configuration) {
  const carrier = configuration.trunks.find((trunk) => trunk.side === 'carrier')
  const contactCentre = configuration.trunks.find((trunk) => trunk.side === 'contact-centre')
  const agent = configuration.desk.agents.find((candidate) => candidate.role === 'agent')
  const [sip] = configuration.sip.udp
  const [form] = configuration.forms
  const payerAddress = carrier?.sources.find(isLoopback)
  const target = contactCentre?.targets[0]
  if (target?.port == null || !isLoopback(target.host) || payerAddress === undefined) return null
  if (agent === undefined || sip === undefined || form === undefined) return null
  return {
    sip: { host: sip.host, port: sip.port },
    payerAddress,
    agent: { address: target.host, port: target.port, name: agent.name },
    token: readSecret(agent.tokenFile),
    form: form.name,
  }
}

function isLoopback(address: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(address)
}

function versions(): Readonly<Record<string, string>> {
  const rtpengine = spawnSync('rtpengine', ['--version'], { encoding: 'utf8', timeout: 2_000 })
  const found = /\d+(\.\d+)+\S*/.exec(`${rtpengine.stdout}${rtpengine.stderr}`)
  return { tonewall: productVersion(), node: process.versions.node, rtpengine: found?.[0] ?? 'unknown' }
}
