import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import ts from 'typescript'
import t from 'tap'
import { CHECKOUT, readTracked, trackedFiles } from '../fakes/tracked-files.ts'

const modules = trackedFiles('src').filter((file) => file.endsWith('.ts'))
const tests = trackedFiles('test').filter((file) => file.endsWith('.test.ts'))

const reachedByRoom = new Map<string, ReadonlySet<string>>()

/** Programs that run as a process of their own: what they import is tested by what starts them. */
const RUN_BY: Readonly<Record<string, string>> = {
  'src/main.ts': 'test/main/main.test.ts',
  'src/desk/page/main.ts': 'test/desk/page/main.test.ts',
  'src/demo/phone/phone-process.ts': 'test/demo/phone-client.test.ts',
}

t.test('every module with code is reached from a test of its own room', (t) => {
  const imports = importsOf()
  for (const [program, test] of Object.entries(RUN_BY)) {
    t.ok(modules.includes(program), `${program} exists`)
    if (t.ok(tests.includes(test), `${test} runs ${program}`)) imports.get(test)?.push(program)
  }
  for (const file of modules.filter(hasCode)) {
    const room = /^src\/([^/.]+)/.exec(file)?.[1] ?? ''
    const reached = reachedWithin(imports, room)
    t.ok(reached.has(file), `${file} is imported, directly or through its room, by a test in test/${room}`)
  }
  t.end()
})

t.test('a module of types only needs no test', (t) => {
  t.equal(hasCode('src/wire/configuration.ts'), false)
  t.equal(hasCode('src/kit/frame.ts'), true)
  t.end()
})

t.test('no test is skipped, left for later or run alone', (t) => {
  for (const file of tests) t.notMatch(readTracked(file), /\bt\.(skip|todo|only)\b|\{\s*(skip|todo|only):/, file)
  t.end()
})

/** Which file imports which, as dependency-cruiser sees it. */
function importsOf(): ReadonlyMap<string, string[]> {
  const run = spawnSync(
    join(CHECKOUT, 'node_modules/.bin/depcruise'),
    ['--config', 'test/tidy/imports.config.mjs', '--output-type', 'json', 'src', 'test'],
    { cwd: CHECKOUT, encoding: 'utf8', maxBuffer: 134_217_728 },
  )
  type Cruised = { readonly source: string; readonly dependencies: readonly { readonly resolved: string }[] }
  const { modules: cruised } = JSON.parse(run.stdout) as { readonly modules: readonly Cruised[] }
  return new Map(cruised.map((module) => [module.source, module.dependencies.map(({ resolved }) => resolved)]))
}

/** What tests of a room import, and what that imports of the same room. */
function reachedWithin(imports: ReadonlyMap<string, readonly string[]>, room: string): ReadonlySet<string> {
  const known = reachedByRoom.get(room)
  if (known !== undefined) return known
  const own = new RegExp(`^(src|test)/${room}(/|\\.ts$)|^test/fakes/`)
  const reached = new Set<string>()
  const queue = tests.filter((file) => own.test(file))
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    queue.push(...(imports.get(file) ?? []).filter((imported) => own.test(imported)))
  }
  reachedByRoom.set(room, reached)
  return reached
}

/** False for a file of types only, which has nothing that could run. */
function hasCode(file: string): boolean {
  const parsed = ts.createSourceFile(file, readTracked(file), ts.ScriptTarget.ESNext)
  return parsed.statements.some(
    (statement) =>
      !ts.isTypeAliasDeclaration(statement) &&
      !ts.isInterfaceDeclaration(statement) &&
      !ts.isImportDeclaration(statement) &&
      !ts.isExportDeclaration(statement) &&
      !ts.isModuleDeclaration(statement),
  )
}
