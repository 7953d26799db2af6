import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { arch, release } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CDE_PACKAGES, CDE_PACKAGES_BELOW } from '../cde-packages.ts'
import { productVersion } from '../version.ts'

/** A package that is delivered. `installed`: whether what lies on this machine is of that version. */
export type PackageRow = {
  readonly name: string
  readonly version: string
  readonly licence: string
  /** Loaded by processes that see digits: imported by them, or needed by what they import. */
  readonly cde: 'imported' | 'needed' | 'no'
  readonly installed: boolean
}

/** A program beside the packages. `version` is null where it could not be asked. */
export type ProgramRow = { readonly name: string; readonly version: string | null; readonly sha256: string | null }

export type SoftwareInventory = { readonly packages: readonly PackageRow[]; readonly programs: readonly ProgramRow[] }

type Locked = {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
  readonly optional?: boolean
}

const PROGRAM_MS_MAX = 5_000
/** The runtime has 143 MB: with small pieces a busy machine takes a minute for it. */
const CHUNK_BYTES = 4_194_304

/** What the product consists of, by its lockfile and by what this machine says. `installation`: the folder of package.json. */
export async function softwareInventory(installation: string): Promise<SoftwareInventory> {
  return { packages: packages(installation), programs: await programs() }
}

function packages(installation: string): readonly PackageRow[] {
  const lock = JSON.parse(readFileSync(join(installation, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  return Object.entries(lock.packages)
    .filter(([place, entry]) => place !== '' && entry.dev !== true)
    .map(([place, { version = '', license = '' }]): PackageRow => {
      const name = place.replace(/^.*node_modules\//, '')
      const found = installedVersion(join(installation, place))
      const cde = CDE_PACKAGES.includes(name) ? 'imported' : CDE_PACKAGES_BELOW.includes(name) ? 'needed' : 'no'
      return { name, version, licence: license === '' ? 'see its files' : license, cde, installed: found === version }
    })
    .toSorted((one, other) => one.name.localeCompare(other.name))
}

function installedVersion(folder: string): string | null {
  const file = join(folder, 'package.json')
  if (!existsSync(file)) return null
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version?: string }).version ?? null
}

/** The lockfile holds packages to their hashes, but the runtime's own binary is fetched by its package: so its hash is told. */
async function programs(): Promise<readonly ProgramRow[]> {
  const { node, openssl, v8 } = process.versions
  return [
    { name: 'tonewall', version: productVersion(), sha256: null },
    { name: `node (${arch()})`, version: node, sha256: await sha256Of(process.execPath) },
    { name: 'OpenSSL, in node', version: openssl, sha256: null },
    { name: 'V8, in node', version: v8, sha256: null },
    { name: 'SQLite, in node', version: process.versions['sqlite'] ?? null, sha256: null },
    { name: 'rtpengine', version: rtpengineVersion(), sha256: null },
    { name: 'operating system', version: systemName(), sha256: null },
    { name: 'Linux', version: release(), sha256: null },
  ]
}

async function sha256Of(file: string): Promise<string | null> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file, { highWaterMark: CHUNK_BYTES }), hash)
    return hash.digest('hex')
  } catch {
    return null
  }
}

function rtpengineVersion(): string | null {
  const path = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin`
  const asked = spawnSync('rtpengine', ['--version'], {
    encoding: 'utf8',
    timeout: PROGRAM_MS_MAX,
    env: { PATH: path },
  })
  return /\d+(\.\d+)+\S*/.exec(`${asked.stdout}${asked.stderr}`)?.[0] ?? null
}

/** os-release(5). */
function systemName(): string | null {
  try {
    return /^PRETTY_NAME="?([^"\n]+)"?/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? null
  } catch {
    return null
  }
}
