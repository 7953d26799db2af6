import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import {
  DEFAULT_CONFIGURATION_FILE,
  loadConfiguration,
  type LoadedConfiguration,
} from '../../src/main/configuration.ts'

/** Loads the shipped configuration with values changed, by paths such as `trunks.0.lookAheadMs`; undefined takes one out. */
export function loadChanged(folder: string, changes: Readonly<Record<string, unknown>>): LoadedConfiguration {
  const written = parse(readFileSync(DEFAULT_CONFIGURATION_FILE, 'utf8')) as Record<string, unknown>
  for (const [path, value] of Object.entries(changes)) {
    const parts = path.split('.')
    let here = written
    for (const part of parts.slice(0, -1)) here = here[part] as Record<string, unknown>
    here[parts.at(-1) ?? ''] = value
  }
  const file = join(folder, 'site.yaml')
  writeFileSync(file, stringify(written))
  return loadConfiguration(file)
}
