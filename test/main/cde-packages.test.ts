import { dirname, join } from 'node:path'
import ts from 'typescript'
import t from 'tap'
import { CDE_PACKAGES, CDE_PACKAGES_BELOW } from '../../src/main/cde-packages.ts'
import { readTracked } from '../fakes/tracked-files.ts'

/** What the CDE's processes begin with. */
const ENTRY_POINTS = [
  'src/main.ts',
  'src/main/run-role.ts',
  'src/cde/guard/guard.ts',
  'src/cde/vault/vault.ts',
  'src/cde/vault/api/start-api.ts',
  'src/cde/hsm/hsm-process.ts',
  // The vault loads these late, where its key-encryption key is theirs.
  'src/cde/vault/aws-kms-key.ts',
  'src/cde/vault/transit-key.ts',
  'src/cde/trunk-check/analyser-process.ts',
]

t.test('the packages that processes of the CDE import are those of the list', (t) => {
  const walk = walked(ENTRY_POINTS, readTracked)
  t.same([...walk.packages].sort(), [...CDE_PACKAGES].sort())
  for (const entry of ENTRY_POINTS.slice(2)) {
    const room = /^src\/cde\/[a-z-]+\//.exec(entry)?.[0] ?? ''
    t.ok([...walk.files].filter((file) => file.startsWith(room)).length > 3, `${entry} was followed`)
  }
  t.end()
})

t.test('what those packages bring with them are those of the list', (t) => {
  t.same([...broughtBy(CDE_PACKAGES)].sort(), [...CDE_PACKAGES_BELOW].sort())
  t.end()
})

t.test('an import is found however it is written, and types do not count', (t) => {
  const files: Readonly<Record<string, string>> = {
    'src/cde/a.ts': [
      `import { b } from './b.ts'`,
      `import type { No } from 'types-only'`,
      `export { x } from 'one'`,
      `const late = await import('two/part.js')`,
      `import fs from 'node:fs'`,
    ].join('\n'),
    'src/cde/b.ts': `import '@scope/three/deep.js'\nimport '../main/c.ts'`,
    // What main loads late is another room's.
    'src/main/c.ts': `import 'four'\nconst other = () => import('../sbc/d.ts')`,
  }
  const { packages } = walked(['src/cde/a.ts'], (file) => files[file] ?? 'import "unexpected"')
  t.same([...packages].sort(), ['@scope/three', 'four', 'one', 'two'])
  t.end()
})

type Walk = { readonly files: ReadonlySet<string>; readonly packages: ReadonlySet<string> }

/** Every file and package that is loaded from these. In src/main each room is loaded late, so only what is loaded at once counts. */
function walked(entryPoints: readonly string[], read: (file: string) => string): Walk {
  const files = new Set<string>()
  const packages = new Set<string>()
  const queue = [...entryPoints]
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (files.has(file)) continue
    files.add(file)
    for (const { text, isLate } of importsOf(file, read(file))) {
      if (isLate && file.startsWith('src/main')) continue
      if (text.startsWith('.')) queue.push(join(dirname(file), text))
      else if (!text.startsWith('node:')) packages.add(packageOf(text))
    }
  }
  return { files, packages }
}

function importsOf(file: string, source: string): readonly { readonly text: string; readonly isLate: boolean }[] {
  const found: { text: string; isLate: boolean }[] = []
  const note = (specifier: ts.Expression | undefined, isLate = false): void => {
    if (specifier === undefined) return
    // What is not written out cannot be followed.
    found.push({ text: ts.isStringLiteralLike(specifier) ? specifier.text : 'computed-import', isLate })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      if (node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword) note(node.moduleSpecifier)
    } else if (ts.isExportDeclaration(node) && !node.isTypeOnly) note(node.moduleSpecifier)
    else if (ts.isCallExpression(node)) {
      const isRequire = ts.isIdentifier(node.expression) && /^(require|createRequire)$/.test(node.expression.text)
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) note(node.arguments[0], true)
      else if (isRequire) note(node.arguments[0])
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.ESNext))
  return found
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

type Locked = { readonly dependencies?: Record<string, string>; readonly optionalDependencies?: Record<string, string> }

/** The packages below these in the lockfile, without them, by name. */
function broughtBy(names: readonly string[]): ReadonlySet<string> {
  const { packages } = JSON.parse(readTracked('package-lock.json')) as { readonly packages: Record<string, Locked> }
  const places = new Set<string>()
  const queue = names.map((name) => placeOf(packages, '', name))
  for (let place = queue.pop(); place !== undefined; place = queue.pop()) {
    if (places.has(place)) continue
    places.add(place)
    const { dependencies, optionalDependencies } = packages[place] ?? {}
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const below = placeOf(packages, place, name)
      if (below !== undefined) queue.push(below)
    }
  }
  const found = [...places].map((place) => place.replace(/^.*node_modules\//, ''))
  return new Set(found.filter((name) => !names.includes(name)))
}

/** Where Node finds a package from another: in its own folder first, then in those around it. */
function placeOf(packages: Record<string, Locked>, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const place = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (packages[place] !== undefined) return place
    if (folder === '') return undefined
  }
}
