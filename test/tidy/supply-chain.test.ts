import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CHECKOUT, readTracked } from '../fakes/tracked-files.ts'

/** Licences that ask for no more than their own text: these may be in the product. */
const LICENCES = ['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0']
/** Of what only builds and tests, and is not delivered. */
const DEVELOPMENT_LICENCES = [
  ...LICENCES,
  'BlueOak-1.0.0',
  'CC0-1.0',
  'CC-BY-3.0',
  'CC-BY-4.0',
  'Unlicense',
  'Python-2.0',
]

/** Packages that name no licence in package.json, each with the file that does, and its words. */
const STATED_ELSEWHERE: Readonly<
  Record<string, { readonly file: string; readonly words: RegExp; readonly is: string }>
> = {
  'jsonc-simple-parser': { file: 'license', words: /The MIT License \(MIT\)/, is: 'MIT' },
  only: { file: 'Readme.md', words: /\(The MIT License\)/, is: 'MIT' },
}

/** Scripts of npm that run while a package is installed, as its author wrote them. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall']

type Locked = {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly name?: string
  readonly link?: boolean
  readonly inBundle?: boolean
  readonly dev?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
}
type Installed = {
  readonly name?: string
  readonly version?: string
  readonly license?: string
  readonly scripts?: Readonly<Record<string, string>>
}

const lock = JSON.parse(readTracked('package-lock.json')) as {
  readonly lockfileVersion: number
  readonly packages: Readonly<Record<string, Locked>>
}
const entries = Object.entries(lock.packages).filter(([place]) => place !== '')

t.test('every package in the lockfile is held to its hash, and comes from no foreign host', (t) => {
  t.equal(lock.lockfileVersion, 3)
  t.ok(entries.length > 100)
  t.same(
    entries.flatMap(([place, entry]) => faultOf(place, entry)),
    [],
  )
  t.end()
})

t.test('an entry without a hash, from a foreign host, a folder or under another name is found', (t) => {
  const good = { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==` }
  t.same(faultOf('node_modules/a', good), [])
  t.match(faultOf('node_modules/a', { version: '1.0.0' })[0], /no hash/)
  t.match(faultOf('node_modules/a', { ...good, integrity: 'sha1-AAAA' })[0], /no hash/)
  t.match(faultOf('node_modules/a', { ...good, resolved: 'git+ssh://elsewhere/a.git' })[0], /names where/)
  t.match(faultOf('node_modules/a', { ...good, link: true })[0], /folder/)
  t.match(faultOf('node_modules/a', { ...good, name: 'b' })[0], /another name/)
  t.match(faultOf('vendor/a', good)[0], /folder/)
  t.end()
})

t.test('what is installed is what the lockfile says', (t) => {
  const differing = entries.flatMap(([place, { version, optional }]) => {
    const found = installed(place)
    // Optional ones are for other machines, or are this machine's.
    if (found === null) return optional === true ? [] : [`${place} is missing`]
    return found.version === version ? [] : [`${place} is ${found.version ?? 'of no version'}`]
  })
  t.same(differing, [])
  t.end()
})

t.test('nothing runs while packages are installed but what package.json names', (t) => {
  const { allowScripts } = JSON.parse(readTracked('package.json')) as {
    readonly allowScripts: Readonly<Record<string, boolean>>
  }
  const running = entries.filter(
    ([place, { hasInstallScript }]) =>
      hasInstallScript === true ||
      INSTALL_SCRIPTS.some((name) => installed(place)?.scripts?.[name] !== undefined) ||
      existsSync(join(CHECKOUT, place, 'binding.gyp')),
  )
  t.same(
    running.map(([place]) => place.replace(/^node_modules\//, '')),
    Object.keys(allowScripts),
  )
  t.end()
})

t.test('every package has a licence that may be here', (t) => {
  const strange = entries.flatMap(([place, entry]) => {
    const isDevelopment = entry.dev === true
    const licence = licenceOf(place, entry)
    if (isAllowed(licence, isDevelopment ? DEVELOPMENT_LICENCES : LICENCES)) return []
    return [`${place}: ${licence === '' ? 'no licence' : licence}`]
  })
  t.same(strange, [])
  for (const name of Object.keys(STATED_ELSEWHERE)) t.ok(lock.packages[`node_modules/${name}`], `${name} is still here`)
  t.end()
})

t.test('a licence is read as SPDX writes it', (t) => {
  const allowed = ['MIT', 'Apache-2.0']
  t.ok(isAllowed('MIT', allowed))
  t.ok(isAllowed('(WTFPL OR MIT)', allowed), 'one of two is enough')
  t.ok(isAllowed('MIT AND (GPL-2.0 OR Apache-2.0)', allowed))
  t.notOk(isAllowed('GPL-3.0-only', allowed))
  t.notOk(isAllowed('MIT AND GPL-2.0', allowed), 'both are asked for')
  t.notOk(isAllowed('Apache-2.0 WITH Something-exception', allowed), 'an exception is another licence')
  t.notOk(isAllowed('SEE LICENSE IN LICENSE.txt', allowed))
  t.notOk(isAllowed('', allowed))
  t.notOk(isAllowed('(MIT', allowed))
  t.end()
})

/** What is wrong with an entry, for people. The hosts themselves are left out of the lockfile: npm asks the one that it is told to. */
function faultOf(place: string, { integrity, resolved, link, inBundle, name }: Locked): readonly string[] {
  if (!place.startsWith('node_modules/') || link === true || inBundle === true) return [`${place} is a folder`]
  if (resolved !== undefined) return [`${place} names where it comes from`]
  if (name !== undefined) return [`${place} goes by another name`]
  return /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? '') ? [] : [`${place} has no hash`]
}

function installed(place: string): Installed | null {
  const file = join(CHECKOUT, place, 'package.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Installed) : null
}

/** As the package says, which its author signed for; for one that is not installed here, as the lockfile says. */
function licenceOf(place: string, entry: Locked): string {
  const found = installed(place)
  const elsewhere = STATED_ELSEWHERE[place.replace(/^node_modules\//, '')]
  const stated: unknown = found === null ? entry.license : found.license
  if (typeof stated === 'string') return stated
  if (elsewhere === undefined) return ''
  return elsewhere.words.test(readFileSync(join(CHECKOUT, place, elsewhere.file), 'utf8')) ? elsewhere.is : ''
}

/** An expression of SPDX ids, AND, OR and brackets. What is anything else is not allowed. */
function isAllowed(expression: string, allowed: readonly string[]): boolean {
  const words = expression.match(/[()]|[^\s()]+/g) ?? []
  let at = 0
  const take = (): string => words[at++] ?? ''
  const one = (): boolean => {
    const word = take()
    if (word !== '(') return allowed.includes(word)
    const inside = either()
    return take() === ')' && inside
  }
  const both = (): boolean => {
    let result = one()
    while (words[at] === 'AND') {
      at += 1
      const next = one()
      result = result && next
    }
    return result
  }
  const either = (): boolean => {
    let result = both()
    while (words[at] === 'OR') {
      at += 1
      const next = both()
      result = result || next
    }
    return result
  }
  const result = either()
  return result && at === words.length
}
