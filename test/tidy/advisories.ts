import { spawn } from 'node:child_process'

/** Asking takes a second or two. A registry that hangs must not hold up a run. */
const ASK_MS_MAX = 20_000
/** The last bytes of a program that has ended are in the pipe already. */
const AFTER_EXIT_MS_MAX = 2_000
/** npm's own limit for one request, below ours, and no second try. */
const NPM_ARGUMENTS = [
  'audit',
  '--json',
  '--omit=dev',
  '--package-lock-only',
  '--fetch-retries=0',
  '--fetch-timeout=15000',
]
/** More than any answer about some hundred packages. */
const ANSWER_BYTES_MAX = 16_777_216

/** `serious`: packages that are delivered, with an advisory of level high or critical, as `name: level`. */
export type AdvisoryVerdict =
  | { readonly kind: 'answered'; readonly serious: readonly string[]; readonly lesser: number }
  | { readonly kind: 'unanswered' }

/** Asks npm's registry which packages of the product have known weaknesses. Never rejects: offline is no failure. */
export async function askForAdvisories(options: {
  readonly folder: string
  readonly program?: string
  readonly msMax?: number
}): Promise<AdvisoryVerdict> {
  const { folder, program = 'npm', msMax = ASK_MS_MAX } = options
  const child = spawn(program, NPM_ARGUMENTS, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: msMax,
    killSignal: 'SIGKILL',
  })
  const chunks: Buffer[] = []
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk)
    else child.kill('SIGKILL')
  })
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('close', () => resolve())
    // What npm itself started may hold the pipe open.
    child.once('exit', () => setTimeout(resolve, AFTER_EXIT_MS_MAX).unref())
  })
  child.stdout.destroy()
  return adviceIn(Buffer.concat(chunks).toString('utf8'))
}

/** Reads the report of `npm audit --json`. What is no such report is no answer, whatever npm's exit code was. */
export function adviceIn(text: string): AdvisoryVerdict {
  const report = parsed(text)
  if (!isRecord(report) || report['auditReportVersion'] !== 2 || !isRecord(report['vulnerabilities'])) {
    return { kind: 'unanswered' }
  }
  const found = Object.entries(report['vulnerabilities']).map(([name, advisory]) => ({
    name,
    level: isRecord(advisory) && typeof advisory['severity'] === 'string' ? advisory['severity'] : 'unknown',
  }))
  const isLesser = (level: string): boolean => ['info', 'low', 'moderate'].includes(level)
  return {
    kind: 'answered',
    serious: found.filter(({ level }) => !isLesser(level)).map(({ name, level }) => `${name}: ${level}`),
    lesser: found.filter(({ level }) => isLesser(level)).length,
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
