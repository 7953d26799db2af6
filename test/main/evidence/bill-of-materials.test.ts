import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { billOfMaterials } from '../../../src/main/evidence/bill-of-materials.ts'
import { CHECKOUT, readTracked } from '../../fakes/tracked-files.ts'

type Component = {
  readonly name: string
  readonly version: string
  readonly hashes: readonly { readonly alg: string }[]
}
type Bill = {
  readonly specVersion: string
  readonly metadata: { readonly component: { readonly name: string } }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

t.test('npm’s bill names every package of the lockfile, and what is delivered is a part of it', async (t) => {
  const bill = await billOfMaterials({ installation: CHECKOUT })
  if (bill.kind === 'missing') throw new Error(bill.text)
  const { packages } = JSON.parse(readTracked('package-lock.json')) as {
    readonly packages: Record<string, { readonly version: string; readonly dev?: boolean }>
  }
  const locked = Object.entries(packages).filter(([place]) => place !== '')
  const named = (entries: typeof locked) =>
    [...new Set(entries.map(([place, { version }]) => `${place.replace(/^.*node_modules\//, '')}@${version}`))].sort()
  for (const [made, expected] of [
    [bill.withDevelopment, named(locked)],
    [bill.delivered, named(locked.filter(([, { dev }]) => dev !== true))],
  ] as const) {
    const { specVersion, metadata, components, dependencies } = JSON.parse(made.json) as Bill
    t.match(specVersion, /^1\.\d$/)
    t.equal(metadata.component.name, 'tonewall')
    t.same(components.map(({ name, version }) => `${name}@${version}`).sort(), expected)
    t.equal(made.components, expected.length)
    t.ok(
      components.every(({ hashes }) => hashes.some(({ alg }) => alg === 'SHA-512')),
      'each with its hash',
    )
    const refs = new Set(dependencies.map(({ ref }) => ref))
    t.same(
      dependencies.flatMap(({ dependsOn }) => dependsOn.filter((ref) => !refs.has(ref))),
      [],
      'no loose end',
    )
    t.notMatch(made.json, CHECKOUT, 'no path of this machine')
  }
})

t.test('without npm, or with one that writes something else, it is said what to do', async (t) => {
  const folder = t.testdir({})
  const program = join(folder, 'npm')
  const write = (text: string): void => {
    writeFileSync(program, `#!/bin/sh\n${text}\n`)
    chmodSync(program, 0o700)
  }
  t.match(await billOfMaterials({ installation: folder, program }), { kind: 'missing', text: /npm 10 or later/ })
  for (const text of ['exit 1', 'echo {}', 'echo null', 'echo no json']) {
    write(text)
    t.match(
      await billOfMaterials({ installation: folder, program }),
      { kind: 'missing', text: /npm 10 or later/ },
      text,
    )
  }
})
