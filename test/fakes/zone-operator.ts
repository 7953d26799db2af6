import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { childEnvironment } from '../../src/main/launch.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import type { ZoneNetwork } from './zone-network.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
/** Two starts of Node on a busy machine. */
const COMMAND_MS_MAX = 60_000

/** An operator's machine in the management zone: the site's file, the operator's certificate, and no secret of any role. */
export class ZoneOperator {
  readonly #network: ZoneNetwork
  readonly #file: string

  constructor(options: {
    readonly network: ZoneNetwork
    readonly folder: string
    readonly siteFile: string
    readonly certificates: Configuration['certificates']
  }) {
    const { folder, siteFile, certificates } = options
    this.#network = options.network
    this.#file = join(folder, 'operator/tonewall.yaml')
    mkdirSync(join(folder, 'operator/certs'), { recursive: true })
    for (const name of ['ca.crt', 'operator.crt', 'operator.key'])
      cpSync(join(certificates.folder, name), join(folder, 'operator/certs', name))
    const written = parse(readFileSync(siteFile, 'utf8')) as WrittenConfiguration
    const mine = {
      ...written,
      // What another machine has, and this one has not.
      sip: { ...written.sip, secretFile: 'elsewhere/sip-control' },
      certificates: { folder: 'certs', development: false },
      desk: {
        ...written.desk,
        agents: written.desk.agents.map((agent) => ({ ...agent, tokenFile: `elsewhere/${agent.name}` })),
      },
    }
    writeFileSync(this.#file, stringify(mine, { aliasDuplicateObjects: false }))
  }

  /** Runs one command of the product. */
  tonewall(
    given: readonly string[],
  ): Promise<{ readonly status: number; readonly text: string; readonly said: string }> {
    const command = [process.execPath, MAIN, ...given, '--config', this.#file]
    const [program, within] = this.#network.within('mgmt', command)
    return new Promise((done) => {
      const settings = { timeout: COMMAND_MS_MAX, encoding: 'utf8', env: { ...childEnvironment() } } as const
      execFile(program, within, settings, (error, text, said) => {
        done({ status: error === null ? 0 : Number(error.code ?? -1), text, said })
      })
    })
  }
}
