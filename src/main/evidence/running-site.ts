import type { Configuration } from '../../wire/configuration.ts'
import { compareConfigurations } from '../configuration-change.ts'
import { openOperatorLink } from '../operator-link.ts'

const ANSWER_MS_MAX = 3_000

/** What the evidence is drawn from. Every text is for people. */
export type DrawnFrom = {
  /** running: what the sbc said that it runs by; file: nobody could be asked, and `why` says so. */
  readonly source: 'running' | 'file'
  readonly why: string | null
  /** Where the file says something else than what runs: keys of the configuration. */
  readonly differs: readonly string[]
}

export type SiteLook =
  | { readonly kind: 'seen'; readonly configuration: Configuration; readonly from: DrawnFrom }
  /** Something runs there that cannot be described: to draw it from the file would be a guess. */
  | { readonly kind: 'refused'; readonly text: string }

/**
 * Asks the sbc that runs, by mutual TLS, for the configuration of the site; without one, the file is taken as it is. `version` is
 * the release of this program: only the same release has the same form of configuration.
 */
export async function lookAtSite(fromFile: Configuration, version: string): Promise<SiteLook> {
  const link = await openOperatorLink(fromFile)
  if (link.kind === 'failed') {
    return { kind: 'seen', configuration: fromFile, from: { source: 'file', why: link.text, differs: [] } }
  }
  try {
    const answer = await link.client.request({ type: 'site.configuration' }, { deadlineMs: ANSWER_MS_MAX })
    if (answer.kind !== 'reply' || answer.message.type !== 'site.configuration.report') return otherRelease('another')
    if (answer.message.version !== version) return otherRelease(answer.message.version)
    const configuration = JSON.parse(answer.body.toString('utf8')) as Configuration
    return {
      kind: 'seen',
      configuration,
      from: { source: 'running', why: null, differs: keysOf(fromFile, configuration) },
    }
  } finally {
    link.client.close()
  }
}

function keysOf(fromFile: Configuration, running: Configuration): readonly string[] {
  // As it would have come over the link: what is undefined is left out there.
  const asSent = JSON.parse(JSON.stringify(fromFile)) as Configuration
  const { keys, refused } = compareConfigurations(running, asSent)
  return [...keys, ...refused.map((text) => text.split(' ')[0] ?? text)]
}

function otherRelease(version: string): SiteLook {
  return {
    kind: 'refused',
    text: `The site that runs is of ${version === 'another' ? 'another release' : `release ${version}`}: run the evidence command of that release, or restart the site.`,
  }
}
