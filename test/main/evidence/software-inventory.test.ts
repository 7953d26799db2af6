import t from 'tap'
import { softwareInventory } from '../../../src/main/evidence/software-inventory.ts'
import { CHECKOUT } from '../../fakes/tracked-files.ts'

t.test('what is delivered is listed with licence, and whether the CDE loads it', async (t) => {
  const { packages, programs } = await softwareInventory(CHECKOUT)
  t.match(
    packages.find(({ name }) => name === 'pg'),
    { cde: 'imported', licence: 'MIT', installed: true },
  )
  t.match(
    packages.find(({ name }) => name === 'pg-pool'),
    { cde: 'needed' },
  )
  t.match(
    packages.find(({ name }) => name === 'fastify'),
    { cde: 'no' },
  )
  t.equal(
    packages.find(({ name }) => name === 'typescript'),
    undefined,
    'not delivered',
  )
  t.ok(packages.every(({ version, licence }) => version !== '' && licence !== ''))
  t.match(
    programs.find(({ name }) => name.startsWith('node ')),
    { version: process.versions.node, sha256: /^[0-9a-f]{64}$/ },
  )
  t.match(programs.find(({ name }) => name === 'rtpengine')?.version, /^\d+\./)
})

t.test('a package that is not installed, or in another version, is told', async (t) => {
  const entry = { version: '1.0.0', license: 'MIT' }
  const folder = t.testdir({
    'package-lock.json': JSON.stringify({
      packages: { '': {}, 'node_modules/a': entry, 'node_modules/b': entry, 'node_modules/c': { ...entry, dev: true } },
    }),
    node_modules: { b: { 'package.json': '{"version":"1.0.1"}' } },
  })
  const { packages } = await softwareInventory(folder)
  t.same(
    packages.map(({ name, installed }) => [name, installed]),
    [
      ['a', false],
      ['b', false],
    ],
  )
})
