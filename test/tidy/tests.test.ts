import { dirname, join } from 'node:path'
import ts from 'typescript'
import t from 'tap'
import { readTracked, trackedFiles } from '../fakes/tracked-files.ts'

const modules = trackedFiles('src').filter((file) => file.endsWith('.ts'))
const tests = trackedFiles('test').filter((file) => file.endsWith('.test.ts'))

const reachedByRoom = new Map<string, ReadonlySet<string>>()

/** Programs that run as a process of their own: what they import is tested by what starts them. */
const RUN_BY: Readonly<Record<string, string>> = {
  'src/main.ts': 'test/main/main.test.ts',
  'src/desk/page/main.ts': 'test/desk/page/main.test.ts',
  'src/cde/hsm/hsm-process.ts': 'test/cde/hsm/hsm-process.test.ts',
  'src/cde/trunk-check/analyser-process.ts': 'test/cde/trunk-check/analyser-process.test.ts',
  'src/demo/phone/phone-process.ts': 'test/demo/phone-client.test.ts',
}

/** What only the whole product can exercise, each with the test that imports it and lets the product run. */
const WITH_THE_SYSTEM: Readonly<Record<string, string>> = {
  'src/demo/demonstration.ts': 'test/system/demonstration.test.ts',
}

t.test('every module with code is reached from a test of its own room', (t) => {
  const imports = importsOf()
  for (const [program, test] of Object.entries(RUN_BY)) {
    t.ok(modules.includes(program), `${program} exists`)
    if (t.ok(tests.includes(test), `${test} runs ${program}`)) imports.get(test)?.push(program)
  }
  for (const [file, test] of Object.entries(WITH_THE_SYSTEM)) {
    t.ok(imports.get(test)?.includes(file), `${test} exists and imports ${file}`)
  }
  for (const file of modules.filter((name) => hasCode(name) && WITH_THE_SYSTEM[name] === undefined)) {
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

t.test('an import is one that happens when the program runs', (t) => {
  const source = [
    `import type { A } from './a.ts'`,
    `import { type B } from './b.ts'`,
    `import './c.ts'`,
    `export { D } from './d.ts'`,
    `export type { E } from './e.ts'`,
    `const late = async () => await import('./f.ts')`,
    `import g from 'node:fs'`,
  ].join('\n')
  t.same(importedBy(ts.createSourceFile('x.ts', source, ts.ScriptTarget.ESNext)), [
    './b.ts',
    './c.ts',
    './d.ts',
    './f.ts',
  ])
  t.end()
})

t.test('no test is skipped, left for later or run alone', (t) => {
  for (const file of tests) t.notMatch(readTracked(file), /\bt\.(skip|todo|only)\b|\{\s*(skip|todo|only):/, file)
  t.end()
})

/**
 * Which file imports which of ours at run time. Read here and not by dependency-cruiser: that reads for seconds, and
 * gives no answer at all when one file in the folders goes away meanwhile.
 */
function importsOf(): ReadonlyMap<string, string[]> {
  return new Map(
    [...trackedFiles('src'), ...trackedFiles('test')]
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, importedBy(parsed(file)).map((path) => join(dirname(file), path))]),
  )
}

/** The relative paths that a file imports: `import`, `export from` and `import()`, but not what is of types only. */
function importedBy(source: ts.SourceFile): readonly string[] {
  const paths: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword) {
      note(node.moduleSpecifier)
    } else if (ts.isExportDeclaration(node) && !node.isTypeOnly) note(node.moduleSpecifier)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) note(node.arguments[0])
    ts.forEachChild(node, visit)
  }
  const note = (specifier: ts.Expression | undefined): void => {
    if (specifier !== undefined && ts.isStringLiteral(specifier) && specifier.text.startsWith('.')) {
      paths.push(specifier.text)
    }
  }
  visit(source)
  return paths
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
  return parsed(file).statements.some(
    (statement) =>
      !ts.isTypeAliasDeclaration(statement) &&
      !ts.isInterfaceDeclaration(statement) &&
      !ts.isImportDeclaration(statement) &&
      !ts.isExportDeclaration(statement) &&
      !ts.isModuleDeclaration(statement),
  )
}

function parsed(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readTracked(file), ts.ScriptTarget.ESNext)
}
