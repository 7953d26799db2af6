import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { INSTALLATION } from './configuration.ts'

/** The version in package.json. */
export function productVersion(): string {
  const text = readFileSync(join(INSTALLATION, 'package.json'), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
