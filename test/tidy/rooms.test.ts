import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { CHECKOUT } from '../fakes/tracked-files.ts'

/** Imports that would pull down a wall, each with the rule that must notice. */
const BREACHES: readonly (readonly [file: string, source: string, rule: string])[] = [
  ['src/sbc/a.ts', `import '../cde/target.ts'`, 'room-sbc'],
  ['src/sbc/b.ts', `import type { Target } from '../cde/target.ts'\nexport type B = Target`, 'room-sbc'],
  ['src/sbc/i.ts', `await import('../cde/target.ts')`, 'room-sbc'],
  ['src/desk/a.ts', `import '../sbc/target.ts'`, 'room-desk'],
  ['src/sipd/a.ts', `import '../wire/target.ts'`, 'room-sipd'],
  ['src/demo/a.ts', `import '../wire/target.ts'`, 'room-demo'],
  ['src/wire/a.ts', `import '../kit/target.ts'`, 'room-wire'],
  ['src/kit/a.ts', `import '../wire/target.ts'`, 'room-kit'],
  ['src/cde/a.ts', `import '../desk/target.ts'`, 'room-cde'],
  ['src/cde/guard/a.ts', `import '../vault/target.ts'`, 'guard-and-vault-apart'],
  ['src/cde/trunk-check/a.ts', `import '../vault/target.ts'`, 'trunk-check-without-vault'],
  ['src/cde/guard/b.ts', `import '../trunk-check/target.ts'`, 'trunk-check-apart'],
  ['src/cde/b.ts', `import 'fastify'`, 'cde-packages'],
  ['src/cde/c.ts', `import 'node:child_process'`, 'cde-builtins'],
  ['src/sbc/c.ts', `import 'drachtio-srf'`, 'door-drachtio-srf'],
  ['src/sbc/d.ts', `import 'rtpengine-client'`, 'door-rtpengine-client'],
  ['src/kit/b.ts', `import '../main/target.ts'`, 'main-is-the-top'],
  ['src/kit/c.ts', `import '../../test/target.ts'`, 'no-test-in-product'],
  ['src/kit/d.ts', `import './e.ts'`, 'no-circle'],
  ['src/kit/f.ts', `import 'nowhere-package'`, 'resolvable'],
  ['src/kit/g.ts', `import 'typescript'`, 'declared'],
]
const TARGETS = [
  'src/cde',
  'src/cde/vault',
  'src/cde/trunk-check',
  'src/sbc',
  'src/wire',
  'src/kit',
  'src/desk',
  'src/main',
  'test',
]

type Violation = { readonly from: string; readonly rule: { readonly name: string } }

t.test('each wall is noticed when it is pulled down', (t) => {
  const folder = t.testdir()
  const write = (file: string, source: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), `${source}\n`)
  }
  for (const target of TARGETS) write(`${target}/target.ts`, 'export type Target = string\nexport const target = 1')
  write('src/kit/e.ts', `import './d.ts'`)
  for (const [file, source] of BREACHES) write(file, source)
  for (const file of ['package.json', 'tsconfig.json', 'test/tidy/rooms.config.mjs']) {
    cpSync(join(CHECKOUT, file), join(folder, file), { recursive: true })
  }
  symlinkSync(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'))
  const run = spawnSync(
    join(CHECKOUT, 'node_modules/.bin/depcruise'),
    ['--config', 'test/tidy/rooms.config.mjs', '--output-type', 'json', 'src', 'test'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 67_108_864 },
  )
  // It says nothing at all when a file cannot be read; why stands on stderr.
  if (run.stdout === '') throw new Error(`dependency-cruiser gave no answer: ${run.stderr}`)
  const { summary } = JSON.parse(run.stdout) as { readonly summary: { readonly violations: readonly Violation[] } }
  for (const [file, source, rule] of BREACHES) {
    const found = summary.violations.filter(({ from }) => from === file).map((violation) => violation.rule.name)
    t.ok(found.includes(rule), `${rule} notices ${source.split('\n')[0] ?? ''} in ${file}`)
  }
  t.end()
})
