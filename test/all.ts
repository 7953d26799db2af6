import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { askForAdvisories } from './tidy/advisories.ts'

/**
 * `npm test`: types, lint, rooms, format, known weaknesses of packages, then all tests; `npm test -- FILE...` runs only these
 * test files or folders. The last line is `N passed, N failed`, counted over the checks and every assertion; the exit code is 1 if any failed.
 */
const CHECKOUT = resolve(import.meta.dirname, '..')
const PROGRAMS = join(CHECKOUT, 'node_modules/.bin')

/** These keep time with real media: they run after the others, one by one, so that no neighbour takes their core, */
const ONE_BY_ONE = ['test/system', 'test/leak', 'test/demo']
/** or in pairs: they wait most of their time, and judge what is said and not when. */
const IN_PAIRS =
  /^test\/system\/(example-|kamailio-|sipp-(calls|changes|transfers)|routing|topology-hiding|packets|trunk-check|seeing|tls-trunk|outbound-payment|reload-sip|srtp-window)/

/** A check that hangs must not hang the run; tap has its own limit for each test file. */
const CHECK_MS_MAX = 5 * 60_000

const LINT = ['-c', 'test/tidy/eslint.config.mjs', '--no-warn-ignored']
const SOURCES = ['src', 'test', 'bench', 'certs'].filter((folder) => hasFile(folder, /\.ts$/))

type Check = { readonly name: string; readonly program: string; readonly arguments: readonly string[] }

const CHECKS: readonly Check[] = [
  { name: 'types', program: 'tsc', arguments: ['-p', '.'] },
  ...(existsSync(join(CHECKOUT, 'src/desk/page/tsconfig.json'))
    ? [{ name: 'types of the page', program: 'tsc', arguments: ['-p', 'src/desk/page'] }]
    : []),
  {
    name: 'rooms',
    program: 'depcruise',
    arguments: ['--config', 'test/tidy/rooms.config.mjs', '--output-type', 'err', ...SOURCES],
  },
  {
    name: 'format',
    program: 'prettier',
    arguments: ['--check', '--log-level', 'warn', ...SOURCES, 'sbc-config', 'src/**/*.mjs', 'test/**/*.mjs'],
  },
]

/** Takes longer than all others, and so runs beside them. */
const LINTING: Check = { name: 'lint', program: 'eslint', arguments: [...LINT, ...SOURCES] }

type Count = { readonly passed: number; readonly failed: number }

process.env['PATH'] = `${PROGRAMS}:${process.env['PATH'] ?? ''}`
process.exitCode = await main(process.argv.slice(2))

async function main(files: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  const counts: Count[] = []
  if (files.length > 0) {
    counts.push(
      await runTap(
        files.flatMap((file) => (file.endsWith('.ts') ? [file] : testFiles(file))),
        1,
      ),
    )
  } else {
    counts.push(...(await Promise.all([runChecks([LINTING]), runChecks(CHECKS)])).flat())
    counts.push(await runAdvisories())
    const all = testFiles('test')
    const later = all.filter((file) => ONE_BY_ONE.some((folder) => file.startsWith(`${folder}/`)))
    const inPairs = later.filter((file) => IN_PAIRS.test(file))
    const groups = [
      { files: all.filter((file) => !later.includes(file)), jobs: 2 },
      { files: inPairs, jobs: 2 },
      { files: later.filter((file) => !inPairs.includes(file)), jobs: 1 },
    ]
    for (const { files: group, jobs } of groups) if (group.length > 0) counts.push(await runTap(group, jobs))
  }
  const passed = counts.reduce((sum, count) => sum + count.passed, 0)
  const failed = counts.reduce((sum, count) => sum + count.failed, 0)
  say(`took ${seconds(startedMs)}`)
  say(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function runChecks(checks: readonly Check[]): Promise<readonly Count[]> {
  const counts: Count[] = []
  for (const check of checks) counts.push(await runCheck(check))
  return counts
}

/** Runs one check; what it says is shown only when it fails. */
function runCheck(check: Check): Promise<Count> {
  const startedMs = performance.now()
  const child = spawn(join(PROGRAMS, check.program), check.arguments, {
    cwd: CHECKOUT,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: CHECK_MS_MAX,
  })
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  return new Promise((resolveCount) => {
    child.once('error', () => undefined)
    child.once('close', (code) => {
      say(`${code === 0 ? 'pass' : 'FAIL'} ${check.name} (${seconds(startedMs)})`)
      if (code !== 0) process.stdout.write(Buffer.concat(said))
      resolveCount(code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })
    })
  })
}

/** Known weaknesses of what is delivered. Only a registry that answers can fail a run: without one nothing is known, and that is said. */
async function runAdvisories(): Promise<Count> {
  const startedMs = performance.now()
  const verdict = await askForAdvisories({ folder: CHECKOUT })
  if (verdict.kind === 'unanswered') {
    say(`warning: npm audit got no answer: nobody looked for known weaknesses of packages (${seconds(startedMs)})`)
    return { passed: 0, failed: 0 }
  }
  const isGood = verdict.serious.length === 0
  say(`${isGood ? 'pass' : 'FAIL'} npm audit, with ${verdict.lesser} below high (${seconds(startedMs)})`)
  for (const text of verdict.serious) say(text)
  return isGood ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

/**
 * Runs test files and follows the TAP: one line for each file that passes, the whole block of one that fails. The
 * total is the last comment, such as `# { total: 5, pass: 4, fail: 1 }`; without it the run itself has failed.
 */
async function runTap(files: readonly string[], jobs: number): Promise<Count> {
  const child = spawn(join(PROGRAMS, 'tap'), ['run', '--reporter=tap', `--jobs=${jobs}`, ...files], {
    cwd: CHECKOUT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolveCode) => {
    child.once('error', () => resolveCode(null))
    child.once('close', resolveCode)
  })
  let block: string[] = []
  let count: Count | null = null
  for await (const line of createInterface({ input: child.stdout })) {
    const total = /^# \{ total: (\d+)(?:, pass: (\d+))?.* \}$/.exec(line)
    const outcome = /^(ok|not ok) \d+ - (.*)$/.exec(line)
    if (total !== null) {
      const passed = Number(total[2] ?? 0)
      count = { passed, failed: Number(total[1]) - passed }
    } else if (outcome?.[1] === 'ok') {
      say(`pass ${(outcome[2] ?? '').replace(/ # time=([\d.]+m?s).*/, ' ($1)')}`)
      block = []
    } else if (outcome !== null) {
      say([...block, line].join('\n'))
      block = []
    } else block.push(line)
  }
  const code = await exited
  if (count === null || (code !== 0 && count.failed === 0)) {
    say(`${block.join('\n')}\nFAIL tap ended with ${code ?? 'an error'}`)
    return { passed: count?.passed ?? 0, failed: 1 }
  }
  return count
}

function testFiles(folder: string): readonly string[] {
  return readdirSync(join(CHECKOUT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .sort()
}

function hasFile(folder: string, name: RegExp): boolean {
  const path = join(CHECKOUT, folder)
  return existsSync(path) && readdirSync(path, { recursive: true, encoding: 'utf8' }).some((file) => name.test(file))
}

function seconds(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1_000).toFixed(1)} s`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
