import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readConfigurationFile, type ConfigurationProblem } from '../kit/configuration-file.ts'
import type { Configuration } from '../wire/configuration.ts'
import { adviseOn } from './configuration-advice.ts'
import { checkBeforeSchema, checkConfiguration } from './configuration-check.ts'
import { completeConfiguration, type WrittenConfiguration } from './configuration-defaults.ts'
import { concernsRole, type Reader } from './role-problems.ts'

/** The folder that holds src/, sbc-config/ and, unless configured otherwise, run/ and certs/dev/. */
export const INSTALLATION = resolve(import.meta.dirname, '../..')

export const DEFAULT_CONFIGURATION_FILE = join(INSTALLATION, 'sbc-config/tonewall.yaml')

export type LoadedConfiguration =
  /** advice: what may be so and seldom should be. */
  | {
      readonly kind: 'loaded'
      readonly configuration: Configuration
      readonly advice: readonly ConfigurationProblem[]
    }
  | { readonly kind: 'refused'; readonly problems: readonly ConfigurationProblem[] }

/**
 * Reads, checks and completes a configuration: what comes out can be trusted, and its file names are absolute. For one role alone, or for
 * an operator, the files of others need not be there.
 */
export function loadConfiguration(file: string, role: Reader | null = null): LoadedConfiguration {
  const read = readConfigurationFile({ file, schema: readSchema(), early: checkBeforeSchema })
  if (read.kind === 'refused') return read
  const configuration = completeConfiguration(read.value as WrittenConfiguration, {
    folder: dirname(resolve(file)),
    installation: INSTALLATION,
  })
  const problems = checkConfiguration(configuration, read.problemAt).filter(
    (problem) => role === null || concernsRole(role, problem),
  )
  if (problems.length > 0) return { kind: 'refused', problems }
  return { kind: 'loaded', configuration, advice: adviseOn(configuration, read.problemAt) }
}

function readSchema(): Record<string, unknown> {
  const file = join(INSTALLATION, 'sbc-config/tonewall.schema.json')
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
}
