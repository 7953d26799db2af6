import { problemLine } from '../kit/configuration-file.ts'
import type { ReloadOutcome } from '../sbc/site-orders.ts'
import type { Configuration } from '../wire/configuration.ts'
import { loadConfiguration } from './configuration.ts'
import { compareConfigurations } from './configuration-change.ts'
import { ensureDevelopmentSecrets } from './development-secrets.ts'
import { checkPorts, portProblemText } from './port-check.ts'
import { processPlans, type ProcessPlan } from './process-plan.ts'

/** What a reload needs of the site that runs. */
export type ReloadedSite = {
  readonly configuration: Configuration
  /** The running processes that must hear of it, in the order in which they are told. */
  readonly roles: readonly string[]
  /** Has one process take the configuration; a line for people when it did not. */
  apply(name: string, configuration: Configuration): Promise<string | null>
  /** Starts processes that are new; lines for people when one does not, and then none of them runs. */
  add(plans: readonly ProcessPlan[], configuration: Configuration, file: string): Promise<readonly string[]>
  remove(plans: readonly ProcessPlan[]): Promise<void>
  /** From now on this is the site's configuration, and of processes that are started again. */
  settle(configuration: Configuration, file: string): void
  /** Starts a process anew that carries no call. */
  restart(name: string): Promise<void>
}

/**
 * Takes another configuration without dropping a call, as a whole or not at all: a file with a fault, a key that cannot be
 * changed while calls live, a process that does not start or does not take it leaves the site as it was.
 */
export async function reloadSite(site: ReloadedSite, file: string): Promise<ReloadOutcome> {
  const loaded = loadConfiguration(file)
  if (loaded.kind === 'refused') return refused(loaded.problems.map((problem) => problemLine(file, problem)))
  const before = site.configuration
  const after = loaded.configuration
  const change = compareConfigurations(before, after)
  if (change.refused.length > 0) return refused(change.refused)
  const secrets = ensureDevelopmentSecrets(after)
  if (secrets.length > 0)
    return refused(secrets.map(({ file: secret, problem }) => `the secret in ${secret} ${problem}`))
  const known = new Set(processPlans(before).map(({ name }) => name))
  const added = processPlans(after).filter(({ name }) => !known.has(name))
  const taken = await checkPorts(added.flatMap(({ ports }) => ports))
  if (taken.length > 0) return refused(taken.map(portProblemText))
  const failures = await site.add(added, after, file)
  if (failures.length > 0) return refused(failures)
  const told: string[] = []
  for (const name of site.roles) {
    const problem = await site.apply(name, after)
    if (problem === null) {
      told.push(name)
      continue
    }
    // What some have taken already, they give back.
    for (const teller of told) await site.apply(teller, before)
    await site.remove(added)
    return refused([`${name}: ${problem}`])
  }
  site.settle(after, file)
  // The desk carries no call; its pages connect again by themselves.
  if (change.keys.includes('desk.agents')) await site.restart('desk')
  return { kind: 'reloaded', keys: change.keys }
}

function refused(texts: readonly string[]): ReloadOutcome {
  return { kind: 'refused', texts }
}
