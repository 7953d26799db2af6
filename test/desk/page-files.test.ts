import { readdirSync } from 'node:fs'
import t from 'tap'
import { readPageFiles } from '../../src/desk/page-files.ts'

const files = new Map(readPageFiles().map(({ path, body }) => [path, body]))

t.test('every file of the page is served, and nothing else', (t) => {
  const folder = readdirSync(new URL('../../src/desk/page/', import.meta.url))
  const served = [...files.keys()].map((path) => path.replace('/page/', '').replace(/^\/$/, 'index.html')).sort()
  t.same(served, folder.filter((name) => name !== 'tsconfig.json').sort())
  t.end()
})

t.test('what a module imports at run time is served, and types are not imported any more', (t) => {
  for (const [path, body] of files) {
    if (!path.endsWith('.ts')) continue
    for (const [, from = ''] of body.matchAll(/^(?:import|export) .*?from '([^']+)'/gm)) {
      t.ok(files.has(new URL(from, `http://desk${path}`).pathname), `${path} imports ${from}`)
    }
  }
  t.end()
})

t.test('no text of the page becomes markup or code', (t) => {
  for (const [path, body] of files) {
    t.notMatch(
      body,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|cookie/,
      path,
    )
  }
  t.end()
})
