import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'

type Options = { readonly cwd: string; readonly env: Readonly<Record<string, string>> }
type Run = (program: string, given: readonly string[], options: Options) => { readonly status: number }
type Install = (options: {
  readonly folder: string
  readonly say: (text: string) => void
  readonly run: Run
}) => boolean

const { installNodePackages } = (await import(resolve(import.meta.dirname, '../../src/setup/node-packages.mjs'))) as {
  readonly installNodePackages: Install
}

/** A checkout with a lockfile, and an npm that brings a runtime or fails. */
function checkout(t: Test, options: { readonly npmWorks: boolean } = { npmWorks: true }) {
  const folder = t.testdir({ 'package-lock.json': '{"lockfileVersion":3}' })
  const ran: string[] = []
  const paths: string[] = []
  const install = (): boolean =>
    installNodePackages({
      folder,
      say: () => undefined,
      run: (program, given, { cwd, env }) => {
        ran.push([program, ...given].join(' '))
        paths.push(env['PATH'] ?? '')
        if (!options.npmWorks) return { status: 1 }
        mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true })
        writeFileSync(join(cwd, 'node_modules/.bin/node'), '')
        return { status: 0 }
      },
    })
  return { folder, ran, paths, install }
}

t.test('packages are installed once, and again when the lockfile changes', (t) => {
  const { folder, ran, install } = checkout(t)
  t.equal(install(), true)
  t.equal(install(), true)
  t.same(ran, ['npm ci --include=dev --no-audit --no-fund --loglevel=error'])
  writeFileSync(join(folder, 'package-lock.json'), '{"lockfileVersion":3,"name":"changed"}')
  t.equal(install(), true)
  t.equal(ran.length, 2)
  t.match(readFileSync(join(folder, 'node_modules/.tonewall-lock'), 'utf8'), /^[0-9a-f]{64} linux-\w+\n$/)
  t.end()
})

t.test('npm does not run on the runtime that it replaces', (t) => {
  const { folder, paths, install } = checkout(t)
  const before = process.env['PATH'] ?? ''
  process.env['PATH'] = `${join(folder, 'node_modules/.bin')}:${before}`
  t.teardown(() => (process.env['PATH'] = before))
  install()
  t.same(paths, [before])
  t.end()
})

t.test('a failure is told, and tried again the next time', (t) => {
  const { ran, install } = checkout(t, { npmWorks: false })
  t.equal(install(), false)
  t.equal(install(), false)
  t.equal(ran.length, 2)
  t.end()
})
