import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CHECKOUT, readTracked, trackedFiles } from '../fakes/tracked-files.ts'

const files = trackedFiles().filter((file) => file !== 'LICENSE')

t.test('versions are exact, and the lockfile agrees', (t) => {
  type Package = { readonly dependencies: Record<string, string>; readonly devDependencies: Record<string, string> }
  const own = JSON.parse(readTracked('package.json')) as Package
  const lock = JSON.parse(readTracked('package-lock.json')) as { readonly packages: Record<string, Package> }
  for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies })) {
    t.match(version, /^\d+\.\d+\.\d+$/, `${name} is pinned`)
  }
  t.same(lock.packages['']?.dependencies, own.dependencies)
  t.same(lock.packages['']?.devDependencies, own.devDependencies)
  t.end()
})

t.test('the lockfile names no host', (t) => {
  t.notMatch(readTracked('package-lock.json'), /"resolved":|https?:\/\/[^"]*\.tgz/)
  t.end()
})

t.test('no path of somebody’s machine and no registry is written down', (t) => {
  const folders = ['wo' + 'rk', 'ro' + 'ot', 'ho' + 'me'].join('|')
  const machine = new RegExp(`(^|[\\s"'\`(=:,])/(${folders})(/|["'\`\\s)]|$)`, 'm')
  const registry = new RegExp(['registry\\.[a-z0-9-]+\\.[a-z]', 'npm' + 'js\\.(com|org)', 'proxy\\.golang'].join('|'))
  for (const file of files.filter((name) => name !== 'package-lock.json' && !isBinary(name))) {
    t.notMatch(readTracked(file), machine, file)
    t.notMatch(readTracked(file), registry, file)
  }
  t.end()
})

t.test('no key, no audio, no database and no binary is committed', (t) => {
  for (const file of files) {
    t.notMatch(file, /\.(key|pem|p12|pfx|crt|wav|au|raw|pcap|pcapng|sqlite3?|db|node|so|exe)(-\w+)?$/, file)
    if (!isBinary(file)) t.notMatch(readTracked(file), /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}/, file)
    else t.match(file, /\.(png|jpg|svg|ico)$/, `${file} is a picture`)
  }
  t.end()
})

function isBinary(file: string): boolean {
  return readFileSync(join(CHECKOUT, file)).subarray(0, 8_000).includes(0)
}
