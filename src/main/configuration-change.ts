import { isDeepStrictEqual } from 'node:util'
import type { Configuration } from '../wire/configuration.ts'

/** What differs between two configurations of a site that runs. */
export type ConfigurationChange = {
  /** Keys whose change is taken while calls live. */
  readonly keys: readonly string[]
  /** Keys whose change is not; a line for each, with what to do. */
  readonly refused: readonly string[]
}

/** Keys that can be changed while calls live: by the roles themselves, or by starting a process that carries no call. */
const LIVE_KEYS: ReadonlySet<string> = new Set([
  'logLevel',
  'trunks',
  'routes',
  'forms',
  'sip.emergencyNumbers',
  'sip.strangers',
  'desk.agents',
])
/** Lists that can grow: a process more carries no call yet. */
const GROWING_KEYS: ReadonlySet<string> = new Set(['rtpengines', 'guards'])
/** Sections whose keys are compared one by one. */
const SECTIONS: ReadonlySet<string> = new Set(['sip', 'desk'])

const RESTART = 'needs a restart: `tonewall drain`, then start again with the new file'
const SHRINK = 'can be added to, but nothing in it changed or taken away: `tonewall drain`, then start again'

export function compareConfigurations(before: Configuration, after: Configuration): ConfigurationChange {
  const keys: string[] = []
  const refused: string[] = []
  const old = flattened(before)
  for (const [key, value] of flattened(after)) {
    const was = old.get(key)
    if (isDeepStrictEqual(was, value)) continue
    if (LIVE_KEYS.has(key)) keys.push(key)
    else if (!GROWING_KEYS.has(key)) refused.push([key, RESTART].join(' '))
    else if (hasOnlyGrown(was, value)) keys.push(key)
    else refused.push([key, SHRINK].join(' '))
  }
  return { keys, refused }
}

function flattened(configuration: Configuration): ReadonlyMap<string, unknown> {
  return new Map(
    Object.entries(configuration).flatMap(([name, value]: [string, unknown]) =>
      SECTIONS.has(name) && typeof value === 'object' && value !== null
        ? Object.entries(value).map(([inner, item]): [string, unknown] => [[name, inner].join('.'), item])
        : [[name, value] as [string, unknown]],
    ),
  )
}

/** Every one that was there is there as it was. */
function hasOnlyGrown(before: unknown, after: unknown): boolean {
  return (
    Array.isArray(before) &&
    Array.isArray(after) &&
    before.every((item: unknown) => after.some((other: unknown) => isDeepStrictEqual(item, other)))
  )
}
