import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { peerRole, readIdentity, ROLES, roleName } from '../../src/kit/identity.ts'

const peer = (options: { readonly authorized: boolean; readonly names: string | undefined }): TLSSocket =>
  ({ authorized: options.authorized, getPeerCertificate: () => ({ subjectaltname: options.names }) }) as never

t.test('each role has a name of its own', (t) => {
  t.equal(roleName('guard'), 'guard.tonewall.internal')
  t.equal(new Set(ROLES.map(roleName)).size, ROLES.length)
  t.end()
})

t.test('a peer is the role that its certificate names', (t) => {
  for (const role of ROLES) t.equal(peerRole(peer({ authorized: true, names: `DNS:${roleName(role)}` })), role)
  t.end()
})

t.test('no proof, no name, another name or two names are no role', (t) => {
  t.equal(peerRole(peer({ authorized: false, names: 'DNS:guard.tonewall.internal' })), null)
  for (const names of [
    undefined,
    '',
    'DNS:guard.example.com',
    'DNS:guard.tonewall.internal.example.com',
    'DNS:guard.tonewall.internal, DNS:vault.tonewall.internal',
    'URI:guard.tonewall.internal',
    'DNS:*.tonewall.internal',
  ]) {
    t.equal(peerRole(peer({ authorized: true, names })), null)
  }
  t.end()
})

t.test('an identity is read from its files, and a missing one is the system’s error', (t) => {
  const folder = t.testdir({ 'sbc.crt': 'certificate', 'sbc.key': 'key', 'ca.crt': 'authority' })
  t.same(readIdentity({ folder, role: 'sbc' }), {
    role: 'sbc',
    certificate: Buffer.from('certificate'),
    key: Buffer.from('key'),
    authority: Buffer.from('authority'),
  })
  t.throws(() => readIdentity({ folder: join(folder, 'none'), role: 'sbc' }), { code: 'ENOENT' })
  t.end()
})
