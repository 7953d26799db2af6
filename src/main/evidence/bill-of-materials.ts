import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

/** npm reads one file and needs a second; a machine that is busy, some more. */
const NPM_MS_MAX = 60_000
const BYTES_MAX = 67_108_864
const NPM_ARGUMENTS = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only', '--offline']
/** npm's mark for what only builds and tests (CycloneDX property taxonomy, cdx:npm). */
const DEVELOPMENT = 'cdx:npm:package:development'

/** Two CycloneDX documents in JSON, and how many components each has; or why there is none, and what to do. */
export type BillOfMaterials =
  | { readonly kind: 'made'; readonly delivered: Bill; readonly withDevelopment: Bill }
  | { readonly kind: 'missing'; readonly text: string }
export type Bill = { readonly json: string; readonly components: number }

/**
 * Has npm write the bill of materials of package-lock.json: it comes with a CycloneDX writer (`npm sbom`), and asks no registry for
 * it. What is delivered is taken out of the whole by npm's own mark: told to leave development out, npm 11 leaves out what both
 * need, too. Never rejects.
 */
export async function billOfMaterials(options: {
  readonly installation: string
  readonly program?: string
}): Promise<BillOfMaterials> {
  const output = await run(options.program ?? 'npm', options.installation)
  if (output === null) {
    return missing(
      'npm wrote no bill of materials: npm 10 or later must be on this machine. Install it, or run this where the product is built.',
    )
  }
  const document = read(output)
  if (document === null) return missing('npm wrote something that is no CycloneDX: is it npm 10 or later?')
  // npm takes the folder's name for the product's, which tells of the machine and not of the product.
  document.metadata.component.name = 'tonewall'
  return { kind: 'made', delivered: bill(withoutDevelopment(document)), withDevelopment: bill(document) }
}

type Component = {
  readonly 'bom-ref': string
  readonly properties?: readonly { readonly name: string; readonly value: string }[]
}
type Dependency = { readonly ref: string; readonly dependsOn?: readonly string[] }
type Document = {
  readonly bomFormat: string
  readonly metadata: { readonly component: { name: string } }
  readonly components: readonly Component[]
  readonly dependencies: readonly Dependency[]
}

function withoutDevelopment(document: Document): Document {
  const left = document.components.filter((component) => isDevelopment(component))
  const gone = new Set(left.map((component) => component['bom-ref']))
  return {
    ...document,
    components: document.components.filter((component) => !gone.has(component['bom-ref'])),
    dependencies: document.dependencies.flatMap(({ ref, dependsOn = [] }) =>
      gone.has(ref) ? [] : [{ ref, dependsOn: dependsOn.filter((name) => !gone.has(name)) }],
    ),
  }
}

function isDevelopment({ properties = [] }: Component): boolean {
  return properties.some(({ name, value }) => name === DEVELOPMENT && value === 'true')
}

function bill(document: Document): Bill {
  return { json: `${JSON.stringify(document, null, 2)}\n`, components: document.components.length }
}

function missing(text: string): BillOfMaterials {
  return { kind: 'missing', text }
}

function read(output: string): Document | null {
  try {
    const document = JSON.parse(output) as Partial<Document> | null
    const isWhole =
      document?.bomFormat === 'CycloneDX' &&
      document.metadata?.component !== undefined &&
      Array.isArray(document.components) &&
      Array.isArray(document.dependencies)
    return isWhole ? (document as Document) : null
  } catch {
    return null
  }
}

function run(program: string, cwd: string): Promise<string | null> {
  // npm belongs to the Node of this machine, not to the one that comes with the product.
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== join(cwd, 'node_modules/.bin'))
  const { HOME } = process.env
  const child = spawn(program, NPM_ARGUMENTS, {
    cwd,
    env: { PATH: path.join(delimiter), ...(HOME === undefined ? {} : { HOME }) },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: NPM_MS_MAX,
    killSignal: 'SIGKILL',
  })
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > BYTES_MAX) child.kill('SIGKILL')
    else chunks.push(chunk)
  })
  return new Promise((resolve) => {
    child.once('error', () => resolve(null))
    child.once('close', (code) => resolve(code === 0 ? Buffer.concat(chunks).toString('utf8') : null))
  })
}
