import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { loadConfiguration, type LoadedConfiguration } from '../../src/main/configuration.ts'
import { ROLE_NAMES } from '../../src/main/role-name.ts'
import type { Reader } from '../../src/main/role-problems.ts'

export const READERS: readonly Reader[] = [...ROLE_NAMES, 'operator']

/** What a deployment puts beside tonewall.yaml for each role, and for no other. */
const FILES: Readonly<Record<Reader, readonly string[]>> = {
  sipd: ['secrets/sip-control'],
  sbc: ['secrets/sip-control'],
  guard: [],
  vault: ['database/password', 'database/ca.crt'],
  desk: ['desk/page.crt', 'desk/page.key', 'desk/agent'],
  operator: [],
}

/** A site's file as each role, or an operator, would load it, in a folder with that role's files alone. */
export function deployedSite(t: Test, fileOf: (reader: Reader) => string): ReadonlyMap<Reader, LoadedConfiguration> {
  const root = t.testdir()
  return new Map(
    READERS.map((role) => {
      const folder = join(root, role)
      for (const name of ['certs/ca.crt', ...FILES[role]]) {
        mkdirSync(dirname(join(folder, name)), { recursive: true })
        writeFileSync(join(folder, name), 'a secret of sixteen and more\n')
      }
      cpSync(fileOf(role), join(folder, 'tonewall.yaml'))
      return [role, loadConfiguration(join(folder, 'tonewall.yaml'), role)]
    }),
  )
}
