import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { ROLES, roleName } from '../../src/kit/identity.ts'

const certificate = (folder: string, name: string): X509Certificate =>
  new X509Certificate(readFileSync(join(folder, `${name}.crt`)))

t.test('an authority and a leaf for each role are made, and left alone while they are good', (t) => {
  const folder = join(t.testdir(), 'dev')
  t.same(makeDevelopmentAuthority(folder).made, ['ca', ...ROLES])
  const authority = certificate(folder, 'ca')
  t.equal(authority.ca, true)
  for (const role of ROLES) {
    const leaf = certificate(folder, role)
    t.equal(leaf.subjectAltName, `DNS:${roleName(role)}`)
    t.equal(leaf.ca, false)
    t.ok(leaf.checkIssued(authority) && leaf.verify(authority.publicKey), `${role} is signed by the authority`)
    t.ok(new Date(leaf.validTo).getTime() < new Date(authority.validTo).getTime(), `${role} does not outlive it`)
    t.equal(statSync(join(folder, `${role}.key`)).mode & 0o777, 0o600)
  }
  t.equal(statSync(join(folder, 'ca.key')).mode & 0o777, 0o600)
  t.same(makeDevelopmentAuthority(folder).made, [])

  rmSync(join(folder, 'desk.key'))
  t.same(makeDevelopmentAuthority(folder).made, ['desk'], 'one that is missing is made again')
  writeFileSync(join(folder, 'vault.crt'), 'no certificate')
  t.same(makeDevelopmentAuthority(folder).made, ['vault'], 'one that cannot be read is made again')
  t.ok(certificate(folder, 'vault').verify(authority.publicKey))

  rmSync(join(folder, 'ca.key'))
  t.same(makeDevelopmentAuthority(folder).made, ['ca', ...ROLES], 'a new authority makes every leaf new')
  t.notOk(certificate(folder, 'sbc').verify(authority.publicKey))
  t.ok(certificate(folder, 'sbc').verify(certificate(folder, 'ca').publicKey))
  t.end()
})
