import { basename } from 'node:path'
import t from 'tap'
import { readTracked, trackedFiles } from '../fakes/tracked-files.ts'

/** Longer than a file that is one thing needs to be. */
const LINES_MAX = 400

/** Files that may be longer, each with its reason. */
const LONGER: Readonly<Record<string, string>> = {}

const source = trackedFiles('src').filter((file) => /\.(ts|mjs)$/.test(file))
const typescript = trackedFiles('.').filter((file) => file.endsWith('.ts'))

/** Lines of a file that match, as `file:line`. */
function places(file: string, pattern: RegExp): readonly string[] {
  return readTracked(file)
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : []))
}

t.test('there is something to check', (t) => {
  t.ok(source.length > 50)
  t.end()
})

t.test('nothing is left for later, switched off, or printed', (t) => {
  const forbidden = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'eslint-' + 'disable', '@ts-' + '(ignore|expect-error|nocheck)'].join('|'),
  )
  for (const file of typescript) t.same(places(file, forbidden), [], file)
  for (const file of source.filter((name) => !name.startsWith('src/desk/page/'))) {
    t.same(places(file, /\bconsole\s*\./), [], file)
  }
  t.end()
})

t.test('nothing is exported by default', (t) => {
  for (const file of source) t.same(places(file, /^\s*export\s+(default\b|\{[^}]*\bas default\b)/), [], file)
  t.end()
})

t.test('files are named in kebab-case, and not by words that say nothing', (t) => {
  for (const file of [...typescript, ...source]) {
    t.match(basename(file), /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.config)?\.(ts|mjs)$/, file)
    t.notMatch(basename(file), /(^|-)(utils?|helpers?|manager|common|misc|index)\./, file)
  }
  t.end()
})

t.test('a file is not longer than one thing needs', (t) => {
  for (const file of source) {
    const lines = readTracked(file).split('\n').length - 1
    if (LONGER[file] === undefined) t.ok(lines <= LINES_MAX, `${file} has ${lines} lines`)
    else t.ok(lines > LINES_MAX, `${file} no longer needs its exception: ${LONGER[file]}`)
  }
  for (const file of Object.keys(LONGER)) t.ok(source.includes(file), `${file} exists`)
  t.end()
})

t.test('what crosses between rooms has no name for digits', (t) => {
  const names = /^(?!\s*(\/?\*|\/\/)).*\b(pan|cvv2?|cvc|cid|digits|cardNumber|cardCode|securityCode|track)\b\s*\??:/i
  for (const file of source.filter((name) => name.startsWith('src/wire/'))) t.same(places(file, names), [], file)
  t.end()
})
